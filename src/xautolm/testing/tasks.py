"""The contract of task types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from xautolm.metrics import METRICS, scores
from xautolm.tasks import BaseClassification, Classification, Task
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import TargetKind

TARGET_CELLS: Mapping[str, Sequence[object]] = {
    TargetKind.NUMBERS: ("1", 2.5, -3, "1"),
    TargetKind.CLASSES: ("b", "a", "c", "b"),
    TargetKind.TEXTS: ("apple tart", "bread roll", "cider vinegar", "apple tart"),
}
"""Cells of a target column, by the kind of targets."""
MISSING_CELLS = (None, math.nan)
ROWS, CLASSES = 50, 3
"""Shape of the logits that are turned into probabilities and predictions."""


def check_task(task: Task, cells: Sequence[object] | None = None) -> None:
    """Check that a task type keeps what every task promises.

    Its forms and metrics are registered; missing labels are refused; labels survive encoding and decoding, and as
    predictions they have the best scores; a prompt holds each input once, and of the first alone some may be cut.

    Args:
        task: The task type.
        cells: Some cells of a target column, two of them equal; usual ones for its kind of targets by default.

    Raises:
        AssertionError: It does not; says which promise.
    """
    _check_names(task)
    _check_missing_cells(task)
    _check_perfect_predictions(task, cells or TARGET_CELLS[task.target_kind])
    _check_prompt(task)
    if isinstance(task, BaseClassification):
        _check_classes(task, cells or TARGET_CELLS[task.target_kind])
        _check_probabilities(task)


def _check_names(task: Task) -> None:
    names = {name for forms in task.forms.values() for name in forms}
    assert names, f"{task.name} can be cast in no form"
    unknown = names - set(FORMS.things)
    assert not unknown, f"{task.name} names forms that are not there: {sorted(unknown)}"
    without_form = set(task.families) - set(task.forms)
    assert not without_form, f"{task.name} has no form for {sorted(without_form)}"
    assert task.metrics, f"{task.name} has no metric"
    unknown = set(task.metrics) - set(METRICS.things)
    assert not unknown, f"{task.name} names metrics that are not there: {sorted(unknown)}"
    assert task.target not in task.inputs, f"{task.name} is told its target"


def _check_missing_cells(task: Task) -> None:
    for cell in MISSING_CELLS:
        try:
            label = task.parse_label(cell)
        except ValueError as error:
            message = str(error)
            says_why = "missing" in message or "expected" in message
            assert says_why, f"{task.name} refuses {cell} without a reason: {message!r}"
        else:
            raise AssertionError(f"{task.name} takes {cell} for the label {label!r}")


def _check_perfect_predictions(task: Task, cells: Sequence[object]) -> None:
    labels = [task.parse_label(cell) for cell in cells]
    targets = task.encode(labels, task.labels_of(labels))
    assert len(targets) == len(labels), f"{task.name} has {len(targets)} targets of {len(labels)}"
    perfect: np.ndarray | list[str] = [task.words(label) for label in labels]
    if task.problem_type:
        # A head gives its answers in the shape of the targets.
        perfect = np.asarray(targets)
    for name, score in scores(task.metrics, targets, perfect).items():
        best = METRICS.get(name).objective.best
        is_best = math.isclose(score, best, rel_tol=1e-6, abs_tol=1e-12)
        assert is_best, f"{task.name}: perfect predictions have a {name} of {score}, not {best}"


def _check_prompt(task: Task) -> None:
    row = {name: f"<{name}>" for name in task.inputs}
    prompt = task.parts(row)
    assert len(prompt) == 3, f"{task.name}: a prompt has {len(prompt)} parts"
    whole = "".join(prompt)
    for name, text in row.items():
        assert whole.count(text) == 1, f"{task.name}: {name} is in the prompt {whole.count(text)}x"
    first = row[next(iter(task.inputs))]
    assert prompt[1] == first, f"{task.name}: what may be cut is {prompt[1]!r}, not {first!r}"


def _check_classes(task: Classification, cells: Sequence[object]) -> None:
    labels = [task.parse_label(cell) for cell in cells]
    names = task.labels_of(labels)
    assert len(set(names)) == len(names), f"{task.name}: a class is there twice: {names}"
    # One order, whatever row comes first: classes that are numbers may stand as such, 9 before 10.
    orders = [sorted(names)]
    if all(name.lstrip("-").isdigit() for name in names):
        orders.append(sorted(names, key=int))
    assert list(names) in orders, f"{task.name}: the classes are not sorted: {names}"
    targets = np.asarray(task.encode(labels, names))
    decoded = task.decode(targets, names)
    again = [task.parse_label(item) for item in decoded]
    assert again == labels, f"{task.name}: {labels} became {again} by encoding and decoding"


def _check_probabilities(task: Classification) -> None:
    logits = np.random.default_rng(0).normal(size=(ROWS, CLASSES)) * 3
    probabilities = task.probabilities(logits)
    assert probabilities.shape == logits.shape, f"{task.name}: shape {probabilities.shape}"
    are_probabilities = (probabilities >= 0) & (probabilities <= 1)
    assert are_probabilities.all(), f"{task.name}: probabilities out of 0 to 1"
    # A probability of a half is a logit of zero, where one class alone is asked about.
    by_probability = task.predictions(probabilities - 0.5)
    agree = np.array_equal(task.predictions(logits), by_probability)
    assert agree, f"{task.name}: predictions and probabilities do not agree"
