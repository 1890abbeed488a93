"""What is said of answers is in the units of the data, and in probabilities where a metric wants them."""

from __future__ import annotations

import numpy as np
import pytest

from xautolm.finetuning.answer_scores import answer_metrics, in_own_units
from xautolm.records import Answering
from xautolm.tasks import TASKS


def test_numbers_are_scored_in_the_units_of_the_data() -> None:
    settings = Answering(
        task="text-regression", form="regress", max_length=8, mean=1_000.0, deviation=50.0
    )
    targets = in_own_units(np.asarray([-1.0, 0.0, 2.0], dtype=np.float32), settings)
    answers = in_own_units(np.asarray([[-1.0], [1.0], [2.0]], dtype=np.float32), settings)
    assert targets.tolist() == [950.0, 1_000.0, 1_100.0]
    metrics = answer_metrics(("mae", "spearman"), TASKS.get("text-regression"), targets, answers)
    assert metrics == pytest.approx({"mae": 50 / 3, "spearman": 1.0})


def test_classes_stay_what_they_are_and_log_loss_sees_probabilities() -> None:
    settings = Answering(task="text-classification", form="classify", max_length=8)
    indices = np.asarray([0, 1])
    assert in_own_units(indices, settings) is indices
    logits = np.log(np.asarray([[0.8, 0.2], [0.5, 0.5]]))
    metrics = answer_metrics(
        ("accuracy", "log_loss"), TASKS.get("text-classification"), indices, logits
    )
    assert metrics == pytest.approx({"accuracy": 0.5, "log_loss": -(np.log(0.8) + np.log(0.5)) / 2})
