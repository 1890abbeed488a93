"""One suite for every task type on the registry."""

from __future__ import annotations

import numpy as np
import pytest

from xautolm.errors import DataError
from xautolm.metrics import METRICS, scores
from xautolm.tasks import TASKS, Classification, Task


@pytest.fixture(params=list(TASKS.things.values()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


CLASSIFICATIONS = [task for task in TASKS.things.values() if task.target_kind == "classes"]
CELLS = {
    "numbers": ("1", 2.5, -3, "1"),
    "classes": ("b", "a", "c", "b"),
    "texts": ("apple tart", "bread roll", "cider vinegar", "apple tart"),
}


@pytest.fixture(params=CLASSIFICATIONS, ids=lambda task: task.name)
def classification(request: pytest.FixtureRequest) -> Classification:
    return request.param


def test_labels_survive_encoding_and_decoding(classification: Classification) -> None:
    labels = [classification.parse_label(cell) for cell in CELLS["classes"]]
    names = classification.labels_of(labels)
    targets = classification.encode(labels, names)
    assert names == ("a", "b", "c") and len(targets) == 4
    decoded = classification.decode(targets, names)
    assert [classification.parse_label(item) for item in decoded] == labels


def test_probabilities_and_predictions_agree(classification: Classification) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3)) * 3
    probabilities = classification.probabilities(logits)
    assert (
        probabilities.shape == logits.shape and ((probabilities >= 0) & (probabilities <= 1)).all()
    )
    assert np.array_equal(
        classification.predictions(logits), classification.predictions(probabilities - 0.5)
    )


def test_perfect_predictions_score_the_best_of_each_metric(task: Task) -> None:
    labels = [task.parse_label(cell) for cell in CELLS[task.target_kind]]
    targets = task.encode(labels, task.labels_of(labels))
    perfect = targets if task.problem_type else [task.words(label) for label in labels]
    best = {name: METRICS.get(name).objective.best for name in task.metrics}
    assert scores(task.metrics, targets, perfect) == pytest.approx(best)


def test_missing_labels_are_refused(task: Task) -> None:
    for cell in (None, float("nan")):
        with pytest.raises(ValueError, match=r"missing|expected"):
            task.parse_label(cell)


def test_prompts_hold_every_input_and_only_one_part_may_be_cut(task: Task) -> None:
    row = {name: f"<{name}>" for name in task.inputs}
    parts = task.parts(row)
    assert len(parts) == 3 and all("".join(parts).count(text) == 1 for text in row.values())
    assert parts[1] == row[next(iter(task.inputs))]


def test_numbers_are_refused_where_they_are_none_or_all_the_same() -> None:
    task = TASKS.get("text-regression")
    for cell in ("four", "", True, float("inf"), [1.0]):
        with pytest.raises(ValueError, match="expected a number"):
            task.parse_label(cell)
    with pytest.raises(DataError, match="All numbers of the validation split"):
        task.check([1.0, 2.0], [3.0, 3.0])
    targets = task.encode([1.0, 2.0, 4.0], ())
    assert scores(("spearman",), targets, np.array([-5.0, 0.0, 900.0])) == pytest.approx(
        {"spearman": 1.0}
    )
    constant = {"spearman": 0.0, "pearson": 0.0, "mae": 4 / 3, "rmse": (10 / 3) ** 0.5}
    assert scores(task.metrics, targets, np.ones(3)) == pytest.approx(constant)


def test_answers_in_every_usual_shape() -> None:
    task = TASKS.get("question-answering")
    assert task.parse_label("a b") == ("a b",)
    assert task.parse_label(np.array(["x", "y", "x"], dtype=object)) == ("x", "y")
    assert task.parse_label({"text": ["x"], "answer_start": [3]}) == ("x",)
    assert task.parse_label([]) == () and task.words(()) == ""
    for cell in ("", ["x", " "], 3):
        with pytest.raises(ValueError, match=r"empty|expected answers"):
            task.parse_label(cell)
    with pytest.raises(DataError, match="No question of the validation split"):
        task.check([("x",)], [()])


def test_any_reference_answer_is_right_and_none_is_the_empty_text() -> None:
    # SQuAD's normalisation: case, articles and punctuation do not count. The second row shares one word of two with its
    # nearer reference: precision 1, recall 1/2, F1 2/3. The third has no answer, and none is given.
    references = [("the Cat", "dog"), ("red car", "blue bicycle here"), (), ("x",)]
    found = scores(("token_f1", "exact_match"), references, ["cat.", "car", "", "y"])
    assert found == pytest.approx({"token_f1": (1 + 2 / 3 + 1 + 0) / 4, "exact_match": 0.5})


def test_macro_f1_by_hand() -> None:
    # Class 0: precision 1, recall 1/2, F1 2/3. Class 1: precision 1/2, recall 1, F1 2/3.
    found = scores(("f1_macro", "accuracy"), np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert found == pytest.approx({"f1_macro": 2 / 3, "accuracy": 2 / 3})
