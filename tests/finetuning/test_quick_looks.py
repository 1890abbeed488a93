"""Looks at part of the validation split inside the first epoch: written, cheap, and no evaluations of an epoch."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset
from transformers import TrainerControl, TrainerState

from tests.finetuning.conftest import Order
from xautolm.finetuning import quick_looks
from xautolm.finetuning.callbacks import Deadline, Progress
from xautolm.finetuning.quick_looks import QuickLooks, quick_rows
from xautolm.finetuning.run import run
from xautolm.finetuning.schedule import StepPlan
from xautolm.trial_folder import PARTIAL_ROWS, TrialFolder


@pytest.mark.parametrize(
    ("examples", "validation_rows", "rows"),
    # Two looks at half the price of training: 0.02 of the examples that a training sees.
    [(2000 * 3, 500, 120), (20_000 * 3, 5000, 200), (20_000 * 3, 90, 90), (1000, 500, 20)],
)
def test_looks_take_a_fiftieth_of_the_training(
    examples: int, validation_rows: int, rows: int
) -> None:
    assert quick_rows(examples, validation_rows, evaluation_share=0.5) == rows


class SlowTrainer:
    """Stands for the Trainer: a look takes 7 seconds."""

    def __init__(self, clock: dict[str, float]) -> None:
        self.clock = clock

    def get_eval_dataloader(self, rows: Dataset) -> Dataset:
        return rows

    def evaluation_loop(self, rows: Dataset, description: str, metric_key_prefix: str) -> Any:
        self.clock["now"] += 7.0
        scores = {f"{metric_key_prefix}_f1_macro": 0.5, f"{metric_key_prefix}_loss": 1.5}
        return SimpleNamespace(metrics={**scores, f"{metric_key_prefix}_rows": len(rows)})


def test_they_come_at_a_tenth_and_a_third_and_are_no_training_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"now": 100.0}
    for module in ("callbacks", "quick_looks"):
        monkeypatch.setattr(f"xautolm.finetuning.{module}.time.monotonic", lambda: clock["now"])
    watch = Deadline(10_000.0, 2000, 500)
    plan = StepPlan(watch, now=lambda: clock["now"])
    progress = Progress(tmp_path)
    looks = QuickLooks(progress, (watch, plan), 0.5, seed=0)
    looks.attach(SlowTrainer(clock), 2000, Dataset.from_dict({"text": ["a"] * 500}))  # type: ignore[arg-type]
    args, control = SimpleNamespace(num_train_epochs=3.0), TrainerControl()
    state = TrainerState(max_steps=300)
    for callback in (watch, plan, looks):
        callback.on_train_begin(args, state, control)
    for step in range(1, 101):
        clock["now"] += 1.0
        state.global_step, state.epoch = step, step / 100
        looks.on_step_end(args, state, control)
    for callback in (watch, plan):
        callback.on_epoch_end(args, state, control)
    lines = TrialFolder(tmp_path).progress_lines()
    assert [(line["step"], line[PARTIAL_ROWS]) for line in lines] == [(10, 120), (34, 120)]
    assert [line["f1_macro"] for line in lines] == [0.5, 0.5] and lines[0]["validation_loss"] == 1.5
    assert progress.history == []
    assert watch.training_seconds == plan.training_seconds == 100.0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_real_training_writes_them_and_chooses_its_epoch_without_them(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_looks, "FEWEST_ROWS", 5)
    spec = order(rows=300, epochs=2, batch_size=8)
    outcome = run(spec, folder)
    curve = TrialFolder(folder).curve(spec.metrics)
    assert curve is not None
    assert [evaluation.rows is None for evaluation in curve.evaluations] == [
        False,
        False,
        True,
        True,
    ]
    first, second = curve.evaluations[:2]
    assert first.epoch == pytest.approx(0.1, abs=0.04) and second.epoch == pytest.approx(
        1 / 3, abs=0.04
    )
    assert [point["epoch"] for point in outcome.history] == [1.0, 2.0]
    assert all(PARTIAL_ROWS not in point for point in outcome.history)
    steps = [
        json.loads(line)["step"] for line in (folder / "progress.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_looking_changes_nothing_in_the_training(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = order(rows=300, epochs=2, batch_size=8, dropout=0.1)
    losses = []
    for fewest_rows in (5, 10_000):
        monkeypatch.setattr(quick_looks, "FEWEST_ROWS", fewest_rows)
        folder = tmp_path / f"fewest-{fewest_rows}"
        folder.mkdir()
        outcome = run(spec, folder)
        losses.append(
            [(point["train_loss"], point["validation_loss"]) for point in outcome.history]
        )
    assert losses[0] == losses[1]
