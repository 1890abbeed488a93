"""What watches a training: the clock, the loss, and the file that the parent reads progress from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from xautolm.errors import TrialError
from xautolm.trial_folder import PARTIAL_ROWS, TrialFolder
from xautolm.vocabulary import FailureKind

SAVE_SECONDS = 2.0
"""Kept free before the deadline for saving the model, at least."""
DISK_SPEED = 500e6
"""Bytes a second at which weights are written and read until a disk has shown its own speed: that of a slow SSD."""
MEASURABLE = 100_000_000
"""Bytes of a checkpoint from which on the time of writing it tells of the disk, and not of opening files."""
SAFETY = 1.25
"""Factor on the time that an evaluation is expected to take."""
EVALUATION = "eval_"
"""Begins the names that the Trainer gives to what it measures in an evaluation."""
TIMINGS = frozenset(
    {
        "eval_runtime",
        "eval_samples_per_second",
        "eval_steps_per_second",
        "eval_model_preparation_time",
    }
)
"""What the Trainer says of an evaluation besides losses and metrics."""

Logs: TypeAlias = Mapping[str, float] | None
"""What the Trainer logs at a step: a loss and a learning rate, or the metrics of an evaluation."""


class Progress(TrainerCallback):
    """Append a line to `progress.jsonl` at every log and evaluation, and keep the evaluations.

    Args:
        folder: The trial's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = TrialFolder(folder)
        self.started = time.monotonic()
        self.history: list[dict[str, float]] = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Logs = None,
        **_: object,
    ) -> None:
        """Write a point of the training loss."""
        # Evaluations are logged too, under other names; `on_evaluate` writes them.
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        learning_rate = float(logs.get("learning_rate", 0.0))
        point = {"loss": loss, "learning_rate": learning_rate}
        self._write(state, point)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Logs = None,
        **_: object,
    ) -> None:
        """Write the validation metrics of an epoch, and add them to the history."""
        seconds = time.monotonic() - self.started
        line = {"epoch": float(state.epoch or 0.0), "seconds": seconds}
        for name, value in (metrics or {}).items():
            is_measured = name.startswith(EVALUATION) and name not in TIMINGS
            if not is_measured:
                continue
            plain_name = name.removeprefix(EVALUATION)
            if plain_name == "loss":
                # `loss` alone is the training's, in the lines of `on_log`.
                plain_name = "validation_loss"
            line[plain_name] = float(value)

        # The last point of the training loss: the mean over the steps since the one before.
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        # A training shorter than the first point has none.
        if losses:
            line["train_loss"] = float(losses[-1])
        self.history.append(line)
        self._write(state, line)

    def note_quick_look(self, state: TrainerState, metrics: Mapping[str, float], rows: int) -> None:
        """Write metrics on a part of the validation split; the history that chooses the best epoch lacks them.

        Args:
            state: The Trainer's.
            metrics: By their names.
            rows: Number of validation rows that they are about.
        """
        # By the number of rows a reader tells it from the evaluation of an epoch.
        line = {**metrics, PARTIAL_ROWS: rows}
        self._write(state, line)

    def _write(self, state: TrainerState, values: Mapping[str, float]) -> None:
        """Append values to the progress, with how far the training has come; values of the same name win."""
        # Of several processes that train one model, one writes.
        if not state.is_world_process_zero:
            return
        counters = {
            "epoch": state.epoch,
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": time.monotonic() - self.started,
        }
        self.folder.add_progress({**counters, **values})


