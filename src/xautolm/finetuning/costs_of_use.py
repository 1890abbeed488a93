"""What a trained model costs when it is used: bytes of its weights, and seconds to answer one text."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from xautolm.data.stored import read_split
from xautolm.finetuning.assessing import seconds_per_text
from xautolm.finetuning.memory import release_memory
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.pretrained import base_of_adapters
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.run_folder import holds_adapters
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split

logger = logging.getLogger(__name__)

WEIGHTS = "*.safetensors"
"""Files of weights, also in the folders of a head."""


def with_costs_of_use(
    outcome: TrialOutcome, spec: TrialSpec, folder: Path, deadline: float | None
) -> TrialOutcome:
    """Return the outcome of a trial with what its model costs in use; the trial's time is not changed.

    Args:
        outcome: Of a trial that has left its model.
        spec: Its order.
        folder: The trial's.
        deadline: When it must have ended, on the monotonic clock, in seconds; None for no limit.
    """
    model = TrialFolder(folder).model
    outcome = replace(outcome, model_size=weight_bytes(model))
    if not spec.measures_latency:
        return outcome
    # The grace after a time limit is meant for writing results; a trial that used its time up is not put at risk.
    if deadline is not None and time.monotonic() >= deadline:
        return _without_latency(outcome, "no time was left")
    # The second loading may pass the memory or the time that the trial is limited to, and the process is killed then:
    # what a trial has left counts, so that it keeps its scores.
    untimed = _without_latency(outcome, "the process ended before")
    TrialFolder(folder).write_outcome(untimed)
    # What training held: the model is loaded once more, as people will load it.
    release_memory()
    try:
        latency = _latency(model, spec)
    # Whatever it is, the model is there and has its scores.
    except Exception as error:
        logger.exception("the latency of trial %d could not be measured", spec.number)
        return _without_latency(outcome, f"{type(error).__name__}: {error}")
    return replace(outcome, latency=latency)


def weight_bytes(folder: Path) -> int:
    """Return the bytes of a model's weights on disk.

    Adapters count with the model beside which they lie: when they are merged, it has as many bytes as before.

    Args:
        folder: A trial left its model there.
    """
    files = [*folder.rglob(WEIGHTS)]
    if holds_adapters(folder):
        base = Path(base_of_adapters(folder))
        files += base.glob(WEIGHTS)
    return sum(file.stat().st_size for file in files)


def _latency(model: Path, spec: TrialSpec) -> float:
    """Return the median of the seconds in which a model answers one validation row, tokenising included."""
    predictor = Predictor(model, spec.device)
    rows = read_split(spec.data, Split.VALIDATION)
    return seconds_per_text(predictor, rows)


def _without_latency(outcome: TrialOutcome, reason: str) -> TrialOutcome:
    """Return an outcome that says why its latency is not known."""
    note = f"latency was not measured: {reason}"
    return replace(outcome, adjustments=(*outcome.adjustments, note))
