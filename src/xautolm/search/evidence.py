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


CENSORED_DEFICIT = 0.5
"""Share of a stopped trial's deficit that is believed: half way between what it reached and the mean of those that ran
to their end. At 1 it would pass for the configuration's peak; at 0 a hopeless one would be proposed again and again."""


def standardised(
    values: np.ndarray, time: int | None, is_censored: np.ndarray | None = None
) -> np.ndarray:
    """Oriented objectives as scores: qualities in standard deviations from their mean, the time as minus its logarithm.

    What a trial had reached when it was stopped is a lower bound. So it is no part of the mean that others are compared
    with, and if it is below that mean, only half of its deficit counts: it is at most that much worse. What is above
    the mean was reached, and counts in full.

    Args:
        values: Shape (trials, objectives), larger is better.
        time: Position of the (negated) evaluation time; of stopped trials, the whole training's.
        is_censored: Which trials were stopped before their end, shape (trials,); none if not given.
    """
    if not len(values):
        return values
    if is_censored is None:
        is_censored = np.zeros(len(values), dtype=bool)
    whole = values if is_censored.all() else values[~is_censored]
    scores = (values - whole.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-3)
    is_bound = is_censored[:, None] & (scores < 0)
    scores = np.where(is_bound, CENSORED_DEFICIT * scores, scores)
    if time is not None:
        scores[:, time] = -np.log(np.maximum(-values[:, time], 1e-3))
    return np.asarray(scores)
