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


def vocabulary(texts: Iterable[str]) -> set[str]:
    """Return the distinct words of some texts, in lower case."""
    distinct: set[str] = set()
    for text in texts:
        distinct.update(words(text))
    return distinct


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
    mean = float(np.mean(values))
    deviation = float(np.std(values))
    return mean, deviation


def stratum(target: object) -> str:
    """Return a target as one class name: several labels count as their combination."""
    if isinstance(target, str):
        return target
    # A text is iterable too, and was returned above.
    labels = cast(Iterable[object], target)
    return "|".join(map(str, labels))


def unit_vector(vector: np.ndarray) -> tuple[float, ...]:
    """Return a vector scaled to length 1; one of length 0 as it is."""
    length = float(np.linalg.norm(vector))
    scaled = vector
    if length != 0:
        scaled = vector / length
    return tuple(float(value) for value in scaled)
