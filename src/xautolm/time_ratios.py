"""How far predicted times were off, and what that says of the next prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from statistics import median

MAJORITY = 3
"""Past trials of which one that is wrong is outvoted by the median."""
MINORITY_RATIO = 3.0
"""How far fewer past trials can move a prediction: one wrong record must not make everything look too slow to try."""


class Likeness(Enum):
    """Degrees to which trials are like another, the closest first."""

    SAME_KIND = auto()
    SAME_TRAINING = auto()
    """Both take gradient steps, or neither: passes alone use a machine unlike passes with steps between them."""
    ANY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedKind:
    """Describe trials whose predicted times are off by about the same factor."""

    trains_by_gradient: bool
    family: str
    size_decade: int
    """Logarithm of the number of weights to the base of ten, rounded down."""
    precision: str
    devices: int = 1
    """Over how many the model is divided."""

    def is_like(self, kind: TimedKind, likeness: Likeness) -> bool:
        """Return whether trials of this kind are so much like those of another."""
        if likeness is Likeness.SAME_KIND:
            return self == kind
        if likeness is Likeness.SAME_TRAINING:
            return self.trains_by_gradient == kind.trains_by_gradient
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRatio:
    """Say how far the predicted time of a trial was off."""

    kind: TimedKind
    value: float
    """Measured over uncorrected predicted seconds."""


def correction_of(kind: TimedKind, own: Sequence[TimeRatio], past: Sequence[TimeRatio]) -> float:
    """Return what a prediction of time for a kind of trials is multiplied by: the median ratio of the most alike.

    The trials of this search ran on this very data, and those of the same kind are of the same speed; where it has
    none of the kind, past ones are nearer than its own of another kind (docs/experiments.md, "What is foreseen of
    trials").

    Args:
        kind: Of the trial that is predicted.
        own: Of this search's trials.
        past: Of others, on such a machine.
    """
    for likeness in Likeness:
        own_values = [ratio.value for ratio in own if ratio.kind.is_like(kind, likeness)]
        if own_values:
            return median(own_values)
        past_values = [ratio.value for ratio in past if ratio.kind.is_like(kind, likeness)]
        if past_values:
            return _cautious_median(past_values)
    return 1.0


def _cautious_median(ratios: Sequence[float]) -> float:
    """Return the median of past ratios, held near 1 while a single wrong record could be it."""
    correction = median(ratios)
    if len(ratios) >= MAJORITY:
        return correction
    at_least = max(correction, 1 / MINORITY_RATIO)
    return min(at_least, MINORITY_RATIO)
