"""The contract of task types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xautolm.errors import DataError
from xautolm.metrics import METRICS, Targets, scores
from xautolm.tasks import BaseClassification, Classification, Task
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import Architecture, TargetKind

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

    Its forms and metrics are registered and suit it; missing labels are refused; labels survive encoding and decoding,
    and as predictions they have the best scores; numbers keep order and sign; a prompt holds each input once, and of
    the first alone some may be cut.

    Args:
        task: The task type.
        cells: Some cells of a target column, two of them equal; usual ones for its kind of targets by default.

    Raises:
        AssertionError: It does not; says which promise.
    """
    _check_names(task)
    _check_missing_cells(task)
    labels = _labels(task, cells or TARGET_CELLS[task.target_kind])
    _check_splits(task, labels)
    _check_perfect_predictions(task, labels)
    _check_prompt(task)
    if task.problem_type == Targets.NUMBERS:
        _check_numbers(task, labels)
    if isinstance(task, BaseClassification):
        _check_classes(task, labels)
        _check_words(task, labels)
        _check_probabilities(task)


def _check_names(task: Task) -> None:
    names = {name for forms in task.forms.values() for name in forms}
    assert names, f"{task.name} can be cast in no form"
    unknown = names - set(FORMS.things)
    assert not unknown, f"{task.name} names forms that are not there: {sorted(unknown)}"
    unknown = set(task.forms) - set(Architecture)
    assert not unknown, f"{task.name} has forms for no architecture: {sorted(unknown)}"
    without_form = set(task.families) - set(task.forms)
    assert not without_form, f"{task.name} has no form for {sorted(without_form)}"
    assert task.problem_type in set(Targets), f"{task.name}: no targets: {task.problem_type!r}"
    assert task.target_kind in TARGET_CELLS, (
        f"{task.name}: no kind of targets: {task.target_kind!r}"
    )
    assert task.metrics, f"{task.name} has no metric"
    unknown = set(task.metrics) - set(METRICS.things)
    assert not unknown, f"{task.name} names metrics that are not there: {sorted(unknown)}"
    targets = Targets(task.problem_type)
    for name in task.metrics:
        is_suited = targets in METRICS.get(name).targets
        assert is_suited, f"{task.name} names a metric that {targets.name} do not have: {name}"
    assert task.target not in task.inputs, f"{task.name} is told its target"


def _labels(task: Task, cells: Sequence[object]) -> list[Any]:
    """Return the labels of some cells, which are hashable: they are counted."""
    labels: list[Any] = []
    for cell in cells:
        try:
            label = task.parse_label(cell)
        except ValueError as error:
            raise AssertionError(
                f"{task.name} refuses {cell!r}: {error}; hand check_task cells that it takes"
            ) from error
        try:
            hash(label)
        except TypeError as error:
            raise AssertionError(
                f"{task.name}: the label {label!r} cannot be hashed; a tuple can in place of a list"
            ) from error
        labels.append(label)
    return labels


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


def _check_splits(task: Task, labels: Sequence[Any]) -> None:
    strata = task.strata(labels)
    assert len(strata) == len(labels), f"{task.name} has {len(strata)} strata of {len(labels)} rows"
    # Each label twice, so that none is there once only.
    twice = [*labels, *labels]
    try:
        task.check(twice, twice)
    except DataError as error:
        raise AssertionError(f"{task.name} refuses {twice} in both splits: {error}") from error


def _check_perfect_predictions(task: Task, labels: Sequence[Any]) -> None:
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


def _check_numbers(task: Task, labels: Sequence[Any]) -> None:
    numbers = np.asarray(labels, dtype=float)
    targets = np.asarray(task.encode(labels, ()), dtype=float)
    keeps_sign = np.array_equal(np.sign(targets), np.sign(numbers))
    # Of each pair of rows which is the larger, shape (rows, rows).
    order = np.sign(np.subtract.outer(numbers, numbers))
    keeps_order = np.array_equal(np.sign(np.subtract.outer(targets, targets)), order)
    assert keeps_sign and keeps_order, (
        f"{task.name}: {labels} are encoded as {targets.tolist()}, of another order or sign"
    )


def _check_words(task: Classification, labels: Sequence[Any]) -> None:
    names = {name for forms in task.forms.values() for name in forms}
    says_words = any(FORMS.get(name).says_words for name in names)
    if not says_words:
        return
    distinct = set(labels)
    words = [task.words(label) for label in distinct]
    assert len(set(words)) == len(distinct), (
        f"{task.name}: two of the classes {sorted(distinct)} are said alike: {sorted(words)}"
    )


def _check_classes(task: Classification, labels: Sequence[Any]) -> None:
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
    assert again == list(labels), f"{task.name}: {labels} became {again} by encoding and decoding"


def _check_probabilities(task: Classification) -> None:
    logits = np.random.default_rng(0).normal(size=(ROWS, CLASSES)) * 3
    probabilities = task.probabilities(logits)
    assert probabilities.shape == logits.shape, f"{task.name}: shape {probabilities.shape}"
    are_probabilities = (probabilities >= 0) & (probabilities <= 1)
    assert are_probabilities.all(), f"{task.name}: probabilities out of 0 to 1"
    if task.problem_type == Targets.CLASSES:
        sums = probabilities.sum(axis=1)
        are_shares = np.allclose(sums, 1.0, atol=1e-5)
        assert are_shares, f"{task.name}: the probabilities of a row's classes add up to {sums[0]}"
    # A probability of a half is a logit of zero, where one class alone is asked about.
    by_probability = task.predictions(probabilities - 0.5)
    agree = np.array_equal(task.predictions(logits), by_probability)
    assert agree, f"{task.name}: predictions and probabilities do not agree"
