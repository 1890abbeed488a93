"""What a run's folder holds from its first start on, and what a later start makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from xautolm.best_folder import adopt_test_data
from xautolm.data import Dataset
from xautolm.data.stored import split_problem, write_split
from xautolm.execution.failures import failed
from xautolm.hardware import installed_versions
from xautolm.objectives import minimized_names
from xautolm.records import Experience, Failure, Features, TrialOutcome, digest_of
from xautolm.run_folder import RunFolder, RunInfo, Say
from xautolm.scenario import Scenario
from xautolm.search_space import methods_by_model
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Export, FailureKind, Split

STOPPED = Failure(kind=FailureKind.INTERRUPTED, message="the search ended before the trial did")
"""Of trials that a search stops when it is stopped itself."""


def run_info(scenario: Scenario, warm_start: str, features: Features) -> RunInfo:
    """Return what `run.json` says of a run that begins now.

    Args:
        scenario: The problem.
        warm_start: The setting that its search begins with.
        features: The meta-features that are known before any is measured.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    settings = _settings(scenario, warm_start)
    identity = [str(scenario.folder.root), created, settings]
    return RunInfo(
        id=digest_of(identity)[:16],
        created=created,
        task=scenario.task.name,
        labels=scenario.dataset.labels,
        objectives=tuple(objective.name for objective in scenario.objectives),
        minimized=minimized_names(scenario.objectives),
        metrics=scenario.metrics,
        data=scenario.dataset.profile,
        system=scenario.system,
        seed=scenario.options.seed,
        versions=installed_versions(),
        settings=settings,
        notes=scenario.dataset.notes,
        columns=scenario.dataset.columns,
        models=tuple(methods_by_model(scenario.space)),
        features=features,
    )


def _settings(scenario: Scenario, warm_start: str) -> dict[str, object]:
    """Return what a later start must share with this one in order to go on with its run."""
    options = scenario.options
    settings: dict[str, object] = {
        "data": scenario.dataset.profile.fingerprint,
        "task": scenario.task.name,
        "objectives": [objective.name for objective in scenario.objectives],
        "space": digest_of(scenario.space.to_plain())[:16],
        "models": list(options.models),
        "methods": list(options.methods),
        "sampler": options.sampler,
        "warm_start": warm_start,
        "hide": list(options.hide),
    }
    # Options that came later are left out at their defaults, so that runs from before them can still be resumed.
    if options.warm_start_options:
        settings["warm_start_options"] = options.warm_start_options
    if options.export is not Export.ANY:
        settings["export"] = options.export.value
    if options.rungs:
        settings["rungs"] = True
    settings["families"] = sorted(options.families)
    settings["seed"] = options.seed
    settings["device"] = scenario.system.device
    settings["trial_time_limit"] = options.trial_time_limit
    settings["trial_memory_limit"] = options.trial_memory_limit
    return settings


def write_run(folder: RunFolder, info: RunInfo, dataset: Dataset, say: Say) -> None:
    """Write the splits and, last, `run.json`: a run either has everything that it needs to be resumed, or is none.

    In a run that is resumed, splits that are gone, damaged or others are written anew. Only the test split may be
    another one, or there is none any more: trials know nothing of it.
    """
    is_new = not folder.is_run()
    splits = {
        Split.TRAIN: dataset.train,
        Split.VALIDATION: dataset.validation,
        Split.TEST: dataset.test,
    }
    for name, table in splits.items():
        path = folder.split(name)
        if table is None:
            _remove_split(path, say)
            continue
        # What a start has left that was ended before it was a run may be of other data.
        if is_new:
            write_split(path, table)
            continue
        problem = split_problem(path, table)
        if problem:
            if name != Split.TEST:
                # Of the rows that are there so far. First of all: once the split is written, no start would know it.
                folder.forget_tokens()
            write_split(path, table)
            say(f"{path.name} was written anew: {problem}")
        elif name == Split.TEST:
            adopt_test_data(folder, dataset.test_fingerprint)
    if is_new:
        folder.write_info(info)


def _remove_split(path: Path, say: Say) -> None:
    """Remove a split that an earlier start had, and this one has not."""
    if path.exists():
        path.unlink()
        say(f"{path.name} was removed: there is no such split now")


def settled(
    folder: RunFolder,
    info: RunInfo,
    end: Failure,
    say: Say,
    stored: Sequence[Experience] = (),
) -> list[Experience]:
    """Return the trials of a run after an earlier session ended in whatever way.

    What it left unfinished says nothing about its configuration; a result that is lost is had from the store.

    Args:
        folder: The run's, which nobody else works on.
        info: What the run is about.
        end: What ended the trials that were running.
        say: Told which files are damaged.
        stored: What the store knows, of whatever run.
    """
    stored_trials = {
        experience.trial: experience for experience in stored if experience.run == info.id
    }

    def end_of(trial: TrialFolder) -> TrialOutcome:
        # A search may end before the process of a trial is started, and the trial has no part in it then.
        return failed(end if trial.has_begun() else STOPPED)

    for note in folder.end_unfinished(info, end_of, stored_trials):
        say(note)
    return folder.trials(info).experiences
