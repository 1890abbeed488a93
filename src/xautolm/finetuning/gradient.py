"""A trial that trains by gradient, with the Trainer of transformers.

Importing the Trainer imports peft, and that bitsandbytes: 1.0 to 1.2 processor seconds, which nothing else here needs.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate.utils import set_seed
from datasets import DatasetDict, concatenate_datasets
from transformers import PreTrainedModel, Trainer

from xautolm.finetuning.adapters import leaves_adapters, save_adapters, without_adapters
from xautolm.finetuning.callbacks import Deadline, NanGuard, Progress, Writing, own_view
from xautolm.finetuning.export import save_model
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.memory import (
    memory_guard,
    peak_gpu_memory,
    release_memory,
    whatever_the_batch,
    with_smaller_batches,
)
from xautolm.finetuning.model import precision_of_trial, widen_trained
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.finetuning.probe import Probe
from xautolm.finetuning.probing import head_start, save_started, started_model
from xautolm.finetuning.quick_looks import QuickLooks
from xautolm.finetuning.schedule import StepPlan
from xautolm.finetuning.tokens import trained_rows
from xautolm.finetuning.training import make_trainer
from xautolm.methods import METHODS
from xautolm.metrics import metric_named
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.tasks.forms import FORMS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, HeadStart, Split, TrialStatus
from xautolm.zoo import family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that has ended, and what watched it."""

    trainer: Trainer
    progress: Progress
    clock: Deadline
    plan: StepPlan


def run_training(trial: PreparedTrial, deadline: float | None, folder: Path) -> TrialOutcome:
    """Train and validate one configuration, and leave its model in `folder/model`.

    Args:
        trial: The trial.
        deadline: When it must have ended, on the monotonic clock, in seconds; None for no limit.
        folder: The trial's.

    Raises:
        TrialError: A failure of known kind.
    """
    adjustments: list[str] = []
    started = time.monotonic()
    start = None
    if trial.spec.is_divided:
        adjustments.append(f"model and batches are divided over {trial.spec.shares} devices")
        adjustments += _without_start(trial)
    else:
        start = head_start(trial, adjustments)
    # After the probe, which sees all rows: trials on parts of any size share it, and the features below it.
    trial = _on_share_of_rows(trial, adjustments)
    if trial.spec.trains_on_validation:
        trial = _with_validation_rows(trial)
    spec = trial.spec

    if spec.lacks_masters:
        adjustments.append("weights and optimizer in bfloat16: float32 masters would not fit")

    def attempt(micro_batch: int, checkpointing: bool) -> Training:
        order = replace(spec, micro_batch=micro_batch, gradient_checkpointing=checkpointing)
        attempted = replace(trial, spec=order)
        return _train(attempted, start, deadline, folder)

    if spec.is_divided:
        # Lack of memory ends all processes, and what has started them starts them again with less.
        training = attempt(spec.micro_batch, spec.gradient_checkpointing)
    else:
        family = family_of(spec.card.family)
        training = with_smaller_batches(
            attempt,
            spec.micro_batch,
            adjustments,
            checkpointing=spec.gradient_checkpointing,
            can_checkpoint=family.has_checkpointing,
        )
    if training.plan.is_shortened:
        adjustments.append(training.plan.account)
    # Before merging and saving: a trial's time is that of training and validation, and nothing else.
    seconds_since_start = time.monotonic() - started
    evaluation_time = seconds_since_start - trial.loading.seconds
    trial_folder = TrialFolder(folder)
    trained = training.trainer.model
    if spec.is_divided:
        trained = _whole_model(trial, training.trainer)
    # Of several processes that trained one model, the first has it.
    if trained is None:
        return _outcome(spec, training, evaluation_time, adjustments)
    _export(trained, trial, start, trial_folder.model)
    # The best of them is what was saved.
    shutil.rmtree(trial_folder.checkpoints, ignore_errors=True)
    return _outcome(spec, training, evaluation_time, adjustments)


def _without_start(trial: PreparedTrial) -> list[str]:
    """Return a line for a person where a head starts at random that would usually start from a probe."""
    if trial.spec.configuration.values.get("head_init") != HeadStart.PROBE:
        return []
    return ["head starts at random: probes are not computed on a divided model"]


def _whole_model(trial: PreparedTrial, trainer: Trainer) -> PreTrainedModel | None:
    """Return the best epoch of a divided model in one piece, in main memory; None in all processes but the first.

    Args:
        trial: The trial.
        trainer: Has ended.
    """
    from xautolm.finetuning.divided import part, read_trained

    part()
    if trial.spec.rank > 0:
        return None
    model = _model_to_train(trial, None)
    read_trained(model, Path(trainer.state.best_model_checkpoint))
    return model


def _model_to_train(trial: PreparedTrial, start: Probe | None) -> PreTrainedModel:
    """Return a model as it is before its first step: of a divided one the whole, in main memory.

    Args:
        trial: The trial.
        start: What its head starts from; None for a random head.
    """
    spec = trial.spec
    # Before the model is loaded, whose head may be drawn at random: each attempt begins with the same weights, and each
    # process has them.
    set_seed(spec.seed)
    if spec.is_divided:
        trial = replace(trial, spec=replace(spec, device=DeviceKind.CPU.value))
    model = started_model(trial, start)
    method = METHODS.get(spec.configuration.method)
    model = method.wrap(model, spec.card, spec.configuration.values)
    if not spec.lacks_masters:
        widen_trained(model)
    return model


