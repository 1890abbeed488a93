"""The folder of a trial: the only place that knows what its files are called and how they are read and written."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xautolm.errors import DamagedFileError
from xautolm.objectives import Objective
from xautolm.records import (
    Assessment,
    Evaluation,
    Forecast,
    LearningCurve,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
)
from xautolm.serialization import read_json, read_record, to_plain, write_json
from xautolm.vocabulary import TrialStatus

if TYPE_CHECKING:
    import pandas as pd

SPEC = "spec.json"
RESULT = "result.json"
PROGRESS = "progress.jsonl"
STDOUT = "stdout.log"
STDERR = "stderr.log"
EXPLANATION = "explanation.json"
FORECAST = "forecast.json"
SYSTEM = "system.json"
MODEL = "model"
CHECKPOINTS = "checkpoints"
ASSESSMENT = "assessment.json"
PREDICTIONS = "predictions.parquet"
RANKS = "ranks"
MEMBERS = frozenset(
    {
        SPEC,
        RESULT,
        PROGRESS,
        STDOUT,
        STDERR,
        EXPLANATION,
        FORECAST,
        SYSTEM,
        MODEL,
        CHECKPOINTS,
        ASSESSMENT,
        PREDICTIONS,
        RANKS,
    }
)
"""All that is meant to be in the folder."""
PREDICTION_COLUMNS = ("prediction", "confidence")
"""Columns of the answers of a winner."""
PARTIAL_ROWS = "partial_rows"
"""In a line of progress: how many validation rows its scores are of, where they are not all; an estimate then."""
COUNTERS = frozenset({"epoch", "step", "steps", "seconds", PARTIAL_ROWS})
"""In a line of progress: what counts, and is neither a loss nor a metric."""
PROGRESS_BYTES = 2**17
"""Bytes at the end of a progress file that are read, about a thousand lines: it is read twice a second."""


@dataclass(frozen=True, slots=True)
class TrialFolder:
    """Name and read the files of a trial.

    Layout: `spec.json` (the order), `progress.jsonl` (what a training says of itself, one object a line), `result.json`
    (what came of it), `stdout.log`, `stderr.log`, `forecast.json` (what was predicted of it), `explanation.json` (where
    the proposal came from), `system.json` (the machine, where it ran on another than the run began on), `model/` (while
    its weights matter), `checkpoints/` (while it trains) and `ranks/` (while several processes train one model: the
    outcome of each). The child that scores the winner has such a folder too, with `assessment.json` (what it measured)
    and `predictions.parquet` (the answers).
    """

    root: Path

    @property
    def spec(self) -> Path:
        """Return the file of the order, a `TrialSpec`."""
        return self.root / SPEC

    @property
    def result(self) -> Path:
        """Return the file of what came of it, a `TrialOutcome`."""
        return self.root / RESULT

    @property
    def progress(self) -> Path:
        """Return the file in which a training says how it goes on."""
        return self.root / PROGRESS

    @property
    def stdout(self) -> Path:
        """Return the log of the standard output."""
        return self.root / STDOUT

    @property
    def stderr(self) -> Path:
        """Return the log of the standard error."""
        return self.root / STDERR

    @property
    def model(self) -> Path:
        """Return the folder of the trained model."""
        return self.root / MODEL

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the epochs' weights."""
        return self.root / CHECKPOINTS

    @property
    def ranks(self) -> Path:
        """Return the folder of the processes that train one model together, each with a folder of its own in it."""
        return self.root / RANKS

    @property
    def meeting(self) -> Path:
        """Return the file by which those processes find each other."""
        return self.ranks / "meeting"

    def has_begun(self) -> bool:
        """Return whether the trial's process was started: its output is kept from then on."""
        return self.stdout.exists() or self.progress.exists()

    def write_spec(self, spec: TrialSpec) -> None:
        """Write the order."""
        write_json(self.spec, to_plain(spec))

    def read_spec(self) -> TrialSpec:
        """Return the order.

        Raises:
            DamagedFileError: It cannot be read.
        """
        return read_record(TrialSpec, self.spec)

    def write_outcome(self, outcome: TrialOutcome) -> None:
        """Write what came of the trial."""
        write_json(self.result, to_plain(outcome))

    def read_outcome(self) -> TrialOutcome:
        """Return what came of the trial.

        Raises:
            DamagedFileError: It cannot be read.
        """
        return read_record(TrialOutcome, self.result)

    def ended(self) -> datetime:
        """Return when the result was written."""
        status = self.result.stat()
        return datetime.fromtimestamp(status.st_mtime, UTC)

    def write_explanation(self, explanation: Mapping[str, object]) -> None:
        """Write where the proposal came from."""
        write_json(self.root / EXPLANATION, explanation)

    def write_forecast(self, forecast: Forecast) -> None:
        """Write what is predicted of the trial."""
        write_json(self.root / FORECAST, to_plain(forecast))

    def read_forecast(self) -> Forecast | None:
        """Return what was predicted of the trial; None in a folder from before that was kept.

        Raises:
            DamagedFileError: It cannot be read.
        """
        path = self.root / FORECAST
        if not path.exists():
            return None
        return read_record(Forecast, path)

    def write_system(self, system: SystemProfile) -> None:
        """Write on which machine the trial ran."""
        write_json(self.root / SYSTEM, to_plain(system))

    def read_system(self) -> SystemProfile | None:
        """Return on which machine the trial ran; None where that was the run's own, or cannot be read."""
        path = self.root / SYSTEM
        if not path.exists():
            return None
        try:
            return read_record(SystemProfile, path)
        except DamagedFileError:
            return None

    def read_explanation(self) -> Mapping[str, Any]:
        """Return where the proposal came from; nothing where that was not written, or is damaged."""
        path = self.root / EXPLANATION
        if not path.exists():
            return {}
        try:
            explanation = read_json(path)
        except DamagedFileError:
            return {}
        return explanation if isinstance(explanation, dict) else {}

    def write_assessment(self, assessment: Assessment, predictions: pd.DataFrame) -> None:
        """Write what was measured of a winner, and its answers.

        Args:
            assessment: What was measured.
            predictions: A row for each row of the split, in its order, with the columns `prediction`, as a person
                reads it, and `confidence`, the probability of the class that is answered (NaN without one).
        """
        predictions.to_parquet(self.root / PREDICTIONS)
        # Last, so that whoever finds it finds the answers too.
        write_json(self.root / ASSESSMENT, to_plain(assessment))

    def read_assessment(self) -> tuple[Assessment, pd.DataFrame] | None:
        """Return what was measured of a winner and its answers; None where that was not done.

        Raises:
            DamagedFileError: One of the files cannot be read.
        """
        if not (self.root / ASSESSMENT).exists():
            return None
        assessment = read_record(Assessment, self.root / ASSESSMENT)
        path = self.root / PREDICTIONS
        import pandas as pd

        try:
            predictions = pd.read_parquet(path, columns=list(PREDICTION_COLUMNS))
        except (OSError, ValueError) as error:
            # pyarrow's errors are of these kinds, whatever is wrong with the file.
            reason = str(error).partition("\n")[0]
            raise DamagedFileError(path, reason) from None
        return assessment, predictions

    def add_progress(self, line: Mapping[str, float]) -> None:
        """Append what a training says of itself."""
        text = json.dumps(line)
        with self.progress.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def progress_lines(self) -> list[dict[str, float]]:
        """Return what the last lines of the progress say in numbers, the newest last; nothing without progress.

        A trial may be writing at this very moment: a line that is not whole, or is no JSON object, is passed over.
        """
        return _numbers_in(self._progress_tail())

    def progress_since(self, position: int) -> tuple[list[dict[str, float]], int]:
        """Return what the progress says in numbers from a position on, and the position behind it.

        A line that is still being written is left for the next call.

        Args:
            position: In bytes; 0 for the beginning.
        """
        try:
            with self.progress.open("rb") as file:
                file.seek(position)
                content = file.read()
        except OSError:
            return [], position
        end = content.rfind(b"\n") + 1
        text = content[:end].decode("utf-8", errors="replace")
        return _numbers_in(text), position + end

    def _progress_tail(self) -> str:
        """Return the end of the progress file, whose first line may be cut; empty where there is no such file."""
        try:
            with self.progress.open("rb") as file:
                size = file.seek(0, 2)
                # A long training writes more than is worth reading twice a second.
                start = max(0, size - PROGRESS_BYTES)
                file.seek(start)
                content = file.read()
        except OSError:
            return ""
        # The cut may go through the middle of a character.
        return content.decode("utf-8", errors="replace")

    def curve(self, metrics: Sequence[str]) -> LearningCurve | None:
        """Return the learning curve of the trial, running or ended; None where it has not said anything yet.

        Args:
            metrics: Names of the metrics that an evaluation has.
        """
        lines = last_attempt(self.progress_lines())
        if not lines:
            return None
        evaluations = [evaluation_of(line) for line in lines if is_evaluation(line, metrics)]
        last = lines[-1]
        epoch = last.get("epoch", 0.0)
        step = last.get("step", 0.0)
        steps = last.get("steps", step)
        planned_epochs = epoch
        # The plan is in steps, and may have been shortened since training began.
        if step > 0:
            planned_epochs = epoch * steps / step
        return LearningCurve(
            evaluations=tuple(evaluations),
            epoch=epoch,
            seconds=last.get("seconds", 0.0),
            planned_epochs=planned_epochs,
        )

    def remove_weights(self) -> None:
        """Delete the model and what is left of its epochs."""
        for folder in (self.model, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)


