"""A trial without training: the model is asked as it is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from xautolm.data.stored import read_split
from xautolm.finetuning.answer_scores import answer_scores
from xautolm.finetuning.export import save_model
from xautolm.finetuning.memory import memory_guard, peak_gpu_memory
from xautolm.finetuning.model import bare_model, precision_of_trial
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.records import TrialOutcome
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split, TrialStatus


def run_untrained(trial: PreparedTrial, folder: Path) -> TrialOutcome:
    """Score the answers of a model that was not trained, and leave it in `folder/model`.

    Args:
        trial: The trial.
        folder: The trial's.

    Raises:
        TrialError: The model cannot be loaded (`load_error`).
    """
    spec = trial.spec
    model = bare_model(spec, trial.task, trial.tokenizer)
    model.to(spec.device)
    model.eval()
    # Loading is no part of a trial's time.
    started = time.monotonic()
    table = read_split(spec.data, Split.VALIDATION)
    with memory_guard(model, spec.limits.memory):
        metrics = answer_scores(model, trial, table)
    evaluation_time = time.monotonic() - started
    settings = replace(trial.settings, precision=precision_of_trial(spec).value)
    save_model(model, trial.tokenizer, settings, TrialFolder(folder).model)
    # No step was taken: the point stands at the beginning of a learning curve.
    history = {"epoch": 0.0, "seconds": evaluation_time, **metrics}
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics=metrics,
        history=(history,),
        evaluation_time=evaluation_time,
        peak_gpu_memory=peak_gpu_memory(spec.device),
    )
