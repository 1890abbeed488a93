"""The folder of a trial: what its files are called, and how order and result are read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xautolm.documents import read_record
from xautolm.errors import DamagedFileError
from xautolm.records import TrialOutcome, TrialSpec

SPEC = "spec.json"
"""The order: a `TrialSpec`."""
RESULT = "result.json"
"""What came of it: a `TrialOutcome`."""
PROGRESS = "progress.jsonl"
"""One JSON object a line: what a training says of itself as it goes on."""
PARTIAL_ROWS = "partial_rows"
"""In a line of progress: how many validation rows its scores are of, where they are not all; an estimate then."""
PROGRESS_BYTES = 2**17
"""Bytes at the end of a progress file that are read, about a thousand lines: it is read twice a second."""
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


def progress_lines(folder: Path) -> list[dict[str, float]]:
    """Return what the last lines of a trial's progress say in numbers, the newest last.

    A trial may be writing at this very moment: a line that is not whole, or is no JSON object, is passed over.

    Args:
        folder: The trial's; without progress, the list is empty.
    """
    try:
        with (folder / PROGRESS).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - PROGRESS_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    steps = []
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(values, dict):
            continue
        numbers = {name: value for name, value in values.items() if _is_number(value)}
        steps.append(numbers)
    return steps


def _is_number(value: object) -> bool:
    """Return whether a value can be shown and drawn: JSON as Python reads it has NaN, and numbers without bound."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def score_so_far(steps: Sequence[Mapping[str, float]], metric: str) -> tuple[float, bool] | None:
    """Return the score of a training that goes on, and whether it is only an estimate; None before the first.

    Args:
        steps: Its progress, the newest last.
        metric: What is scored; larger is better.
    """
    scored = [step for step in steps if metric in step]
    if not scored:
        return None
    whole = [step[metric] for step in scored if not step.get(PARTIAL_ROWS)]
    if not whole:
        return scored[-1][metric], True
    # As at the end: the epoch that scores best gives the model.
    return max(whole), False
