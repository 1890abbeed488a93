"""Open the study of a run, new or resumed: the trials' folders are the truth, and the study is told what it lacks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.objectives import Objectives
from xautolm.records import Configuration, Experience, Experiences, Failure
from xautolm.search.database import (
    NAME,
    close_database,
    file_of,
    open_checked,
    open_database,
    set_aside,
)
from xautolm.search.plain_names import PlainNames
from xautolm.search.study import (
    AGAIN,
    DEFAULT,
    DIGEST,
    FIXED_PARAMS,
    PROPOSAL,
    SearchStudy,
    finish_trial,
    finished_trial,
    handle_on,
    note_evaluations,
    unknown_trial,
    values_to_tell,
)
from xautolm.space import Space
from xautolm.vocabulary import FailureKind

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

MakeSampler = Callable[[int], "optuna.samplers.BaseSampler"]
"""Makes the sampler for a seed."""
Say = Callable[[str], None]
"""Told what is wrong with the storage."""
ByNumber = Mapping[int, Experience]
"""The run's trials by their number."""

KILLED_WITH_SEARCH = Failure(
    kind=FailureKind.INTERRUPTED, message="the search was killed while the trial ran"
)
"""Of trials that a search had no time to stop. Nobody knows what killed it: it may have been the trial."""
MOST_KILLS = 2
"""A configuration during which the search was killed so often is not tried again: each start would end with it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A configuration that has to be tried again."""

    configuration: Configuration
    proposal: str
    """What the proposal is called, for people."""


