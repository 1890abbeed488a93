"""Small statistics of texts that several groups share."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def type_token_ratio(texts: Sequence[str]) -> float:
    """Distinct words over all words; 0 without any."""
    found = [word for text in texts for word in words(text)]
    return len(set(found)) / len(found) if found else 0.0


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; zeros for nothing."""
    return (float(np.mean(values)), float(np.std(values))) if len(values) else (0.0, 0.0)


def stratum(target: object) -> str:
    """A target as one class name: several labels count as their combination."""
    return target if isinstance(target, str) else "|".join(map(str, target))  # type: ignore[call-overload]
