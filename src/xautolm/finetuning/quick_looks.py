"""Quick looks at part of the validation split inside the first epoch: a hopeless training shows early."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Protocol

import torch
from datasets import Dataset
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from xautolm.finetuning.callbacks import Progress
from xautolm.finetuning.schedule import steps_per_epoch

SHARES = (0.1, 1 / 3)
"""Shares of the first epoch after which is looked."""
MOST_ROWS = 200
"""Validation rows that a look is at, at most."""
FEWEST_ROWS = 30
"""On fewer validation rows a score is chance, and nothing is looked at."""
COST = 0.02
"""Largest share of a training's time that all looks together may take."""
PREFIX = "quick"
"""Begins the names of metrics in what the Trainer returns."""


class StopWatch(Protocol):
    """A clock that measures the seconds of training."""

    def leave_out(self, seconds: float) -> None:
        """Take no account of so many seconds that have just passed."""


class QuickLooks(TrainerCallback):
    """Write the metrics of a sample of the validation split to the progress, at some steps of the first epoch.

    Looks are no evaluations of an epoch: nothing is saved, and neither the best epoch nor early stopping knows of them.

    Args:
        progress: Where they are written.
        watches: What measures the time of training, which looks are no part of.
        evaluation_share: Time of evaluating an example over that of training on it.
        seed: Of the sample.
    """

    def __init__(
        self, progress: Progress, watches: Sequence[StopWatch], evaluation_share: float, seed: int
    ) -> None:
        self.progress = progress
        self.watches = watches
        self.evaluation_share = evaluation_share
        self.seed = seed
        self.trainer: Trainer | None = None
        self.sample: Dataset | None = None
        self.steps: set[int] = set()
        self.steps_per_epoch = 1
        self.train_examples = 0

    def attach(self, trainer: Trainer, train_examples: int, validation: Dataset) -> None:
        """Say whose model is looked at, and on what.

        Args:
            trainer: Trains the model.
            train_examples: Size of the training split.
            validation: The validation split, tokenised.
        """
        self.trainer = trainer
        self.train_examples = train_examples
        self.sample = validation.shuffle(seed=self.seed)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Choose the steps."""
        self.steps_per_epoch = steps_per_epoch(args, state)
        self.steps = set()
        for share in SHARES:
            step = math.ceil(share * self.steps_per_epoch)
            # At the end of the epoch the whole split is evaluated.
            if step != self.steps_per_epoch:
                self.steps.add(step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Look at the steps that were chosen, if the training is long enough to pay for it."""
        is_time = state.global_step in self.steps
        if self.sample is None or not is_time or control.should_training_stop:
            return
        # The plan may have been shortened since the training began.
        planned_epochs = state.max_steps / self.steps_per_epoch
        examples = planned_epochs * self.train_examples
        rows = quick_rows(examples, len(self.sample), self.evaluation_share)
        if rows < FEWEST_ROWS:
            return
        started = time.monotonic()
        metrics = self._scores(rows)
        self.progress.note_quick_look(state, metrics, rows)
        # A look is no training: the time of a step must not seem longer for it.
        seconds = time.monotonic() - started
        for watch in self.watches:
            watch.leave_out(seconds)

    def _scores(self, rows: int) -> dict[str, float]:
        """Return the metrics on the first rows of the sample, without telling any callback of an evaluation."""
        assert self.trainer is not None and self.sample is not None
        # The first of the shuffled rows, so that looks of one size are at the same rows.
        sample = self.sample.select(range(rows))
        batches = self.trainer.get_eval_dataloader(sample)
        # A data loader draws a number from the generator that dropout draws from: a look would change the training.
        with torch.random.fork_rng(devices=[]):
            output = self.trainer.evaluation_loop(batches, "quick look", metric_key_prefix=PREFIX)
        scores = {}
        for name, value in output.metrics.items():
            plain_name = name.removeprefix(f"{PREFIX}_")
            if plain_name == "loss":
                # `loss` alone is the training's.
                plain_name = "validation_loss"
            scores[plain_name] = float(value)
        return scores


def quick_rows(examples: float, validation_rows: int, evaluation_share: float) -> int:
    """Return how many validation rows a look may be at, so that all looks cost `COST` of the training.

    Args:
        examples: How many examples the whole training sees, each epoch anew.
        validation_rows: Size of the validation split.
        evaluation_share: Time of evaluating an example over that of training on it.
    """
    # A row in every look, in training examples: evaluating one takes `evaluation_share` of the time of training on one.
    cost_of_a_row = len(SHARES) * evaluation_share
    affordable = int(COST * examples / cost_of_a_row)
    return min(MOST_ROWS, validation_rows, affordable)
