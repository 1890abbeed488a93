"""What a metric is: a function of right answers and given ones, with a direction and a range."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from xautolm.objectives import Objective
from xautolm.vocabulary import Targets

Compute = Callable[..., float]
"""Targets and answers to a value; see `Targets` for their shapes."""

Function = TypeVar("Function", bound=Compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measure of quality; a plug-in of `xautolm.metrics`."""

    name: str
    compute: Compute
    """A function of targets and predictions, or of targets and probabilities; finite for every input."""
    targets: tuple[Targets, ...]
    """What it can be computed of."""
    maximize: bool = True
    """Whether larger is better."""
    low: float = -math.inf
    """The smallest value that it can have."""
    high: float = math.inf
    """The largest value that it can have."""
    needs_probabilities: bool = False
    """Whether it takes the probabilities of the classes, shape (n, classes), in place of predictions."""
    title: str = ""
    """What people call it, such as macro F1; the name in words where it is empty."""

    @property
    def objective(self) -> Objective:
        """Return what it means to improve it."""
        return Objective(name=self.name, maximize=self.maximize, low=self.low, high=self.high)


def metric(
    *,
    greater_is_better: bool = True,
    needs_probabilities: bool = False,
    low: float = -math.inf,
    high: float = math.inf,
) -> Callable[[Function], Function]:
    """Say of a function of one's own which values are better, and what it takes, where it is defined.

    Args:
        greater_is_better: Whether larger is better.
        needs_probabilities: Whether it takes probabilities of the classes in place of predictions.
        low: The smallest value that it can have.
        high: The largest value that it can have.

    Example:
        >>> @metric(greater_is_better=False, low=0.0)
        ... def mean_cost(targets, predictions):
        ...     return float(abs(targets - predictions).mean())
        >>> mean_cost.greater_is_better
        False
    """

    def describe(function: Function) -> Function:
        attributes = {
            "greater_is_better": greater_is_better,
            "needs_probabilities": needs_probabilities,
            "low": low,
            "high": high,
        }
        for name, value in attributes.items():
            setattr(function, name, value)
        return function

    return describe