class NanGuard(TrainerCallback):
    """End a training whose loss, or a metric of it, is no longer a finite number.

    Raises:
        TrialError: Of kind `diverged`.
    """

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Logs = None,
        **_: object,
    ) -> None:
        """Look at the training loss, and at what an evaluation gave."""
        for name, value in (logs or {}).items():
            # Other numbers may be infinite in a sound training: with fp16 the gradients' norm now and then is.
            is_watched = name == "loss" or name.startswith(EVALUATION)
            if not is_watched:
                continue
            number = float(value)
            if not math.isfinite(number):
                place = f"step {state.global_step} of {state.max_steps}"
                reason = f"{name} is {value} at {place}"
                raise TrialError(FailureKind.DIVERGED, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Hold what has to be written and read when a training ends, in bytes."""

    checkpoint: int
    """Of one epoch: all weights, or the adapters and the head alone."""
    export: int
    """Of the folder that the trial leaves."""

    @classmethod
    def of(cls, model: PreTrainedModel, *, is_exported_whole: bool) -> Writing:
        """Return what a model's training will write.

        Args:
            model: Ready to be trained.
            is_exported_whole: Whether its folder will have all weights, adapters merged into them.
        """
        all_bytes = 0
        trained_bytes = 0
        for weight in model.parameters():
            all_bytes += weight.nbytes
            if weight.requires_grad:
                trained_bytes += weight.nbytes
        checkpoint = all_bytes
        # Of peft, adapters and head are written alone.
        if hasattr(model, "peft_config"):
            checkpoint = trained_bytes
        export = checkpoint
        if is_exported_whole:
            export = all_bytes
        return cls(checkpoint=checkpoint, export=export)

    def seconds(self, speed: float) -> float:
        """Return how long the last checkpoint, reading the best one again, and the export take.

        Args:
            speed: Of the disk, in bytes a second.
        """
        return (2 * self.checkpoint + self.export) / speed


def own_view(number: float) -> float:
    """Return a number as it is: a process that trains alone agrees with itself."""
    return number


class Deadline(TrainerCallback):
    """Stop training early enough to evaluate and save before the time limit.

    Args:
        deadline: On the monotonic clock, in seconds; None for no limit.
        train_examples: Size of the training split.
        validation_examples: Size of the validation split.
        evaluation_share: Time of evaluating an example over that of training on it, before one was measured.
        writing: What is written when the training ends; nothing of weight by default.
        agree: Makes one number of those that the processes measure which train one model: they must stop together.
    """

    def __init__(
        self,
        deadline: float | None,
        train_examples: int,
        validation_examples: int,
        evaluation_share: float = 0.5,
        writing: Writing | None = None,
        agree: Callable[[float], float] = own_view,
    ) -> None:
        self.agree = agree
        self.writing = writing or Writing(checkpoint=0, export=0)
        self.disk_speed = DISK_SPEED
        self.deadline = deadline
        # Time of an evaluation over that of an epoch's training.
        self.validation_share = evaluation_share * validation_examples / max(train_examples, 1)
        # Whether the training was stopped before its end.
        self.truncated = False
        self.evaluation_seconds: float | None = None
        self.training_since = 0.0
        self.training_seconds = 0.0
        # The first step allocates memory: on a processor it took 2.3 to 2.6 times as long as the second one and 3.2 to
        # 4.8 times as long as the sixth, so it is no measure of the pace.
        self.first_step_seconds = 0.0
        self.epoch_of_first_step = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the clock."""
        self.training_since = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop if what must still follow would no longer fit."""
        # After the last step it ends by itself.
        if self.deadline is None or state.global_step >= state.max_steps:
            return
        now = time.monotonic()
        epoch = float(state.epoch or 0.0)
        if state.global_step == 1:
            self.first_step_seconds = now - self.training_since
            self.epoch_of_first_step = epoch
            # All that is known of the second step is that it hardly takes longer.
            end = now + self.first_step_seconds + SAVE_SECONDS
        else:
            end = now + self.reserve(now, epoch)
        if self.agree(end - self.deadline) > 0:
            self.truncated = True
            # The Trainer ends after this step, and still evaluates and saves.
            control.should_training_stop = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop the clock: from here to the evaluation's end is not training."""
        now = time.monotonic()
        self.training_seconds += now - self.training_since
        self.training_since = now

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Note how long an evaluation takes, and start the clock again."""
        # `on_epoch_end` has set the clock to the beginning of the evaluation.
        now = time.monotonic()
        self.evaluation_seconds = now - self.training_since
        self.training_since = now

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Note how fast the disk is, if it had enough to write."""
        # A checkpoint is written right after an evaluation, which has set the clock.
        seconds = time.monotonic() - self.training_since
        if self.writing.checkpoint >= MEASURABLE and seconds > 0:
            self.disk_speed = self.writing.checkpoint / seconds

    def leave_out(self, seconds: float) -> None:
        """Take no account of so many seconds that have just passed: they were no training."""
        self.training_since += seconds

    def reserve(self, now: float, epoch: float) -> float:
        """Return the seconds to keep for one more evaluation and the saving of the model.

        Args:
            now: On the monotonic clock, in seconds.
            epoch: Epochs so far; looked at before the first evaluation, in the first epoch.
        """
        evaluation_seconds = self.evaluation_seconds
        save_seconds = max(SAVE_SECONDS, self.writing.seconds(self.disk_speed))
        if evaluation_seconds is None:
            # Nothing was evaluated yet: an evaluation is taken for a share of an epoch at the present pace.
            paced_seconds = now - self.training_since - self.first_step_seconds
            paced_epochs = epoch - self.epoch_of_first_step
            epoch_seconds = paced_seconds / max(paced_epochs, 1e-9)
            return SAFETY * epoch_seconds * self.validation_share + save_seconds
        return SAFETY * evaluation_seconds + save_seconds
