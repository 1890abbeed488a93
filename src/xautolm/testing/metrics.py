"""The contract of metrics."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np

from xautolm.metrics import Metric, Targets

Answers = np.ndarray | Sequence[str] | Sequence[Sequence[str]]


class MetricCase(NamedTuple):
    """What is right, answers that are perfect, and some that are poor in different ways; all have as many rows."""

    right: Answers
    perfect: Answers
    poorest: Sequence[Answers]
    constant: Sequence[Answers]
    """What is right where it is the same in every row, as in a small split."""


RIGHT_CLASSES = np.asarray([0, 1, 2, 1])
RIGHT_INDICATORS = np.asarray([[1, 0, 0], [0, 1, 1], [0, 0, 0]])
RIGHT_NUMBERS = np.asarray([1.0, 2.0, 4.0])
LARGE_NUMBERS = np.asarray([1e30, -1e30, 0.0], dtype=np.float32)
"""Their squares are infinite in single precision."""

METRIC_CASES: Mapping[Targets, MetricCase] = {
    Targets.CLASSES: MetricCase(
        right=RIGHT_CLASSES,
        perfect=RIGHT_CLASSES,
        poorest=[np.zeros(4, dtype=int), np.asarray([1, 0, 0, 2])],
        constant=[np.zeros(4, dtype=int), np.full(4, 2)],
    ),
    Targets.INDICATORS: MetricCase(
        right=RIGHT_INDICATORS,
        perfect=RIGHT_INDICATORS,
        poorest=[1 - RIGHT_INDICATORS, np.zeros((3, 3), dtype=int)],
        constant=[np.zeros((3, 3), dtype=int), np.ones((3, 3), dtype=int)],
    ),
    Targets.NUMBERS: MetricCase(
        right=RIGHT_NUMBERS,
        perfect=RIGHT_NUMBERS,
        poorest=[np.full(3, 7.0), -RIGHT_NUMBERS, LARGE_NUMBERS],
        constant=[np.zeros(3), np.full(3, 7.0)],
    ),
    Targets.TEXTS: MetricCase(
        # At least five words: BLEU, for one, counts sequences of four.
        right=[
            ("the cat sat on the mat", "a dog lay on the mat"),
            ("one red car drove past us",),
            (),
        ],
        perfect=["a dog lay on the mat", "one red car drove past us", ""],
        poorest=[["", "", "x"], ["\n", "no", "no"], ["", "", ""]],
        constant=[[("no",)] * 3, [()] * 3],
    ),
}
PROBABILITY_CASES: Mapping[Targets, MetricCase] = {
    # Both have rows of which the model is sure, and wrong.
    Targets.CLASSES: MetricCase(
        right=np.asarray([0, 1]),
        perfect=np.eye(2),
        poorest=[np.eye(2)[::-1], np.full((2, 2), 0.5)],
        constant=[np.zeros(2, dtype=int), np.ones(2, dtype=int)],
    ),
    Targets.INDICATORS: MetricCase(
        right=RIGHT_INDICATORS,
        perfect=RIGHT_INDICATORS.astype(float),
        poorest=[1.0 - RIGHT_INDICATORS, np.full((3, 3), 0.5)],
        constant=[np.zeros((3, 3), dtype=int), np.ones((3, 3), dtype=int)],
    ),
}


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps what every metric promises, for all targets that it says it can be computed of.

    Perfect answers give the best value of its range, as far as that is bounded; the poorest give a finite value within
    the range, and no better one. Where every row has the same target it is a finite number, too. What the function is
    given stays as it was.

    Raises:
        AssertionError: It does not; says which promise, and for what.
    """
    assert metric.name, "a metric has no name, by which it could be an objective"
    assert metric.targets, f"{metric.name} can be computed of no targets"
    assert metric.low < metric.high, f"{metric.name}: the range is empty"
    for targets in metric.targets:
        assert targets in set(Targets), f"{metric.name}: no kind of targets: {targets!r}"
        cases = PROBABILITY_CASES if metric.needs_probabilities else METRIC_CASES
        # Texts, for one, have the empty problem type.
        name = Targets(targets).name
        assert targets in cases, f"{metric.name} needs probabilities, which {name} have none of"
        with warnings.catch_warnings():
            # Of libraries, about targets of one class.
            warnings.simplefilter("ignore")
            _check_case(metric, cases[targets], name)


def _check_case(metric: Metric, case: MetricCase, targets: str) -> None:
    objective = metric.objective
    best = _computed(metric, case.right, case.perfect, f"perfect {targets}")
    # A metric without an end of its range has no best value to compare with.
    if math.isfinite(objective.best):
        # Rounding may keep perfect answers a little from the best value.
        is_best = math.isclose(best, objective.best, abs_tol=1e-6)
        assert is_best, f"{metric.name} of perfect {targets}: {best}, not {objective.best}"
    for answers in case.poorest:
        value = _computed(metric, case.right, answers, f"poor {targets}")
        assert metric.low <= value <= metric.high, (
            f"{metric.name} of poor {targets} is out of range: {value}"
        )
        # No strict order: a poor answer may score as well where a metric tells little, but never better.
        is_better = objective.oriented(value) > objective.oriented(best)
        assert not is_better, f"{metric.name} prefers poor {targets}: {value} to {best}"
    for right in case.constant:
        for answers in (case.perfect, *case.poorest):
            _computed(metric, right, answers, f"{targets} that are all the same")


def _computed(metric: Metric, right: Answers, answers: Answers, what: str) -> float:
    """Return a metric's value, which must be a finite number, of copies, which must stay as they are."""
    copied_right = deepcopy(right)
    copied_answers = deepcopy(answers)
    try:
        value = metric.compute(copied_right, copied_answers)
    except Exception as error:
        raise AssertionError(
            f"{metric.name} of {what} raises {error!r}; it has to be a number for every input"
        ) from error
    try:
        np.testing.assert_equal((copied_right, copied_answers), (right, answers))
    except AssertionError as error:
        raise AssertionError(
            f"{metric.name} changes the {what} that it is handed; other metrics read them, too"
        ) from error
    try:
        # As scores are read; NumPy's and torch's numbers are numbers, too.
        number = float(value)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{metric.name} of {what} is no number: {value!r}") from error
    assert not isinstance(value, str), f"{metric.name} of {what} is no number: {value!r}"
    assert math.isfinite(number), f"{metric.name} of {what}: {number}; it has to be finite"
    return number
