"""A trial from tokens to score: the entry that a trial's process runs."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import torch
from datasets import disable_progress_bars
from threadpoolctl import threadpool_limits
from transformers.utils import logging

from xautolm.finetuning.asking import run_untrained
from xautolm.finetuning.costs_of_use import with_costs_of_use
from xautolm.finetuning.precision import set_up_gpu
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.finetuning.probing import run_probe
from xautolm.finetuning.tokens import load_tokenizer, tokenized
from xautolm.methods import METHODS
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import DeviceKind


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Fine-tune and validate one configuration, and leave its model in `folder/model`.

    Args:
        spec: The trial's order.
        folder: The trial's.

    Raises:
        TrialError: A failure of known kind.
    """
    # First of all: loading and tokenising count towards the limit.
    deadline = None
    if spec.limits.seconds is not None:
        deadline = time.monotonic() + spec.limits.seconds
    _set_up_process(spec)
    if spec.is_divided:
        # Not at the top: a process that trains alone has nothing to do with others.
        from xautolm.finetuning.divided import meet

        meet(spec, folder)
    task = TASKS.get(spec.task)
    # What several trials share (tokenizers of models from scratch, tokens, features) is made by the first of them.
    shared = Path(spec.tokens)
    tokenizer = load_tokenizer(spec.card, Path(spec.data), shared)
    tokens, settings = tokenized(spec, task, tokenizer)
    trial = PreparedTrial(
        spec=spec, task=task, tokenizer=tokenizer, tokens=tokens, settings=settings
    )
    outcome = _trained(trial, deadline, folder)
    if spec.rank > 0:
        # The first of the processes has written the model, and measures it.
        return outcome
    return with_costs_of_use(outcome, spec, folder, deadline)


def _trained(trial: PreparedTrial, deadline: float | None, folder: Path) -> TrialOutcome:
    """Fine-tune and validate a configuration by its method."""
    method = METHODS.get(trial.spec.configuration.method)
    if method.trains_by_gradient:
        # Not at the top: a search begins with trials that need no Trainer, and should not wait for it.
        from xautolm.finetuning.gradient import run_training

        return run_training(trial, deadline, folder)
    if FORMS.get(trial.settings.form).says_words:
        return run_untrained(trial, folder)
    return run_probe(trial, folder)


def _set_up_process(spec: TrialSpec) -> None:
    """Give libraries their share of processors and of the GPU, and silence what they would print."""
    torch.set_num_threads(spec.threads)
    # Regressions run in the threads of BLAS, which know nothing of torch's. Two are no faster than one for 60,000 rows,
    # and up to six times slower for fewer (`benchmarks.thread_waits`).
    threadpool_limits({"openmp": spec.threads, "blas": 1})
    logging.set_verbosity_error()
    disable_progress_bars()
    # peft asks a model by the name that transformers 5 still knows; there is nothing that we, or a person, could do.
    warnings.filterwarnings(
        "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
    )
    if spec.device.startswith(DeviceKind.CUDA):
        _set_up_gpu(spec)


def _set_up_gpu(spec: TrialSpec) -> None:
    """Start CUDA on the trial's GPU, and hold torch to the trial's share of its memory."""
    set_up_gpu(spec.device)
    if spec.limits.gpu_memory is None:
        return
    total_memory = torch.cuda.get_device_properties(spec.device).total_memory
    share = min(1.0, spec.limits.gpu_memory / total_memory)
    torch.cuda.set_per_process_memory_fraction(share)
