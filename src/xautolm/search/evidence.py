"""A trial as the surrogates see it, and what a sampler is given to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.records import Scalar
from xautolm.space import Prior


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one configuration."""

    values: Mapping[str, Scalar]
    """By plain parameter name."""
    scores: tuple[float, ...] | None
    """One number for each objective of the study at hand, larger is better; None for a failure. Qualities are in
    standard deviations from their run's mean, the evaluation time is minus its natural logarithm."""
    weight: float = 1.0
    """How much it counts: falls with the distance of its task."""
    source: str = ""
    """Which trial it was, for people."""

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return self.scores is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a sampler begins with."""

    prior: Prior
    evidence: Sequence[Evidence] = ()


def standardised(values: np.ndarray, time: int | None) -> np.ndarray:
    """Oriented objectives as scores: qualities in standard deviations from their mean, the time as minus its logarithm.

    Args:
        values: Shape (trials, objectives), larger is better.
        time: Position of the (negated) evaluation time.
    """
    if not len(values):
        return values
    scores = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-3)
    if time is not None:
        scores[:, time] = -np.log(np.maximum(-values[:, time], 1e-3))
    return np.asarray(scores)
