"""The folder of a trial: what its files are called, and how order and result are read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xautolm.errors import DamagedFileError
from xautolm.records import Evaluation, LearningCurve, TrialOutcome, TrialSpec
from xautolm.serialization import read_record
from xautolm.vocabulary import TrialStatus

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
    if outcome.failed:
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


def read_curve(folder: Path, metrics: Sequence[str]) -> LearningCurve | None:
    """Return the learning curve of a trial, running or ended; None where it has not said anything yet.

    Args:
        folder: The trial's.
        metrics: Names of the metrics that an evaluation has.
    """
    lines = last_attempt(progress_lines(folder))
    if not lines:
        return None
    evaluations = []
    for line in lines:
        if all(math.isfinite(line.get(name, math.nan)) for name in metrics):
            evaluations.append(_evaluation(line))
    last = lines[-1]
    epoch = last.get("epoch", 0.0)
    step = last.get("step", 0.0)
    steps = last.get("steps", step)
    return LearningCurve(
        evaluations=tuple(evaluations),
        epoch=epoch,
        seconds=last.get("seconds", 0.0),
        planned_epochs=epoch * steps / step if step > 0 else epoch,
    )


def last_attempt(lines: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Return the lines since a training began for the last time: with smaller batches it begins again."""
    start = 0
    for position in range(1, len(lines)):
        if lines[position].get("epoch", 0.0) < lines[position - 1].get("epoch", 0.0):
            start = position
    return list(lines[start:])


def pruned_outcome(folder: Path, spec: TrialSpec) -> TrialOutcome | None:
    """Return the outcome of a trial that was stopped, from what it wrote; None where it had not evaluated yet.

    Its scores are those of the best evaluation of the whole validation split, or of the last quick look where there was
    none.
    """
    curve = read_curve(folder, spec.metrics)
    if curve is None or not curve.evaluations:
        return None
    history = curve.whole_evaluations or curve.evaluations[-1:]
    best = max(history, key=lambda evaluation: evaluation.values[spec.metric])
    points = []
    for evaluation in history:
        points.append({"epoch": evaluation.epoch, "seconds": evaluation.seconds, **evaluation.values})
    return TrialOutcome(
        status=TrialStatus.PRUNED,
        metrics={name: best.values[name] for name in spec.metrics},
        history=tuple(points),
        evaluation_time=curve.seconds,
        planned_time=curve.planned_seconds,
    )


def _evaluation(line: Mapping[str, float]) -> Evaluation:
    counters = ("epoch", "step", "steps", "seconds", PARTIAL_ROWS)
    rows = line.get(PARTIAL_ROWS)
    return Evaluation(
        epoch=line.get("epoch", 0.0),
        seconds=line.get("seconds", 0.0),
        values={name: value for name, value in line.items() if name not in counters},
        rows=None if rows is None else int(rows),
    )
