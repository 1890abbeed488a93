"""Open the study of a run, new or resumed: the trials' folders are the truth, and the study is told what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from xautolm.objectives import Objective, told_values, worst_values
from xautolm.records import Configuration, Experience
from xautolm.search.database import close_database, file_of, open_checked, open_database, set_aside
from xautolm.search.study import (
    AGAIN,
    DEFAULT,
    DIGEST,
    PROPOSAL,
    SearchStudy,
    finish_trial,
    finished_trial,
    handle_on,
    unknown_trial,
)
from xautolm.space import Space

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)


def open_study(
    storage: str | None,
    space: Space,
    objectives: Sequence[Objective],
    make: Callable[[int], optuna.samplers.BaseSampler],
    seed: int,
    first: Sequence[Configuration] = (),
    experiences: Sequence[Experience] = (),
    is_taken: Callable[[int], bool] = lambda number: False,
    say: Callable[[str], None] = logger.warning,
) -> SearchStudy:
    """Open the study in a storage, brought up to what is known of the run's trials.

    Args:
        storage: SQLAlchemy URL; in memory if None.
        space: The space.
        objectives: Names and directions.
        make: Makes the sampler for a seed.
        seed: For the sampler; a resumed study goes on with a seed of its own.
        first: What to begin with; the space's default configuration if empty.
        experiences: The run's trials, finished or interrupted: what is known of them, whatever the storage says.
        is_taken: Says whether a number must not be used again.
        say: Told what is wrong with the storage.

    Raises:
        RunFolderError: The storage is locked or cannot be opened.
    """
    record = open_checked(storage, objectives, say)
    inside = [
        experience
        for experience in experiences
        if not space.problems(experience.configuration.values)
    ]
    by_number = {experience.trial: experience for experience in inside}
    if _contradictions(record, space, by_number):
        record = _set_apart(record, storage, objectives, say)
    retries = _end_running(record, space, objectives, by_number)
    _tell_lacking(record, space, objectives, by_number, say)
    retries += _interrupted(by_number)
    return _begin(
        record, space, objectives, make, seed, [*first] or [space.default()], retries, is_taken
    )


def _begin(
    record: optuna.Study,
    space: Space,
    objectives: Sequence[Objective],
    make: Callable[[int], optuna.samplers.BaseSampler],
    seed: int,
    openings: Sequence[Configuration],
    retries: Sequence[tuple[Configuration, str]],
    is_taken: Callable[[int], bool],
) -> SearchStudy:
    """Give the sampler its study in memory, and its first proposals."""
    proposals = open_database(None, objectives)
    recorded = record.get_trials(deepcopy=False)
    proposals.add_trials(recorded)
    # Optuna's samplers keep their random state in memory: with the first seed, a resumed one would repeat itself.
    proposals.sampler = make(seed + len(recorded))
    study = SearchStudy(
        space=space, objectives=objectives, record=record, proposals=proposals, is_taken=is_taken
    )
    begun = {trial.user_attrs[DIGEST] for trial in recorded if DIGEST in trial.user_attrs}
    for configuration, proposal in retries:
        study.enqueue(configuration, proposal)
    # A run that has had as many trials as it should begin with has begun, whatever would be chosen today.
    if len(begun) < len(openings):
        for configuration in openings:
            if configuration.digest not in begun:
                study.enqueue(configuration, DEFAULT)
    return study


def _contradictions(
    record: optuna.Study, space: Space, experiences: Mapping[int, Experience]
) -> list[int]:
    """Return the numbers under which the record has another trial than the run: those cannot be mended in it."""
    import optuna

    states = optuna.trial.TrialState
    numbers = []
    for trial in record.get_trials(deepcopy=False):
        experience = experiences.get(trial.number)
        if experience is None:
            continue
        is_other = trial.params != space.site_values(experience.configuration.values)
        is_lost = experience.outcome.is_evidence and trial.state not in (
            states.COMPLETE,
            states.RUNNING,
        )
        if is_other or is_lost:
            numbers.append(trial.number)
    return numbers


def _set_apart(
    record: optuna.Study,
    storage: str | None,
    objectives: Sequence[Objective],
    say: Callable[[str], None],
) -> optuna.Study:
    """Begin a new record in place of one that contradicts the trials' folders."""
    close_database(record)
    path = file_of(storage)
    if path is not None:
        aside = set_aside(path)
        say(
            f"{path.name} has other trials than the run's folder; it is kept as {aside.name}, and a new one is made"
        )
    return open_database(storage, objectives)


