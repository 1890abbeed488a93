"""The folder of a trial: what its files are called, and how order and result are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from xautolm.documents import read_record
from xautolm.errors import DamagedFileError
from xautolm.records import TrialOutcome, TrialSpec

SPEC = "spec.json"
"""The order: a `TrialSpec`."""
RESULT = "result.json"
"""What came of it: a `TrialOutcome`."""
WEIGHTS = ("model", "checkpoints")
"""Folders that hold weights."""


def read_spec(folder: Path, number: int) -> TrialSpec:
    """Return the order of a trial.

    Raises:
        DamagedFileError: It cannot be read, or is that of another trial.
    """
    spec = read_record(TrialSpec, folder / SPEC)
    if spec.number != number:
        raise DamagedFileError(folder / SPEC, f"it is the order of trial {spec.number}")
    return spec


def read_outcome(folder: Path, objectives: Sequence[str]) -> TrialOutcome:
    """Return the outcome of a trial.

    Args:
        folder: The trial's.
        objectives: Names of what a success has values for.

    Raises:
        DamagedFileError: It cannot be read, or says of a success less than the run is about.
    """
    outcome = read_record(TrialOutcome, folder / RESULT)
    if not outcome.succeeded:
        if outcome.failure is None:
            raise DamagedFileError(folder / RESULT, "it is a failure without a reason")
        return outcome
    values = {**outcome.metrics, "evaluation_time": outcome.evaluation_time}
    for name in objectives:
        value = values.get(name)
        if value is None or not math.isfinite(value):
            raise DamagedFileError(folder / RESULT, f"it says {value} for {name}")
    return outcome
