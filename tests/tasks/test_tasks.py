"""One suite for every task type on the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from xautolm.errors import DataError
from xautolm.metrics import scores
from xautolm.tasks import TASKS, Task
from xautolm.tasks.base import Prompt, Row
from xautolm.tasks.text_classification import TextClassification
from xautolm.tasks.text_regression import TextRegression
from xautolm.testing import check_task


@pytest.fixture(params=list(TASKS.things.values()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def test_a_task_keeps_its_contract(task: Task) -> None:
    check_task(task)


def test_classes_that_are_numbers_stand_in_the_order_of_numbers() -> None:
    check_task(TASKS.get("text-classification"), ("10", "9", "2", "9"))
    check_task(TASKS.get("text-classification"), ("-1", "x", "10", "9"))


class Forgetful(TextClassification):
    """Breaks one promise of tasks."""

    def __init__(self, broken: str) -> None:
        self.broken = broken

    def parse_label(self, cell: object) -> str:
        return "none" if self.broken == "missing" and cell is None else super().parse_label(cell)

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        names = super().labels_of(labels)
        return names[::-1] if self.broken == "order" else names

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[str]:
        decoded = super().decode(predictions, names)
        return decoded[::-1] if self.broken == "decoding" else decoded

    def parts(self, row: Row) -> Prompt:
        before, text, after = super().parts(row)
        return (
            Prompt(before + text, "", after)
            if self.broken == "prompt"
            else Prompt(before, text, after)
        )


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        ("missing", "takes None for the label"),
        ("order", "not sorted"),
        ("decoding", "by encoding and decoding"),
        ("prompt", "what may be cut is"),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(broken: str, promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_task(Forgetful(broken))


class Changed(TextClassification):
    """Breaks one promise of tasks by another attribute or method."""

    def __init__(self, **changes: object) -> None:
        self.__dict__.update(changes)


class ChangedNumbers(TextRegression):
    """Breaks one promise of tasks of numbers."""

    def __init__(self, **changes: object) -> None:
        self.__dict__.update(changes)


def listed_label(cell: object) -> list[str]:
    return [TASKS.get("text-classification").parse_label(cell)]


def refuse(train: Sequence[str], validation: Sequence[str]) -> None:
    raise DataError("There are too many.")


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"forms": {"coder": ("classify",)}}, "forms for no architecture: .'coder'"),
        ({"metrics": ("f1_macro", "mae")}, "a metric that CLASSES do not have: mae"),
        ({"problem_type": "ranking"}, "no targets: 'ranking'"),
        (
            {"parse_label": lambda cell: TASKS.get("text-regression").parse_label(cell)},
            "cells that it takes",
        ),
        ({"parse_label": listed_label}, "cannot be hashed"),
        ({"strata": lambda labels: [(label,) for label in set(labels)]}, "3 strata of 4 rows"),
        ({"check": refuse}, "in both splits: There are too many"),
        ({"words": lambda label: "one of them"}, "said alike"),
        ({"probabilities": sigmoid}, "classes add up to"),
    ],
)
def test_the_contract_finds_another_broken_promise(changes: dict[str, Any], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_task(Changed(**changes))


@pytest.mark.parametrize(
    "encode", [np.abs, np.negative, np.round, lambda labels: np.asarray(labels) + 3.5]
)
def test_the_contract_finds_numbers_of_another_order_or_sign(
    encode: Callable[[Sequence[float]], np.ndarray],
) -> None:
    with pytest.raises(AssertionError, match="of another order or sign"):
        check_task(
            ChangedNumbers(encode=lambda labels, names: encode(labels)), ("1", 2.5, 2.4, -3, "1")
        )


def test_a_task_that_encodes_numbers_on_another_scale_keeps_its_contract() -> None:
    def encode(labels: Sequence[float], names: Sequence[str]) -> np.ndarray:
        return np.sign(labels) * np.log1p(np.abs(labels))

    check_task(ChangedNumbers(encode=encode))


def test_a_task_whose_classes_nobody_says_may_have_them_all_alike() -> None:
    check_task(Changed(words=lambda label: "", forms={"encoder": ("classify",)}))


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a, b", ("a", "b")),
        ("Sci-Fi, Fantasy|Drama", ("Drama", "Sci-Fi, Fantasy")),
        ("Arts, Crafts; Sports;", ("Arts, Crafts", "Sports")),
        ('"Arts, Crafts",Sports', ("Arts, Crafts", "Sports")),
        ("'Arts; Crafts' , Sports", ("Arts; Crafts", "Sports")),
        ('"Arts, Crafts"', ("Arts, Crafts",)),
        ('{billing,"late, very"}', ("billing", "late, very")),
        ('5" screen, 7" screen', ('5" screen', '7" screen')),
        ('"best" of, rest', ('"best" of', "rest")),
        ("'tis, 'twas", ("'tis", "'twas")),
    ],
)
def test_one_sign_separates_the_labels_of_a_text(cell: str, labels: tuple[str, ...]) -> None:
    assert TASKS.get("multilabel-classification").parse_label(cell) == labels


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
