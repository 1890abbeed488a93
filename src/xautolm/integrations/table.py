"""Past trials of any kind of search, from plain rows."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from xautolm.errors import UnknownNameError, UsageError
from xautolm.experience import LONGEST_SHORT_NAME, identity_of
from xautolm.metalearning import own_features
from xautolm.objectives import Direction, Objective, minimized_names, numbered_objectives
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Limits,
    Scalar,
    SystemProfile,
    TrialOutcome,
    Values,
    digest_of,
)
from xautolm.vocabulary import TABLE, FailureKind, TrialStatus

KIND = TABLE
"""Task type of experiences that come from a table."""
KEYS = frozenset({"task", "params", "values", "failure"})
"""What a row may say."""
MOST_PROBLEMS = 5
"""Problems that an error names: a table that is wrong in every row would fill the screen."""

Row = Mapping[str, object]
"""A past trial as the user has it, with some of `KEYS`."""
Features = Mapping[str, Mapping[str, float]] | Mapping[int, Mapping[str, float]]
"""Meta-features by name, of each task by its name or number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PastTrial:
    """A row that was read."""

    task: str
    params: Values
    outcome: TrialOutcome


def experiences_from_rows(
    rows: Iterable[Row], features: Features, directions: Sequence[str] = ("maximize",)
) -> list[Experience]:
    """Return experiences from rows of earlier searches, ready for `XAutoLMSampler` and for an `ExperienceStore`.

    Args:
        rows: Each has `task`, `params` (a mapping of names to values), and either `values` (one number for each
            objective) or `failure` (a kind, for example `out_of_memory`). NaN means that there is none, as in the rows
            of a data frame: a parameter that is NaN was not asked for.
        features: Meta-features of each task, the same names for all: whatever tells tasks apart, as numbers.
        directions: `maximize` or `minimize` for each objective.

    Raises:
        UsageError: Rows, features or directions that are not valid; all rows' problems in one message.

    Example:
        >>> rows = [{"task": "a", "params": {"rate": 0.1}, "values": [0.8]}, {"task": "a", "params": {"rate": 9.0},
        ...         "failure": "diverged"}]
        >>> experiences = experiences_from_rows(rows, {"a": {"examples": 1000}})
        >>> [experience.outcome.status.value for experience in experiences]
        ['complete', 'failed']
    """
    objectives = _objectives(directions)
    # Only texts name tasks in our records; users number theirs.
    by_task = {str(task): numbers for task, numbers in features.items()}
    trials: list[_PastTrial] = []
    problems: list[str] = []
    for number, row in enumerate(rows):
        try:
            trial = _past_trial(row, by_task, objectives)
        except ValueError as error:
            problems.append(f"row {number}: {error}")
        else:
            trials.append(trial)
    if problems:
        raise UsageError("The table of experiences is not valid.", got=_listed(problems))

    features_of_tasks = {task: own_features(numbers) for task, numbers in by_task.items()}
    # When the trials ran is not known: all get the moment in which they were read.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    experiences: list[Experience] = []
    for number, trial in enumerate(trials):
        features_of_task = features_of_tasks[trial.task]
        experience = _experience(trial, number, objectives, features_of_task, now)
        experiences.append(experience)
    return experiences


def _listed(problems: Sequence[str]) -> str:
    """Return the first problems, and how many there are besides."""
    text = "; ".join(problems[:MOST_PROBLEMS])
    hidden_count = len(problems) - MOST_PROBLEMS
    if hidden_count > 0:
        text += f"; and {hidden_count} more"
    return text


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


def _past_trial(row: Row, tasks: Container[str], objectives: Sequence[Objective]) -> _PastTrial:
    """Return what a row says.

    Args:
        row: Of the table.
        tasks: Names of those that have meta-features.
        objectives: Of the study.

    Raises:
        ValueError: It is not valid; the message says why.
    """
    unknown = set(row) - KEYS
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    task = str(row.get("task"))
    if task not in tasks:
        raise ValueError(f"task {row.get('task')!r} has no meta-features")
    params = _params(row.get("params"))
    outcome = _outcome(row, objectives)
    return _PastTrial(task=task, params=params, outcome=outcome)


