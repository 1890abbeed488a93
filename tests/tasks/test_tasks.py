"""One suite for every task type on the registry."""

from __future__ import annotations

import numpy as np
import pytest

from xautolm.errors import UnknownNameError
from xautolm.metrics import METRICS, objective, scores
from xautolm.tasks import TASKS, Task


@pytest.fixture(params=list(TASKS.things.values()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def test_labels_survive_encoding_and_decoding(task: Task) -> None:
    labels = [task.parse_label(cell) for cell in ("b", "a", "c", "b")]
    names = task.labels_of(labels)
    targets = task.encode(labels, names)
    assert names == ("a", "b", "c") and len(targets) == 4
    decoded = task.decode(targets, names)
    assert [task.parse_label(item) for item in decoded] == labels


def test_probabilities_and_predictions_agree(task: Task) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3)) * 3
    probabilities = task.probabilities(logits)
    assert probabilities.shape == logits.shape and ((probabilities >= 0) & (probabilities <= 1)).all()
    assert np.array_equal(task.predictions(logits), task.predictions(probabilities - 0.5))


def test_perfect_predictions_score_the_best_of_each_metric(task: Task) -> None:
    labels = [task.parse_label(cell) for cell in "abcabc"]
    targets = task.encode(labels, task.labels_of(labels))
    assert scores(task.metrics, targets, targets) == pytest.approx({name: METRICS[name].high for name in task.metrics})


def test_missing_labels_are_refused(task: Task) -> None:
    for cell in (None, float("nan")):
        with pytest.raises(ValueError, match="missing"):
            task.parse_label(cell)


def test_objectives_know_their_direction() -> None:
    assert objective("mcc", ("mcc",)).worst == -1.0
    assert not objective("evaluation_time", ()).maximize
    with pytest.raises(UnknownNameError, match="Did you mean 'f1_macro'"):
        objective("f1macro", ("f1_macro", "accuracy"))


def test_macro_f1_by_hand() -> None:
    # Class 0: precision 1, recall 1/2, F1 2/3. Class 1: precision 1/2, recall 1, F1 2/3.
    found = scores(("f1_macro", "accuracy"), np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert found == pytest.approx({"f1_macro": 2 / 3, "accuracy": 2 / 3})