def _end_running(
    record: optuna.Study,
    space: Space,
    objectives: Sequence[Objective],
    experiences: Mapping[int, Experience],
) -> list[tuple[Configuration, str]]:
    """Tell the record what became of the trials that it believes to run.

    Returns:
        Configurations of which nothing is known, to be tried again, and what to call those proposals.
    """
    import optuna

    states = optuna.trial.TrialState
    names = {key: parameter.name for key, parameter in space.sites().items()}
    retries = []
    for trial in record.get_trials(deepcopy=False, states=(states.RUNNING, states.WAITING)):
        experience = experiences.get(trial.number)
        if experience is not None:
            _tell_record(record, experience, objectives)
            continue
        # Earlier versions queued trials in the record: those wait under a number without a folder.
        sites = trial.params or trial.system_attrs.get("fixed_params", {})
        values = {names[key]: value for key, value in sites.items() if key in names}
        record._storage.set_trial_state_values(trial._trial_id, states.RUNNING)
        record._storage.set_trial_state_values(trial._trial_id, states.FAIL)
        if values and not space.problems(values):
            proposal = trial.user_attrs.get(PROPOSAL, f"{AGAIN} {trial.number}")
            is_queued = trial.state == states.WAITING
            name = proposal if is_queued else f"{AGAIN} {trial.number}"
            retries.append((Configuration(values=values, space=space.name), name))
    return retries


def _tell_lacking(
    record: optuna.Study,
    space: Space,
    objectives: Sequence[Objective],
    experiences: Mapping[int, Experience],
    say: Callable[[str], None],
) -> None:
    """Add the trials that the record lacks, under their numbers."""
    begun = len(record.get_trials(deepcopy=False))
    lacking = sorted(number for number in experiences if number >= begun)
    for number in lacking:
        while len(record.get_trials(deepcopy=False)) < number:
            record.add_trial(unknown_trial("the run's folder has no trial of this number"))
        experience = experiences[number]
        values = _values(record, experience, objectives)
        record.add_trial(finished_trial(space, experience, values))
    if lacking:
        say(
            f"study.db lacked {len(lacking)} of {len(experiences)} trials; they were told from their folders"
        )


def _tell_record(
    record: optuna.Study, experience: Experience, objectives: Sequence[Objective]
) -> None:
    """Tell a record what came of a trial that it believes to run."""
    handle = handle_on(record, experience.trial)
    finish_trial(record, handle, experience.outcome, _values(record, experience, objectives))


def _values(
    record: optuna.Study, experience: Experience, objectives: Sequence[Objective]
) -> list[float]:
    """Return what a record is told of a trial: its objectives, or for a failure the worst that others had."""
    recorded = [trial.values for trial in record.get_trials(deepcopy=False) if trial.values]
    values = told_values(experience.outcome, objectives)
    return values or worst_values(recorded, experience.outcome, objectives)


def _interrupted(experiences: Mapping[int, Experience]) -> list[tuple[Configuration, str]]:
    """Return the configurations of interrupted trials that were not tried again, and what to call those proposals."""
    last: dict[str, Experience] = {}
    for number in sorted(experiences):
        experience = experiences[number]
        last[experience.configuration.digest] = experience
    retries = []
    for experience in last.values():
        if not experience.outcome.is_evidence:
            retries.append((experience.configuration, f"{AGAIN} {experience.trial}"))
    return retries