def _params(params: object) -> dict[str, Scalar]:
    """Return the parameters of a past trial.

    Raises:
        ValueError: They are no mapping of names to plain values.
    """
    if isinstance(params, Mapping):
        are_plain = all(isinstance(value, Scalar) for value in params.values())
        if are_plain:
            # A table of pandas has a cell for every parameter, also where a trial was not asked for it.
            return {name: value for name, value in params.items() if not _is_gap(value)}
    raise ValueError(
        "params must map names to plain values, and to the text of an option that is a list, "
        f"got {params!r:.80}"
    )


def _is_gap(value: object) -> bool:
    """Return whether a value is NaN, with which pandas fills the cells that nothing stands in."""
    return isinstance(value, float) and math.isnan(value)


def _outcome(row: Row, objectives: Sequence[Objective]) -> TrialOutcome:
    """Return what came of a past trial.

    Raises:
        ValueError: It has both values and a failure or neither, or what it has is not valid.
    """
    values = row.get("values")
    if _is_gap(values):
        values = None
    failure = row.get("failure")
    if _is_gap(failure):
        failure = None
    if (values is None) == (failure is None):
        raise ValueError("needs either values or failure")
    if failure is not None:
        kinds = [kind.value for kind in FailureKind]
        if failure not in kinds:
            raise ValueError(f"failure {failure!r} is none of {', '.join(kinds)}")
        kind = FailureKind(failure)
        return TrialOutcome(
            status=TrialStatus.FAILED, failure=Failure(kind=kind, message="as the table says")
        )
    metrics: dict[str, float] = {}
    numbers = _finite_numbers(values, len(objectives))
    for objective, number in zip(objectives, numbers, strict=True):
        metrics[objective.name] = number
    return TrialOutcome(status=TrialStatus.COMPLETE, metrics=metrics)


def _finite_numbers(values: object, count: int) -> list[float]:
    """Return the values of a past trial, of which a single one need not be in a list.

    Raises:
        ValueError: They are not as many finite numbers as there are objectives.
    """
    items: list[object] = [values]
    if isinstance(values, Sequence) and not isinstance(values, str):
        items = list(values)
    numbers: list[float] = []
    for item in items:
        if isinstance(item, int | float) and math.isfinite(item):
            numbers.append(float(item))
    if len(items) != count or len(numbers) != count:
        raise ValueError(f"values must be {count} finite numbers, got {values!r:.80}")
    return numbers


def _experience(
    trial: _PastTrial,
    number: int,
    objectives: Sequence[Objective],
    features: Mapping[str, tuple[float, ...]],
    now: str,
) -> Experience:
    """Return a past trial as a record, in which all that a table does not say is 0 or empty."""
    configuration = Configuration(values=trial.params, space=KIND)
    # The name is all that is known of the data, so data sets of one name count as the same.
    fingerprint = digest_of(trial.task)
    # A store has room for a name of some length only; the digest stands for a longer one.
    run = trial.task if len(trial.task) <= LONGEST_SHORT_NAME else fingerprint
    data = DataProfile(
        train_examples=0,
        validation_examples=0,
        classes=0,
        tokens_mean=0.0,
        tokens_max=0,
        fingerprint=fingerprint,
        source_fingerprint=fingerprint,
        name=trial.task,
    )
    system = SystemProfile(
        physical_cores=0, logical_cores=0, cpu_frequency=0.0, memory=0, device=""
    )
    experience = Experience(
        id="",
        created=now,
        run=run,
        trial=number,
        task=KIND,
        data=data,
        system=system,
        configuration=configuration,
        outcome=trial.outcome,
        limits=Limits(),
        objectives=tuple(objective.name for objective in objectives),
        minimized=minimized_names(objectives),
        seed=0,
        versions={},
        features=features,
    )
    return replace(experience, id=identity_of(experience))
