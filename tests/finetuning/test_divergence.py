"""A model that says no numbers has diverged, however good its score looks; ordinary trials print no warning."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from tests.conftest import patience
from tests.finetuning.conftest import Order
from xautolm.errors import TrialError
from xautolm.execution import ForkServerLauncher, LocalExecutor
from xautolm.finetuning import training
from xautolm.finetuning.callbacks import NanGuard
from xautolm.finetuning.run import run
from xautolm.finetuning.training import check_outputs, check_weights
from xautolm.records import TrialOutcome
from xautolm.session import ENTRY, PRELOAD
from xautolm.vocabulary import FailureKind


@pytest.mark.parametrize("name", ["loss", "eval_loss", "eval_f1_macro", "eval_pearson"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_whatever_is_watched_must_be_finite(name: str, value: float, tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    guard, state = NanGuard(), TrainerState()
    guard.on_log(arguments, state, TrainerControl(), logs={name: 0.5, "grad_norm": float("nan")})
    with pytest.raises(TrialError, match=f"{name} is {value}") as caught:
        guard.on_log(arguments, state, TrainerControl(), logs={name: value})
    assert caught.value.kind == FailureKind.DIVERGED


def test_outputs_that_are_no_numbers_are_refused() -> None:
    check_outputs(np.zeros((3, 2)))
    check_outputs(np.zeros(3))
    outputs = np.array([[0.1, np.nan], [0.2, 0.3], [np.inf, 0.0]])
    with pytest.raises(
        TrialError, match="outputs for 2 of 3 validation rows are not finite"
    ) as caught:
        check_outputs(outputs)
    assert caught.value.kind == FailureKind.DIVERGED


def test_weights_that_are_no_numbers_are_refused() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    check_weights(model)
    with torch.no_grad():
        model[1].bias[0] = float("nan")
    with pytest.raises(TrialError, match=r"the weights 1\.bias are not finite") as caught:
        check_weights(model)
    assert caught.value.kind == FailureKind.DIVERGED


def test_a_metric_that_is_no_number_ends_the_trial(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training, "answer_metrics", lambda names, *_: dict.fromkeys(names, float("nan"))
    )
    with pytest.raises(TrialError, match="eval_f1_macro is nan") as caught:
        run(order(epochs=1, rows=80), folder)
    assert caught.value.kind == FailureKind.DIVERGED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ordinary_trials_print_no_warning(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    specs = [
        order("scratch-tiny", "full", epochs=1, rows=80),
        replace(order("minilm-l2", "lora", epochs=1, rows=80), gradient_checkpointing=True),
    ]
    executor = LocalExecutor(ForkServerLauncher(PRELOAD, 1), ENTRY)
    try:
        for number, spec in enumerate(specs):
            place = tmp_path / str(number)
            place.mkdir()
            executor.start(replace(spec, number=number), place)
            outcome = _outcome(executor)
            printed = (place / "stderr.log").read_text()
            assert outcome.succeeded, outcome.failure
            assert "Warning" not in printed and "deprecated" not in printed
    finally:
        executor.close()


def _outcome(executor: LocalExecutor) -> TrialOutcome:
    deadline = time.monotonic() + patience(120)
    while time.monotonic() < deadline:
        for _, outcome in executor.finished(1.0):
            return outcome
    raise AssertionError("the trial did not end")