def _export(
    trained: PreTrainedModel, trial: PreparedTrial, start: Probe | None, folder: Path
) -> None:
    """Leave a trained model in a folder.

    Args:
        trained: With its adapters, if it has any.
        trial: What it was trained for.
        start: What its head started from; None for a random head, or none.
        folder: Where to; made if it does not exist.
    """
    # Whoever asks the model on a GPU does so in the number format that it was validated in.
    precision = precision_of_trial(trial.spec).value
    settings = replace(trial.settings, precision=precision)
    trial = replace(trial, settings=settings)
    if leaves_adapters(trained, trial.spec):
        save_adapters(trained, trial.tokenizer, settings, folder)
        return

    def load_untrained() -> PreTrainedModel:
        # What a checkpoint lacks is drawn at random: with the same seed it is what was trained on.
        set_seed(trial.spec.seed)
        order = replace(trial.spec, device=DeviceKind.CPU.value)
        on_processor = replace(trial, spec=order)
        return started_model(on_processor, start)

    model = without_adapters(trained, load_untrained)
    if start is None:
        save_model(model, trial.tokenizer, settings, folder)
    else:
        # Its head is still one linear layer, and not what the family's class would load.
        save_started(model, trial, folder)


def planned_time(training: Training, seconds: float) -> float:
    """Return the seconds that a training would have taken with all its steps.

    Args:
        training: Stopped by its limit.
        seconds: How long it took until then.
    """
    steps_done = int(training.trainer.state.global_step)
    factor = training.plan.wanted_steps / max(1, steps_done)
    return seconds * max(1.0, factor)


def _on_share_of_rows(trial: PreparedTrial, adjustments: list[str]) -> PreparedTrial:
    """Return a trial with those of its training rows that the configuration asks for.

    Args:
        trial: The trial, with all training rows.
        adjustments: A line is added if not all are trained on.
    """
    all_rows = trial.tokens[Split.TRAIN]
    rows = trained_rows(all_rows, trial.spec, trial.task)
    count = len(rows)
    all_count = len(all_rows)
    if count == all_count:
        return trial
    adjustments.append(f"trained on {count:,} of {all_count:,} rows")
    # Validated on all rows, so that scores on parts can be compared.
    tokens = DatasetDict(train=rows, validation=trial.tokens[Split.VALIDATION])
    return replace(trial, tokens=tokens)


def _with_validation_rows(trial: PreparedTrial) -> PreparedTrial:
    """Return a trial that is trained on the rows of validation, too, and validated on them as before."""
    validation = trial.tokens[Split.VALIDATION]
    rows = concatenate_datasets([trial.tokens[Split.TRAIN], validation])
    tokens = DatasetDict(train=rows, validation=validation)
    return replace(trial, tokens=tokens)


def _train(
    trial: PreparedTrial, start: Probe | None, deadline: float | None, folder: Path
) -> Training:
    """Train once, from the beginning, with the per-device batch of the order.

    Args:
        trial: The trial, with the rows to train on.
        start: What its head starts from; None for a random head.
        deadline: On the monotonic clock, in seconds.
        folder: The trial's.

    Raises:
        TrialError: The weights do not fit (`out_of_memory`), whatever the batch.
        Exception: Whatever else says that the memory does not suffice; the caller tries again with a smaller batch.
    """
    # What an attempt before this one held.
    release_memory()
    spec = trial.spec
    agree = own_view
    if spec.is_divided:
        from xautolm.finetuning.divided import agreed, shard

        agree = agreed
        loading = trial.loading.seconds
        began = time.monotonic()
        with whatever_the_batch():
            model = shard(lambda: _model_to_train(trial, start), spec)
        # With the time in which the others loaded theirs.
        trial.loading.seconds = loading + time.monotonic() - began
    else:
        with whatever_the_batch():
            model = _model_to_train(trial, start)

    train_rows = len(trial.tokens[Split.TRAIN])
    validation = trial.tokens[Split.VALIDATION]
    form = FORMS.get(trial.settings.form)
    evaluation_share = form.evaluation_share
    progress = Progress(folder)
    is_exported_whole = not leaves_adapters(model, spec)
    writing = Writing.of(model, is_exported_whole=is_exported_whole)
    clock = Deadline(deadline, train_rows, len(validation), evaluation_share, writing, agree)
    plan = StepPlan(clock)
    looks = QuickLooks(progress, (clock, plan), evaluation_share, spec.seed)
    # The clock before the plan, which asks it how long an evaluation took.
    callbacks = [progress, NanGuard(), clock, plan, looks]
    with trial.loading.counted(), whatever_the_batch():
        # It moves the model to its device.
        trainer = make_trainer(trial, model, callbacks, folder)
    # A look is the Trainer's own evaluation, which gives the answers of these forms only.
    if TORCH_FORMS.get(trial.settings.form).answers_by_logits:
        looks.attach(trainer, train_rows, validation)

    with memory_guard(model, spec.limits.memory):
        trainer.train()
    return Training(trainer=trainer, progress=progress, clock=clock, plan=plan)


def _outcome(
    spec: TrialSpec, training: Training, evaluation_time: float, adjustments: list[str]
) -> TrialOutcome:
    """Return the outcome of a training: the metrics are those of its best epoch, whose weights were loaded again."""
    history = training.progress.history
    best = max(history, key=metric_named(spec.metric).objective.standing)
    status = TrialStatus.COMPLETE
    planned_seconds = None
    if training.clock.truncated:
        status = TrialStatus.TRUNCATED
        planned_seconds = planned_time(training, evaluation_time)
    return TrialOutcome(
        status=status,
        metrics={name: best[name] for name in spec.metrics},
        history=tuple(history),
        evaluation_time=evaluation_time,
        peak_gpu_memory=peak_gpu_memory(spec.device),
        adjustments=tuple(adjustments),
        planned_time=planned_seconds,
    )
