"""A trial as the surrogates see it, and what a sampler is given to begin with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from xautolm.objectives import Objective
from xautolm.records import Values
from xautolm.space import Float, Prior


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one configuration."""

    values: Values
    """By plain parameter name."""
    scores: tuple[float, ...] | None
    """One number for each objective of the study at hand, larger is better; None for a failure. Qualities are in
    standard deviations from their run's mean, the evaluation time is minus its natural logarithm."""
    weight: float = 1.0
    """How much it counts: falls with the distance of its task."""
    data: str = ""
    """Which trials it is compared with: those on the same data, measured alike. Empty in files from before it was
    kept."""
    units: tuple[float, ...] = ()
    """By what each score was divided: standard deviations of the qualities among those trials, 1 for the time. Empty
    where they are not known."""
    source: str = ""
    """Which trial it was, for people."""
    traits: Mapping[str, float] = field(default_factory=dict)
    """Numbers about it that travel from model to model and from task to task, by name; empty for trials of the study at
    hand, and in files from before they were kept."""

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return self.scores is None


class Traits(Protocol):
    """What tells the traits of configurations on the task at hand."""

    @property
    def ranges(self) -> Sequence[Float]:
        """Return every trait, with the range that it is scaled by."""

    def of(self, values: Values) -> Mapping[str, float]:
        """Return the traits of a configuration, by plain parameter names; what is not known is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a sampler begins with."""

    prior: Prior
    evidence: Sequence[Evidence] = ()
    traits: Traits | None = None
    """None where a configuration has no traits besides its values."""


Trials = Sequence[Evidence]
"""Trials as evidence: the target's own, or those of a store."""

CENSORED_DEFICIT = 0.5
"""Share of a stopped trial's deficit that is believed: half way between what it reached and the mean of those that ran
to their end. At 1 it would pass for the configuration's peak; at 0 a hopeless one would be proposed again and again."""

LEAST_DEVIATION = 1e-3
"""Standard deviation as which a smaller one counts, of an objective whose range is finite. Of others it says nothing,
for their unit may be any; there it is that of trials which are all alike, as a share of their value."""
ALIKE = 1e-9
"""Standard deviation, as a share of the largest value, up to which trials are all alike but for rounding."""
LEAST_SECONDS = 1e-3
"""Evaluation time as which a smaller one counts: there is no logarithm of 0."""

Scores = np.ndarray
"""Objectives on the scale of `Evidence.scores`, shape (configurations, objectives)."""


def scores_of(target: Trials, objectives: int) -> Scores:
    """Return the scores of those trials that have any, shape (successes, objectives)."""
    scores: list[tuple[float, ...]] = []
    for evidence in target:
        if evidence.scores is not None:
            scores.append(evidence.scores)
    # Before the first success there are no rows, but still a column for each objective.
    shape = (len(scores), objectives)
    return np.asarray(scores, dtype=float).reshape(shape)


def standardised(
    values: np.ndarray,
    objectives: Sequence[Objective],
    time: int | None,
    is_censored: np.ndarray | None = None,
) -> tuple[Scores, tuple[float, ...]]:
    """Return oriented objectives as scores, and by what each was divided.

    Qualities are in standard deviations from their mean, the time is minus its logarithm.

    What a trial had reached when it was stopped is a lower bound. So it is no part of the mean that others are compared
    with, and if it is below that mean, only half of its deficit counts: it is at most that much worse. What is above
    the mean was reached, and counts in full.

    Args:
        values: Shape (trials, objectives), larger is better.
        objectives: What they are values of.
        time: Position of the (negated) evaluation time; of stopped trials, the whole training's.
        is_censored: Which trials were stopped before their end, shape (trials,); none if not given.
    """
    if not len(values):
        return values, ()
    if is_censored is None:
        is_censored = np.zeros(len(values), dtype=bool)
    whole = values[~is_censored]
    # Where every trial was stopped, their own mean is all that there is to compare with.
    if not len(whole):
        whole = values
    mean = whole.mean(axis=0)
    deviation = np.maximum(values.std(axis=0), _least_deviations(values, objectives))
    scores = (values - mean) / deviation

    is_below_mean = scores < 0
    is_bound = is_censored[:, None] & is_below_mean
    believed = CENSORED_DEFICIT * scores
    scores = np.where(is_bound, believed, scores)

    if time is not None:
        # Neither centred nor scaled: the same seconds mean the same on every task.
        seconds = np.maximum(-values[:, time], LEAST_SECONDS)
        scores[:, time] = -np.log(seconds)
        deviation[time] = 1.0
    return np.asarray(scores), tuple(deviation.tolist())


def _least_deviations(values: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Return the deviation of each objective as which a smaller one counts, shape (objectives,).

    Trials that are all alike have none to divide by.
    """
    largest = np.abs(values).max(axis=0)
    least = LEAST_DEVIATION * np.where(largest > 0, largest, 1.0)
    # Of the smallest numbers that there are, such a share is none.
    least = np.maximum(least, np.finfo(float).tiny)
    is_alike = values.std(axis=0) <= ALIKE * largest
    least = np.where(is_alike, least, 0.0)
    has_range = [
        math.isfinite(objective.low) and math.isfinite(objective.high) for objective in objectives
    ]
    return np.where(has_range, LEAST_DEVIATION, least)
