"""The contract of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xautolm.metrics import Metric, Targets

Answers = np.ndarray | Sequence[str] | Sequence[Sequence[str]]


class MetricCase(NamedTuple):
    """What is right, answers that are perfect, and some that are poor in different ways."""

    right: Answers
    perfect: Answers
    poorest: Sequence[Answers]


RIGHT_CLASSES = np.asarray([0, 1, 2, 1])
RIGHT_INDICATORS = np.asarray([[1, 0, 0], [0, 1, 1], [0, 0, 0]])
RIGHT_NUMBERS = np.asarray([1.0, 2.0, 4.0])
LARGE_NUMBERS = np.asarray([1e30, -1e30, 0.0], dtype=np.float32)
"""Their squares are infinite in single precision."""

METRIC_CASES: Mapping[Targets, MetricCase] = {
    Targets.CLASSES: MetricCase(
        RIGHT_CLASSES, RIGHT_CLASSES, [np.zeros(4, dtype=int), np.asarray([1, 0, 0, 2])]
    ),
    Targets.INDICATORS: MetricCase(
        RIGHT_INDICATORS, RIGHT_INDICATORS, [1 - RIGHT_INDICATORS, np.zeros((3, 3), dtype=int)]
    ),
    Targets.NUMBERS: MetricCase(
        RIGHT_NUMBERS, RIGHT_NUMBERS, [np.full(3, 7.0), -RIGHT_NUMBERS, LARGE_NUMBERS]
    ),
    Targets.TEXTS: MetricCase(
        (("the cat", "a dog"), ("red car",), ()),
        ["a dog", "red car", ""],
        [["", "", "x"], ["\n", "no", "no"]],
    ),
}
PROBABILITY_CASES: Mapping[Targets, MetricCase] = {
    # Both have rows of which the model is sure, and wrong.
    Targets.CLASSES: MetricCase(
        np.asarray([0, 1]), np.eye(2), [np.eye(2)[::-1], np.full((2, 2), 0.5)]
    ),
    Targets.INDICATORS: MetricCase(
        RIGHT_INDICATORS,
        RIGHT_INDICATORS.astype(float),
        [1.0 - RIGHT_INDICATORS, np.full((3, 3), 0.5)],
    ),
}


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps what every metric promises, for all targets that it says it can be computed of.

    Perfect answers give the best value of its range, as far as that is bounded; the poorest give a finite value within
    the range, and no better one.

    Raises:
        AssertionError: It does not; says which promise, and for what.
    """
    assert metric.low < metric.high, f"{metric.name}: the range is empty"
    objective = metric.objective
    for targets in metric.targets:
        cases = PROBABILITY_CASES if metric.needs_probabilities else METRIC_CASES
        case = cases[targets]
        best = metric.compute(case.right, case.perfect)
        # A metric without an end of its range has no best value to compare with.
        if math.isfinite(objective.best):
            # Rounding may keep perfect answers a little from the best value.
            assert math.isclose(best, objective.best, abs_tol=1e-6), (
                f"{metric.name} of perfect {targets}: {best}"
            )
        for answers in case.poorest:
            value = metric.compute(case.right, answers)
            assert math.isfinite(value), f"{metric.name} of poor {targets}: {value}"
            assert metric.low <= value <= metric.high, (
                f"{metric.name} of poor {targets} is out of range: {value}"
            )
            # No strict order: a poor answer may score as well where a metric tells little, but never better.
            is_better = objective.oriented(value) > objective.oriented(best)
            assert not is_better, f"{metric.name} prefers poor {targets}: {value} to {best}"
