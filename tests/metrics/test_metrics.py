"""Every metric keeps what metrics promise; the values of some, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xautolm.metrics
from xautolm.errors import UnknownNameError
from xautolm.metrics import (
    METRICS,
    Metric,
    Targets,
    constant_scores,
    metric_named,
    needs_probabilities,
    offered_metrics,
    scores,
)
from xautolm.registry import Registry
from xautolm.tasks import TASKS
from xautolm.testing import check_metric

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("metric", METRICS.things.values(), ids=lambda metric: metric.name)
def test_a_metric_keeps_what_it_promises(metric: Metric) -> None:
    check_metric(metric)


def test_the_suite_finds_what_breaks_a_promise() -> None:
    mae = METRICS.get("mae")
    with pytest.raises(AssertionError, match="perfect"):
        check_metric(replace(mae, compute=lambda right, given: mae.compute(right, given) + 1))
    with pytest.raises(AssertionError, match="prefers poor"):
        check_metric(replace(mae, maximize=True))
    with pytest.raises(AssertionError, match="out of range"):
        check_metric(replace(mae, high=2.0))
    with pytest.raises(AssertionError, match="nan"):
        check_metric(
            replace(
                mae, compute=lambda right, given: 0.0 if np.array_equal(right, given) else math.nan
            )
        )


def emptied(right: np.ndarray, answers: np.ndarray) -> float:
    """Leave nothing of the targets, as a careless difference in place does."""
    error = float(np.abs(right - answers).max())
    right -= right
    return error


def relative_error(right: np.ndarray, answers: np.ndarray) -> float:
    """Divide by the deviation of the targets, which may be zero."""
    return float(np.abs(right - answers).mean() / np.std(right))


def no_number(right: np.ndarray, answers: np.ndarray) -> None:
    """Return nothing."""


def errors_of_rows(right: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return np.abs(right - answers)


def refused(right: np.ndarray, answers: np.ndarray) -> float:
    raise KeyError("classes")


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"name": ""}, "no name"),
        ({"targets": ()}, "of no targets"),
        ({"targets": ("numbers",)}, "no kind of targets: 'numbers'"),
        ({"needs_probabilities": True}, "needs probabilities, which NUMBERS have none of"),
        ({"compute": emptied}, "changes the perfect NUMBERS"),
        ({"compute": relative_error}, "NUMBERS that are all the same"),
        ({"compute": no_number}, "perfect NUMBERS is no number: None"),
        ({"compute": errors_of_rows}, "perfect NUMBERS is no number"),
        ({"compute": lambda right, answers: "0.0"}, "is no number: '0.0'"),
        ({"compute": refused}, "perfect NUMBERS raises KeyError"),
    ],
)
def test_the_suite_says_what_an_author_has_to_change(changes: dict[str, Any], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_metric(replace(METRICS.get("mae"), **changes))


def test_a_message_names_texts_though_their_problem_type_is_empty() -> None:
    with pytest.raises(AssertionError, match="perfect TEXTS"):
        check_metric(replace(METRICS.get("chrf"), compute=lambda right, answers: 0.5))


def bleu(references: Sequence[Sequence[str]], answers: Sequence[str]) -> float:
    """Return BLEU-4 without smoothing, which needs four words in a row."""
    from torchmetrics.functional.text import bleu_score

    return float(bleu_score(answers, [list(texts) or [""] for texts in references]))


def test_a_metric_of_four_words_in_a_row_keeps_what_it_promises() -> None:
    check_metric(Metric(name="bleu", compute=bleu, targets=(Targets.TEXTS,), low=0.0, high=1.0))


def test_errors_by_hand_and_in_double_precision() -> None:
    targets = np.asarray([1.0, 2.0, 6.0], dtype=np.float32)
    found = scores(("mae", "rmse"), targets, np.asarray([2.0, 2.0, 2.0], dtype=np.float32))
    assert found == pytest.approx({"mae": 5 / 3, "rmse": math.sqrt(17 / 3)})
    assert scores(("rmse",), targets, np.full(3, 1e30, dtype=np.float32))["rmse"] == pytest.approx(
        1e30
    )


def test_log_loss_by_hand_for_classes_and_for_several_labels_a_row() -> None:
    targets = np.asarray([0, 1])
    probabilities = np.asarray([[0.8, 0.2], [0.5, 0.5]])
    expected = -(math.log(0.8) + math.log(0.5)) / 2
    assert scores(("log_loss",), targets, targets, probabilities)["log_loss"] == pytest.approx(
        expected
    )
    indicators = np.asarray([[1, 0], [0, 0]])
    expected = -(math.log(0.8) + math.log(0.8) + 2 * math.log(0.5)) / 4
    assert scores(("log_loss",), indicators, indicators, probabilities)[
        "log_loss"
    ] == pytest.approx(expected)
    with pytest.raises(ValueError, match="needs probabilities"):
        scores(("log_loss",), targets, targets)
    assert needs_probabilities(("accuracy", "log_loss")) and not needs_probabilities(("accuracy",))


def test_a_constant_answer_has_a_log_loss_by_the_shares_of_the_classes() -> None:
    train = np.asarray([0, 0, 0, 1])
    found = constant_scores(("accuracy", "log_loss"), train, np.asarray([0, 1]))
    assert found == pytest.approx(
        {"accuracy": 0.5, "log_loss": -(math.log(0.75) + math.log(0.25)) / 2}
    )
    numbers = constant_scores(("mae",), np.asarray([1.0, 3.0]), np.asarray([2.0, 5.0]))
    assert numbers == {"mae": 1.5}


def test_directions_and_ranges() -> None:
    assert METRICS.get("mcc").objective.worst == -1.0
    errors = {name for name, metric in METRICS.things.items() if not metric.maximize}
    assert errors == {"mae", "rmse", "log_loss"}
    assert (
        METRICS.get("mae").objective.best == 0.0 and METRICS.get("mae").objective.worst == math.inf
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'f1_macro'"):
        metric_named("f1macro")


@pytest.mark.parametrize("name", TASKS.things)
def test_a_task_is_offered_what_suits_its_targets_and_all_that_it_reports(name: str) -> None:
    task = TASKS.get(name)
    offered = offered_metrics(task.problem_type)
    assert set(task.metrics) <= set(offered)
    assert ("log_loss" in offered) == (task.target_kind == "classes")
    assert ("mae" in offered) == (task.target_kind == "numbers")


class EntryPoint:
    """Stands for that of an installed package."""

    name, value = "their_metric", "theirs:METRIC"

    def load(self) -> Metric:
        return Metric(
            name="their_metric", compute=lambda right, given: 1.0, targets=(Targets.NUMBERS,)
        )


def test_another_package_adds_a_metric_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def entry_points(group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint()]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    registry: Registry[Metric] = Registry(
        "metric", xautolm.metrics.__name__, "METRICS", helpers=METRICS.helpers
    )
    assert (
        registry.get("their_metric").maximize
        and registry.get("mae")
        and asked == ["xautolm.metrics"]
    )


def test_the_docs_list_every_metric_with_its_direction() -> None:
    rows = [
        line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    for name, metric in METRICS.things.items():
        (row,) = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        assert row.split("|")[3].strip() == ("larger" if metric.maximize else "smaller"), name
