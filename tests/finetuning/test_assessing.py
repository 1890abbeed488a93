"""What is measured of a winner when the search has ended."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.finetuning.conftest import Order
from tests.report.pages import assessment
from xautolm.data.stored import read_split, split_path
from xautolm.errors import DamagedFileError
from xautolm.finetuning import evaluate
from xautolm.finetuning.run import run
from xautolm.records import TrialSpec
from xautolm.report.page.blocks import Table
from xautolm.report.page.classes import label_set_blocks
from xautolm.tasks import TASKS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
    pytest.mark.timeout(300),
]


def winner(order: Order, folder: Path, **values: object) -> TrialSpec:
    """Return the order that scores a model which was trained for a moment."""
    spec = order(epochs=1, **values)
    assert run(spec, folder).succeeded
    return replace(spec, card=replace(spec.card, path=str(folder / "model")))


def test_the_answers_are_those_that_the_scores_are_of(
    order: Order, folder: Path, tmp_path: Path
) -> None:
    spec = winner(order, folder)
    validation = read_split(spec.data, Split.VALIDATION)
    # With a test split of its own rows in another order, that one is asked.
    test = validation.iloc[::-1].reset_index(drop=True)
    test.to_parquet(split_path(Path(spec.data), Split.TEST))
    child = TrialFolder(tmp_path / "child")
    child.root.mkdir()
    outcome = evaluate.run(spec, child.root)
    recorded = child.read_assessment()
    assert recorded is not None
    measured, rows = recorded
    assert (measured.split, measured.rows, len(rows)) == (Split.TEST, len(test), len(test))
    accuracy = (rows["prediction"] == test["label"]).mean()
    assert measured.scores["accuracy"] == pytest.approx(accuracy)
    assert measured.scores == outcome.metrics
    assert measured.interval is not None
    low, high = measured.interval
    assert low <= outcome.metrics[spec.metric] <= high and low < high
    assert rows["confidence"].between(1 / len(spec.labels), 1).all()
    assert 0 < measured.seconds_per_text < 60
    most_frequent = read_split(spec.data, Split.TRAIN)["label"].mode()[0]
    constant = (test["label"] == most_frequent).mean()
    assert measured.constant["accuracy"] == pytest.approx(constant)


def test_without_a_test_split_the_validation_split_is_asked(
    order: Order, folder: Path, tmp_path: Path
) -> None:
    spec = winner(order, folder, task="multilabel-classification")
    child = TrialFolder(tmp_path / "child")
    child.root.mkdir()
    evaluate.run(spec, child.root)
    recorded = child.read_assessment()
    assert recorded is not None
    measured, rows = recorded
    assert measured.split is Split.VALIDATION
    assert all(set(labels) <= set(spec.labels) for labels in rows["prediction"])
    validation = read_split(spec.data, measured.split)
    labels = list(validation[TASKS.get(spec.task).target])
    shown = rows.assign(text="Some text.", target=labels)
    *_, by_class, _ = label_set_blocks(shown)
    assert isinstance(by_class, Table)
    assert sorted(row.cells[0] for row in by_class.rows) == sorted(spec.labels)
    # Of a set of labels no single probability says how sure the model is.
    assert all(math.isnan(confidence) for confidence in rows["confidence"])


def varied_accuracy(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the accuracy; as a metric of somebody's own may, refuse answers that are all the same."""
    if len(np.unique(predictions)) < 2:
        raise ValueError("all answers are the same")
    return float((targets == predictions).mean())


def test_a_metric_that_refuses_constant_answers_leaves_the_scores_of_the_winner(
    order: Order, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = winner(order, folder)
    own = f"{__name__}:{varied_accuracy.__name__}"
    monkeypatch.setattr(type(TASKS.get(spec.task)), "predictions", staticmethod(_alternating))
    child = TrialFolder(tmp_path / "child")
    child.root.mkdir()
    scored = replace(spec, metric=own, metrics=(own, "f1_macro"))
    outcome = evaluate.run(scored, child.root)
    recorded = child.read_assessment()
    assert recorded is not None
    measured, _ = recorded
    assert own in outcome.metrics and measured.scores == outcome.metrics
    assert list(measured.constant) == ["f1_macro"]


def _alternating(answers: np.ndarray) -> np.ndarray:
    """Return two classes in turn: what a model of a moment answers may be one class only."""
    return np.arange(len(answers)) % 2


def test_answers_that_cannot_be_read_are_damaged(tmp_path: Path) -> None:
    child = TrialFolder(tmp_path / "child")
    child.root.mkdir()
    assert child.read_assessment() is None
    rows = pd.DataFrame({"prediction": ["a"], "confidence": [0.5]})
    child.write_assessment(assessment(), rows)
    recorded = child.read_assessment()
    assert recorded is not None
    assert recorded[0] == assessment() and recorded[1].equals(rows)
    for path in child.root.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(DamagedFileError):
            child.read_assessment()
        path.write_bytes(content)
