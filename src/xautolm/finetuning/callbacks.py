"""What watches a training: the clock, the loss, and the file that the parent reads progress from."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from xautolm.errors import TrialError
from xautolm.trial_folder import PARTIAL_ROWS, TrialFolder
from xautolm.vocabulary import FailureKind

SAVE_SECONDS = 2.0
"""Kept free before the deadline for saving, besides twice the time that the last save took."""
SAFETY = 1.25
TIMINGS = frozenset({"eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time"})
"""What the Trainer says of an evaluation besides losses and metrics."""


class Progress(TrainerCallback):
    """Appends a line to `progress.jsonl` at every log and evaluation, and keeps the evaluations."""

    def __init__(self, folder: Path) -> None:
        self.folder = TrialFolder(folder)
        self.started = time.monotonic()
        self.history: list[dict[str, float]] = []

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """A point of the training loss."""
        if logs and "loss" in logs:
            self._write(state, {"loss": float(logs["loss"]), "learning_rate": float(logs.get("learning_rate", 0.0))})

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **_: Any
    ) -> None:
        """The validation metrics of an epoch."""
        scores = {
            name.removeprefix("eval_"): float(value)
            for name, value in (metrics or {}).items()
            if name.startswith("eval_") and name not in TIMINGS
        }
        if "loss" in scores:
            scores["validation_loss"] = scores.pop("loss")
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        line = {"epoch": float(state.epoch or 0.0), "seconds": time.monotonic() - self.started, **scores}
        self.history.append(line | ({"train_loss": float(losses[-1])} if losses else {}))
        self._write(state, self.history[-1])

    def note_quick_look(self, state: TrainerState, metrics: Mapping[str, float], rows: int) -> None:
        """Write the metrics on so many validation rows; they are no part of the history that chooses the best epoch."""
        self._write(state, {**metrics, PARTIAL_ROWS: rows})

    def _write(self, state: TrainerState, values: dict[str, float]) -> None:
        seconds = time.monotonic() - self.started
        counters = {"epoch": state.epoch, "step": state.global_step, "steps": state.max_steps, "seconds": seconds}
        line = {**counters, **values}
        self.folder.add_progress(line)


class NanGuard(TrainerCallback):
    """Ends a training whose loss, or a metric of it, is no longer a finite number.

    Raises:
        TrialError: Of kind `diverged`.
    """

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Look at the training loss, and at what an evaluation gave."""
        for name, value in (logs or {}).items():
            is_watched = name == "loss" or name.startswith("eval_")
            if is_watched and not math.isfinite(float(value)):
                where = f"step {state.global_step} of {state.max_steps}"
                raise TrialError(FailureKind.DIVERGED, f"{name} is {value} at {where}")


class Deadline(TrainerCallback):
    """Stops training early enough to evaluate and save before the time limit.

    Args:
        deadline: On the monotonic clock, in seconds; None for no limit.
        train_examples: Size of the training split.
        validation_examples: Size of the validation split.
        evaluation_share: Time of evaluating an example over that of training on it, before one was measured.
    """

    def __init__(
        self, deadline: float | None, train_examples: int, validation_examples: int, evaluation_share: float = 0.5
    ) -> None:
        self.deadline = deadline
        self.validation_share = evaluation_share * validation_examples / max(train_examples, 1)
        self.truncated = False
        self.evaluation_seconds: float | None = None
        self.training_since = 0.0
        self.training_seconds = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock."""
        self.training_since = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop if what must still follow would no longer fit."""
        if self.deadline is None or state.global_step >= state.max_steps:
            return
        now = time.monotonic()
        if now + self.reserve(now, float(state.epoch or 0.0)) > self.deadline:
            self.truncated = True
            control.should_training_stop = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """From here to the evaluation's end is not training."""
        self.training_seconds += time.monotonic() - self.training_since
        self.training_since = time.monotonic()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Now it is known how long an evaluation takes."""
        self.evaluation_seconds = time.monotonic() - self.training_since
        self.training_since = time.monotonic()

    def leave_out(self, seconds: float) -> None:
        """Take no account of so many seconds that have just passed: they were no training."""
        self.training_since += seconds

    def reserve(self, now: float, epoch: float) -> float:
        """Seconds to keep for one more evaluation and the saving of the model."""
        if self.evaluation_seconds is not None:
            return SAFETY * self.evaluation_seconds + SAVE_SECONDS
        per_epoch = (now - self.training_since) / max(epoch, 1e-9)
        return SAFETY * per_epoch * self.validation_share + SAVE_SECONDS
