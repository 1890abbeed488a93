"""Past trials of any kind of search, from plain rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metalearning import own_features
from xautolm.objectives import Direction, Objective, minimized_names, numbered_objectives
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Limits,
    SystemProfile,
    TrialOutcome,
    digest_of,
    experience_id,
)
from xautolm.vocabulary import FailureKind, TrialStatus

KIND = "optuna"
"""Task type of experiences that come from a table."""


def experiences_from_rows(
    rows: Iterable[Mapping[str, Any]],
    features: Mapping[str, Mapping[str, float]],
    directions: Sequence[str] = ("maximize",),
) -> list[Experience]:
    """Experiences from rows of earlier searches, ready for `XAutoLMSampler` and for an `ExperienceStore`.

    Args:
        rows: Each has `task`, `params` (a mapping of names to values), and either `values` (one number for each
            objective) or `failure` (a kind, for example `out_of_memory`).
        features: Meta-features of each task, the same names for all: whatever tells tasks apart, as numbers.
        directions: `maximize` or `minimize` for each objective.

    Raises:
        UsageError: Rows, features or directions that are not valid; all rows' problems in one message.

    Example:
        >>> rows = [{"task": "a", "params": {"rate": 0.1}, "values": [0.8]}, {"task": "a", "params": {"rate": 9.0},
        ...         "failure": "diverged"}]
        >>> [one.outcome.status.value for one in experiences_from_rows(rows, {"a": {"examples": 1000}})]
        ['complete', 'failed']
    """
    objectives = _objectives(directions)
    rows = list(rows)
    found = [(row, _problem(row, features, len(objectives))) for row in rows]
    problems = [f"row {number}: {problem}" for number, (_, problem) in enumerate(found) if problem]
    if problems:
        shown = "; ".join(problems[:5]) + (
            f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        )
        raise UsageError("The table of experiences is not valid.", got=shown)
    described = {task: own_features(values) for task, values in features.items()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        _experience(row, number, objectives, described[str(row["task"])], now)
        for number, row in enumerate(rows)
    ]


def _objectives(directions: Sequence[str]) -> tuple[Objective, ...]:
    """Return a study's objectives by position.

    Raises:
        UnknownNameError: A direction that there is not.
    """
    known_directions = [direction.value for direction in Direction]
    for direction in directions:
        if direction not in known_directions:
            raise UnknownNameError("direction", str(direction), known_directions)
    return numbered_objectives([Direction(direction) for direction in directions])


def _problem(row: Mapping[str, Any], features: Mapping[str, Any], objectives: int) -> str:
    if unknown := set(row) - {"task", "params", "values", "failure"}:
        return f"unknown keys {sorted(unknown)}"
    if str(row.get("task")) not in features:
        return f"task {row.get('task')!r} has no meta-features"
    params = row.get("params")
    if not isinstance(params, Mapping) or not all(
        isinstance(value, str | int | float | bool | None) for value in params.values()
    ):
        return f"params must map names to plain values, got {params!r:.80}"
    values, failure = row.get("values"), row.get("failure")
    if (values is None) == (failure is None):
        return "needs either values or failure"
    if failure is not None:
        kinds = [kind.value for kind in FailureKind]
        return "" if failure in kinds else f"failure {failure!r} is none of {', '.join(kinds)}"
    numbers = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    good = len(numbers) == objectives and all(
        isinstance(one, int | float) and math.isfinite(one) for one in numbers
    )
    return "" if good else f"values must be {objectives} finite numbers, got {values!r:.80}"


def _experience(
    row: Mapping[str, Any],
    number: int,
    objectives: Sequence[Objective],
    features: Mapping[str, tuple[float, ...]],
    now: str,
) -> Experience:
    task = str(row["task"])
    configuration = Configuration(values=dict(row["params"]), space=KIND)
    print_ = digest_of(task)
    return Experience(
        id=experience_id(task, number, configuration),
        created=now,
        run=task,
        trial=number,
        task=KIND,
        data=DataProfile(
            train_examples=0,
            validation_examples=0,
            classes=0,
            tokens_mean=0.0,
            tokens_max=0,
            fingerprint=print_,
            source_fingerprint=print_,
            name=task,
        ),
        system=SystemProfile(
            physical_cores=0, logical_cores=0, cpu_frequency=0.0, memory=0, device=""
        ),
        configuration=configuration,
        outcome=_outcome(row, objectives),
        limits=Limits(),
        objectives=tuple(objective.name for objective in objectives),
        minimized=minimized_names(objectives),
        seed=0,
        versions={},
        features=features,
    )


def _outcome(row: Mapping[str, Any], objectives: Sequence[Objective]) -> TrialOutcome:
    if row.get("failure") is not None:
        failure = Failure(kind=FailureKind(row["failure"]), message="as the table says")
        return TrialOutcome(status=TrialStatus.FAILED, failure=failure)
    values = row["values"] if isinstance(row["values"], Sequence) else [row["values"]]
    metrics = {
        objective.name: float(value) for objective, value in zip(objectives, values, strict=True)
    }
    return TrialOutcome(status=TrialStatus.COMPLETE, metrics=metrics)