def open_study(
    storage: str | None,
    space: Space,
    objectives: Objectives,
    make: MakeSampler,
    seed: int,
    first: Sequence[Configuration] = (),
    experiences: Experiences = (),
    is_taken: Callable[[int], bool] = lambda number: False,
    say: Say = logger.warning,
    name: str = NAME,
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
        name: What the study is called in the storage: each run's is told from others' in one database.

    Raises:
        RunFolderError: The storage is locked or cannot be opened.
    """
    names = PlainNames.of_space(space)
    record = open_checked(storage, objectives, name, names, say)
    by_number: dict[int, Experience] = {}
    for experience in experiences:
        # A trial outside the space has no place in a study, whose distributions are those of the space.
        problems = space.problems(experience.configuration.values)
        if not problems:
            by_number[experience.trial] = experience

    if contradicts(record, names, by_number):
        record = _set_apart(record, storage, objectives, say)
    retries = _end_running(record, names, objectives, by_number)
    _tell_lacking(record, names, objectives, by_number, say)
    retries += _interrupted(by_number, say)

    study = SearchStudy(
        space=space,
        objectives=objectives,
        names=names,
        record=record,
        proposals=_proposals(record, names, objectives, make, seed),
        is_taken=is_taken,
    )
    openings = first or [space.default()]
    _enqueue(study, openings, retries)
    return study


def _proposals(
    record: optuna.Study,
    names: PlainNames,
    objectives: Objectives,
    make: MakeSampler,
    seed: int,
) -> optuna.Study:
    """Return the study in memory in which the sampler works, with the trials of the record."""
    proposals = open_database(None, objectives)
    recorded = record.get_trials(deepcopy=False)
    for trial in recorded:
        proposals.add_trial(names.to_sites(trial))
    # Optuna's samplers keep their random state in memory: with the first seed, a resumed one would repeat itself.
    proposals.sampler = make(seed + len(recorded))
    return proposals


def _enqueue(
    study: SearchStudy, openings: Sequence[Configuration], retries: Sequence[Retry]
) -> None:
    """Queue what is tried again, and what a search begins with as far as it was not tried."""
    begun: set[str] = set()
    for trial in study.record.get_trials(deepcopy=False):
        if DIGEST in trial.user_attrs:
            begun.add(trial.user_attrs[DIGEST])
    for retry in retries:
        study.enqueue(retry.configuration, retry.proposal)
    # A run that has had as many trials as it should begin with has begun, whatever would be chosen today.
    if len(begun) >= len(openings):
        return
    for configuration in openings:
        if configuration.digest not in begun:
            study.enqueue(configuration, DEFAULT)


def contradicts(record: optuna.Study, names: PlainNames, experiences: ByNumber) -> bool:
    """Return whether the record has another trial than the run under some number, which cannot be mended in it."""
    import optuna

    states = optuna.trial.TrialState
    may_have_result = (states.COMPLETE, states.RUNNING)
    for trial in record.get_trials(deepcopy=False):
        experience = experiences.get(trial.number)
        if experience is None:
            continue
        if trial.params != names.params(experience.configuration.values):
            return True
        # Optuna lets nobody tell a result of a trial that has ended without one.
        if experience.outcome.is_evidence and trial.state not in may_have_result:
            return True
    return False


def _set_apart(
    record: optuna.Study, storage: str | None, objectives: Objectives, say: Say
) -> optuna.Study:
    """Begin a new record in place of one that contradicts the trials' folders."""
    name = record.study_name
    close_database(record)
    path = file_of(storage)
    if path is not None:
        aside = set_aside(path)
        say(
            f"{path.name} has other trials than the run's folder; it is kept as {aside.name}, and a new one is made"
        )
    return open_database(storage, objectives, name)


def _end_running(
    record: optuna.Study, names: PlainNames, objectives: Objectives, experiences: ByNumber
) -> list[Retry]:
    """Tell the record what became of the trials that it believes to run.

    Returns:
        Configurations of which nothing is known, to be tried again.
    """
    import optuna

    space = names.space
    states = optuna.trial.TrialState
    unfinished = (states.RUNNING, states.WAITING)
    retries: list[Retry] = []
    for trial in record.get_trials(deepcopy=False, states=unfinished):
        experience = experiences.get(trial.number)
        if experience is not None:
            _tell_record(record, experience, objectives)
            continue
        # There is no folder of it, so nothing is known of it: it ends as FAIL, which no sampler reads.
        storage = record._storage
        storage.set_trial_state_values(trial._trial_id, states.RUNNING)
        storage.set_trial_state_values(trial._trial_id, states.FAIL)
        # Earlier versions queued trials in the record: those wait under a number without a folder.
        params = trial.params or trial.system_attrs.get(FIXED_PARAMS, {})
        values = names.values(params)
        if not values or space.problems(values):
            continue
        proposal = f"{AGAIN} {trial.number}"
        # One that was queued never ran: it is not tried again, but for the first time.
        if trial.state == states.WAITING:
            proposal = trial.user_attrs.get(PROPOSAL, proposal)
        configuration = Configuration(values=values, space=space.name)
        retries.append(Retry(configuration, proposal))
    return retries


def _tell_lacking(
    record: optuna.Study,
    names: PlainNames,
    objectives: Objectives,
    experiences: ByNumber,
    say: Say,
) -> None:
    """Add the trials that the record lacks, under their numbers."""
    begun = len(record.get_trials(deepcopy=False))
    lacking = [number for number in sorted(experiences) if number >= begun]
    for number in lacking:
        # Optuna numbers trials in the order in which they are added, so every gap has to be filled.
        while len(record.get_trials(deepcopy=False)) < number:
            filler = unknown_trial("the run's folder has no trial of this number")
            record.add_trial(filler)
        experience = experiences[number]
        values = values_to_tell(record, experience.outcome, objectives)
        trial = finished_trial(names, experience, values, objectives)
        record.add_trial(trial)
    if lacking:
        say(
            f"study.db lacked {len(lacking)} of {len(experiences)} trials; they were told from their folders"
        )


def _tell_record(record: optuna.Study, experience: Experience, objectives: Objectives) -> None:
    """Tell a record what came of a trial that it believes to run."""
    handle = handle_on(record, experience.trial)
    note_evaluations(record, experience.trial, experience.outcome.evaluations, objectives)
    values = values_to_tell(record, experience.outcome, objectives)
    finish_trial(record, handle, experience.outcome, values)


def _interrupted(experiences: ByNumber, say: Say) -> list[Retry]:
    """Return the configurations of interrupted trials that were not tried again, but those that may end each search."""
    # The last trial of each configuration; an earlier one that was interrupted has been tried again since.
    last: dict[str, Experience] = {}
    kills: Counter[str] = Counter()
    for number in sorted(experiences):
        experience = experiences[number]
        digest = experience.configuration.digest
        last[digest] = experience
        if experience.outcome.failure == KILLED_WITH_SEARCH:
            kills[digest] += 1
    retries: list[Retry] = []
    for digest, experience in last.items():
        if experience.outcome.is_evidence:
            continue
        if kills[digest] >= MOST_KILLS:
            say(
                f"the configuration of trial {experience.trial} is not tried again: "
                f"the search was killed {kills[digest]} times while it ran"
            )
            continue
        proposal = f"{AGAIN} {experience.trial}"
        retry = Retry(experience.configuration, proposal)
        retries.append(retry)
    return retries
