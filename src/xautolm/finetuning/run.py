"""A trial from tokens to score: the entry that a trial's process runs."""

from __future__ import annotations

import shutil
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from datasets import DatasetDict, disable_progress_bars
from transformers import PreTrainedTokenizerBase, Trainer, set_seed
from transformers.utils import logging

from xautolm.finetuning.callbacks import Deadline, NanGuard, Progress
from xautolm.finetuning.export import export_model
from xautolm.finetuning.forms import FORMS, Answering
from xautolm.finetuning.memory import memory_guard, release_memory, with_smaller_batches
from xautolm.finetuning.model import bare_model, build_model
from xautolm.finetuning.tokens import load_tokenizer, tokenized
from xautolm.finetuning.training import make_trainer
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.tasks import TASKS, Task
from xautolm.vocabulary import TrialStatus


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Fine-tune and validate one configuration; the model is left in `folder/model`.

    Raises:
        TrialError: A failure of known kind.
    """
    deadline = None if spec.limits.seconds is None else time.monotonic() + spec.limits.seconds
    _set_up_process(spec)
    task = TASKS.get(spec.task)
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    tokens, settings = tokenized(spec, task, tokenizer)
    adjustments: list[str] = []
    started = time.monotonic()

    def attempt(micro_batch: int, checkpointing: bool) -> tuple[Trainer, Progress, Deadline]:
        how = replace(spec, micro_batch=micro_batch, gradient_checkpointing=checkpointing)
        return _train(how, task, tokenizer, tokens, settings, deadline, folder)

    trainer, progress, clock = with_smaller_batches(
        attempt, spec.micro_batch, adjustments, checkpointing=spec.gradient_checkpointing
    )
    evaluation_time = time.monotonic() - started

    def again() -> Any:
        set_seed(spec.seed)
        return bare_model(replace(spec, device="cpu"), task, tokenizer)

    export_model(trainer.model, tokenizer, settings, again, folder / "model")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    best = max(progress.history, key=lambda line: line[spec.metric])
    return TrialOutcome(
        status=TrialStatus.TRUNCATED if clock.truncated else TrialStatus.COMPLETE,
        metrics={name: best[name] for name in spec.metrics},
        history=tuple(progress.history),
        evaluation_time=evaluation_time,
        peak_gpu_memory=torch.cuda.max_memory_reserved() if spec.device.startswith("cuda") else None,
        adjustments=tuple(adjustments),
    )


def _set_up_process(spec: TrialSpec) -> None:
    torch.set_num_threads(spec.threads)
    logging.set_verbosity_error()
    disable_progress_bars()
    # peft asks a model by the name that transformers 5 still knows; there is nothing that we, or a person, could do.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    if spec.device.startswith("cuda"):
        torch.cuda.set_device(spec.device)
        if spec.limits.gpu_memory is not None:
            total = torch.cuda.get_device_properties(spec.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, spec.limits.gpu_memory / total))


def _train(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
    deadline: float | None,
    folder: Path,
) -> tuple[Trainer, Progress, Deadline]:
    release_memory()
    set_seed(spec.seed)
    model: Any = build_model(spec, task, tokenizer)
    progress = Progress(folder)
    share = FORMS.get(settings.form).evaluation_share
    clock = Deadline(deadline, len(tokens["train"]), len(tokens["validation"]), share)
    trainer = make_trainer(spec, task, tokenizer, model, tokens, settings, [progress, NanGuard(), clock], folder)
    with memory_guard(model, spec.limits.memory):
        trainer.train()
    return trainer, progress, clock