def _numbers_in(text: str) -> list[dict[str, float]]:
    """Return the numbers in lines of JSON; a line that is not whole, or is no object, is passed over."""
    steps = []
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(values, dict):
            continue
        numbers = {}
        for name, value in values.items():
            if _is_number(value):
                numbers[name] = value
        steps.append(numbers)
    return steps


def is_evaluation(line: Mapping[str, float], metrics: Sequence[str]) -> bool:
    """Return whether a line of progress has all metrics; others say how far the training has come."""
    scores = [line.get(name, math.nan) for name in metrics]
    return all(math.isfinite(score) for score in scores)


def _is_number(value: object) -> bool:
    """Return whether a value can be shown and drawn: JSON as Python reads it has NaN, and numbers without bound."""
    if not isinstance(value, int | float):
        return False
    # NaN is not less than anything, and an int may be larger than any float.
    return abs(value) <= sys.float_info.max


def score_so_far(
    steps: Sequence[Mapping[str, float]], lead: Objective
) -> tuple[float, bool] | None:
    """Return the score of a training that goes on, and whether it is only an estimate; None before the first.

    Args:
        steps: Its progress, the newest last.
        lead: What is scored.
    """
    scored = [step for step in steps if lead.name in step]
    if not scored:
        return None
    whole = [step for step in scored if not step.get(PARTIAL_ROWS)]
    if not whole:
        newest = scored[-1]
        return newest[lead.name], True
    # As at the end: the epoch that scores best gives the model.
    best = max(whole, key=lead.standing)
    return best[lead.name], False


