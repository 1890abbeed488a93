"""Small statistics of texts that several groups share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return WORD.findall(text.lower())


def type_token_ratio(texts: Sequence[str]) -> float:
    """Return distinct words over all words; 0 without any."""
    tokens: list[str] = []
    for text in texts:
        tokens.extend(words(text))
    if not tokens:
        return 0.0
    return len(set(tokens)) / len(tokens)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation; zeros for nothing."""
    if len(values) == 0:
        return 0.0, 0.0
    return float(np.mean(values)), float(np.std(values))


def stratum(target: object) -> str:
    """Return a target as one class name: several labels count as their combination."""
    if isinstance(target, str):
        return target
    labels = cast(Iterable[object], target)
    return "|".join(map(str, labels))


def unit_vector(vector: np.ndarray) -> tuple[float, ...]:
    """Return a vector scaled to length 1; one of length 0 as it is."""
    length = float(np.linalg.norm(vector))
    scaled = vector / length if length else vector
    return tuple(float(value) for value in scaled)
