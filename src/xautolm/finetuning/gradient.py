"""A trial that trains by gradient, with the Trainer of transformers.

Importing the Trainer imports peft, and that bitsandbytes: 1.0 to 1.2 processor seconds, which nothing else here needs.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase, Trainer

from xautolm.finetuning.adapters import without_adapters
from xautolm.finetuning.callbacks import Deadline, NanGuard, Progress
from xautolm.finetuning.export import save_model
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.memory import memory_guard, release_memory, with_smaller_batches
from xautolm.finetuning.probe import Probe
from xautolm.finetuning.probing import head_start, pooling_of, save_started, started_model
from xautolm.finetuning.quick_looks import QuickLooks
from xautolm.finetuning.schedule import StepPlan
from xautolm.finetuning.tokens import trained_rows
from xautolm.finetuning.training import make_trainer
from xautolm.methods import METHODS
from xautolm.metrics import metric_named
from xautolm.records import Answering, TrialOutcome, TrialSpec
from xautolm.tasks import Task
from xautolm.tasks.forms import FORMS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that has ended, and what watched it."""

    trainer: Trainer
    progress: Progress
    clock: Deadline
    plan: StepPlan


def run_training(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
    deadline: float | None,
    folder: Path,
) -> TrialOutcome:
    """Train and validate one configuration, and leave its model in `folder/model`.

    Args:
        spec: The trial's.
        task: The task.
        tokenizer: The model's.
        tokens: The tokenised splits.
        settings: Of answering.
        deadline: When it must have ended, on the monotonic clock.
        folder: The trial's.

    Raises:
        TrialError: A failure of known kind.
    """
    adjustments: list[str] = []
    started = time.monotonic()
    start = head_start(spec, task, tokenizer, tokens, settings, adjustments)
    # After the probe, which sees all rows: trials on parts of any size share it, and the features below it.
    all_rows = len(tokens["train"])
    tokens["train"] = trained_rows(tokens["train"], spec, task)
    if len(tokens["train"]) < all_rows:
        adjustments.append(f"trained on {len(tokens['train']):,} of {all_rows:,} rows")

    def attempt(micro_batch: int, checkpointing: bool) -> Training:
        how = replace(spec, micro_batch=micro_batch, gradient_checkpointing=checkpointing)
        return _train(how, task, tokenizer, tokens, settings, start, deadline, folder)

    training = with_smaller_batches(attempt, spec.micro_batch, adjustments, checkpointing=spec.gradient_checkpointing)
    if training.plan.is_shortened:
        adjustments.append(training.plan.account)
    evaluation_time = time.monotonic() - started

    def again() -> Any:
        set_seed(spec.seed)
        return started_model(replace(spec, device="cpu"), task, tokenizer, start)

    model = without_adapters(training.trainer.model, again)
    if start is None:
        save_model(model, tokenizer, settings, TrialFolder(folder).model)
    else:
        save_started(model, pooling_of(spec), tokenizer, tokens["validation"], settings, TrialFolder(folder).model)
    shutil.rmtree(TrialFolder(folder).checkpoints, ignore_errors=True)
    history = training.progress.history
    best = max(history, key=metric_named(spec.metric).objective.standing)
    return TrialOutcome(
        status=TrialStatus.TRUNCATED if training.clock.truncated else TrialStatus.COMPLETE,
        metrics={name: best[name] for name in spec.metrics},
        history=tuple(history),
        evaluation_time=evaluation_time,
        peak_gpu_memory=torch.cuda.max_memory_reserved() if spec.device.startswith("cuda") else None,
        adjustments=tuple(adjustments),
        planned_time=planned_time(training, evaluation_time) if training.clock.truncated else None,
    )


def planned_time(training: Training, seconds: float) -> float:
    """Return the seconds that a training which took so many until its limit would have taken with all its steps."""
    done = max(1, int(training.trainer.state.global_step))
    return seconds * max(1.0, training.plan.wanted_steps / done)


def _train(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
    start: Probe | None,
    deadline: float | None,
    folder: Path,
) -> Training:
    release_memory()
    set_seed(spec.seed)
    model = started_model(spec, task, tokenizer, start)
    model = METHODS.get(spec.configuration.method).wrap(model, spec.card, spec.configuration.values)
    progress = Progress(folder)
    form = FORMS.get(settings.form)
    clock = Deadline(deadline, len(tokens["train"]), len(tokens["validation"]), form.evaluation_share)
    plan = StepPlan(clock)
    looks = QuickLooks(progress, (clock, plan), form.evaluation_share, spec.seed)
    callbacks = [progress, NanGuard(), clock, plan, looks]
    trainer = make_trainer(spec, task, tokenizer, model, tokens, settings, callbacks, folder)
    if TORCH_FORMS.get(settings.form).answers_by_logits:
        looks.attach(trainer, len(tokens["train"]), tokens["validation"])
    with memory_guard(model, spec.limits.memory):
        trainer.train()
    return Training(trainer=trainer, progress=progress, clock=clock, plan=plan)