def last_attempt(lines: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Return the lines since a training began for the last time: with smaller batches it begins again."""
    start = 0
    previous_epoch = 0.0
    for position, line in enumerate(lines):
        epoch = line.get("epoch", 0.0)
        # Epochs only grow within an attempt.
        if epoch < previous_epoch:
            start = position
        previous_epoch = epoch
    return list(lines[start:])


def pruned_outcome(folder: TrialFolder, spec: TrialSpec, lead: Objective) -> TrialOutcome | None:
    """Return the outcome of a trial that was stopped, from what it wrote; None where it had not evaluated yet.

    Its scores are those of the best evaluation of the whole validation split, or of the last quick look where there was
    none.

    Args:
        folder: The trial's.
        spec: Its order.
        lead: The quality that chooses the best evaluation.
    """
    curve = folder.curve(spec.metrics)
    if curve is None or not curve.evaluations:
        return None
    history = curve.whole_evaluations
    # A quick look is of a sample of the rows: the last one has seen the most training.
    if not history:
        history = curve.evaluations[-1:]
    best = max(history, key=lambda evaluation: lead.standing(evaluation.values))
    points = []
    for evaluation in history:
        point = {"epoch": evaluation.epoch, "seconds": evaluation.seconds, **evaluation.values}
        points.append(point)
    metrics = {name: best.values[name] for name in spec.metrics}
    return TrialOutcome(
        status=TrialStatus.PRUNED,
        metrics=metrics,
        history=tuple(points),
        evaluation_time=curve.seconds,
        planned_time=curve.planned_seconds,
        devices=spec.shares,
    )


def evaluation_of(line: Mapping[str, float]) -> Evaluation:
    """Return what a line of progress says as an evaluation: all that counts nothing is a loss or a metric."""
    values = {name: value for name, value in line.items() if name not in COUNTERS}
    rows = line.get(PARTIAL_ROWS)
    return Evaluation(
        epoch=line.get("epoch", 0.0),
        seconds=line.get("seconds", 0.0),
        values=values,
        rows=None if rows is None else int(rows),
    )
