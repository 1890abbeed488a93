"""What a group of meta-features is: a versioned name, names of its numbers, and how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xautolm.records import Limits, SystemProfile

Encode = Callable[[Sequence[str], Path], np.ndarray]
"""Embeds texts with the sentence encoder in a folder; returns shape (texts, dimensions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What meta-features are computed from: at most some thousands of rows, and sizes of the whole."""

    texts: Sequence[str]
    """Texts; prompts for generation."""
    targets: Sequence[Any]
    """Labels as the task parsed them: classes or numbers; texts for generation."""
    examples: int
    """Number of rows of the whole data."""
    system: SystemProfile
    limits: Limits
    seed: int
    encode: Encode | None = None
    """Where a sentence encoder can run in this process; None lets it run in one of its own."""


class Part(StrEnum):
    """The parts of the distance between two tasks (XAutoLM, arXiv 2508.00924)."""

    TASK = "task"
    """Numbers about the data, compared after they are scaled to one range."""
    SEMANTIC = "semantic"
    """What the texts are about: vectors, compared by the angle between them."""
    SYSTEM = "system"
    """Numbers about the machine and the limits of trials, compared as those of the task; never kept in the cache."""


class FeatureGroup(Protocol):
    """A group of meta-features; a plug-in of `xautolm.metafeatures`.

    A name means the same numbers for ever: another way to compute them is another version.
    """

    name: str
    part: Part
    """Which part of the distance between tasks it enters."""
    aspect: str
    """What it describes within its part. Of several groups of one aspect one enters the distance; the aspects of a part
    all do, with equal weight. `paper` stands for what the paper compares, or its like in tasks that it lacks."""
    noise: float
    """Range of log1p of one of its numbers, over all tasks compared, that may come of measuring alone: such a number
    counts as equal everywhere. 0 where the same task always gives the same numbers."""
    targets: str
    """A `TargetKind`: which targets it needs."""
    features: tuple[str, ...]
    """Names of the numbers, in order; empty for a vector without named parts."""

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return the numbers; none where the group cannot be had on this machine."""
