"""How good a past success was among those of its own search (XAutoLM, arXiv 2508.00924, warm start step 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from xautolm.metrics import EVALUATION_TIME
from xautolm.ranking import fronts
from xautolm.records import Experience, TrialOutcome

SMALLER = "-"
"""Begins the name of an objective of which smaller is better."""

Utility = Callable[[np.ndarray], np.ndarray]
"""Values of shape (experiences, objectives), larger is better, to utilities in [0, 1] of shape (experiences,)."""


def utilities(experiences: Sequence[Experience], kind: str) -> dict[str, float]:
    """The utility of every positive experience by its id, computed within its own run."""
    runs: dict[str, list[Experience]] = {}
    for one in experiences:
        if is_positive(one):
            runs.setdefault(one.run, []).append(one)
    found: dict[str, float] = {}
    for members in runs.values():
        values = np.asarray([objectives_of(one) for one in members])
        found |= {one.id: float(value) for one, value in zip(members, UTILITIES[kind](values), strict=True)}
    return found


def is_positive(experience: Experience) -> bool:
    """Whether every objective has a finite value."""
    return experience.outcome.succeeded and all(map(math.isfinite, objectives_of(experience)))


def is_negative(experience: Experience) -> bool:
    """Whether it failed in a way that says something about its configuration."""
    return not experience.outcome.succeeded and experience.outcome.is_evidence


def objectives_of(experience: Experience) -> list[float]:
    """The objectives of an experience with larger as better; not finite where there is no value."""
    return [oriented_value(experience.outcome, name) for name in experience.objectives]


def oriented_value(outcome: TrialOutcome, name: str) -> float:
    """One objective of an outcome with larger as better; minus infinity where there is no value.

    Args:
        outcome: What came of a trial.
        name: A metric, the evaluation time, or `-` and a metric of which smaller is better.
    """
    if name == EVALUATION_TIME:
        return -math.inf if outcome.evaluation_time is None else -outcome.evaluation_time
    plain = name.removeprefix(SMALLER)
    value = outcome.metrics.get(plain, math.nan) * (-1 if plain != name else 1)
    return -math.inf if math.isnan(value) else value


def weighted_sum(values: np.ndarray) -> np.ndarray:
    """Mean of the min-max normalised objectives; a constant objective counts as fully met."""
    low, width = values.min(axis=0), np.ptp(values, axis=0)
    scaled = np.divide(values - low, width, out=np.ones_like(values), where=width > 0)
    return np.asarray(scaled.mean(axis=1))


def linear_front(values: np.ndarray) -> np.ndarray:
    """(F - f) / F, where f counts the fronts from 0 and F is their number."""
    index, count = _front_indices(values)
    return (count - index) / count


def logarithmic_front(values: np.ndarray) -> np.ndarray:
    """ln(F - f + 1) / ln(F + 1)."""
    index, count = _front_indices(values)
    return np.asarray(np.log(count - index + 1) / math.log(count + 1))


def _front_indices(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The front of each point, the best is 0, and the number of fronts."""
    index = np.zeros(len(values))
    found = fronts(values)
    for number, members in enumerate(found):
        index[members] = number
    return index, len(found)


UTILITIES: Mapping[str, Utility] = {
    "weighted_sum": weighted_sum,
    "linear_front": linear_front,
    "logarithmic_front": logarithmic_front,
}
