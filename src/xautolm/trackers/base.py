"""The interface of trackers, and what all of them say of a search and its trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from xautolm.callbacks import TrialEvaluated, TrialFinished, TrialStarted
from xautolm.errors import UsageError
from xautolm.objectives import (
    EVALUATION_TIME,
    LATENCY,
    MODEL_SIZE,
    lead_of,
    recorded_objectives,
)
from xautolm.records import Configuration, Experience, Scalar, TrialOutcome
from xautolm.run_folder import RunFolder, RunInfo
from xautolm.trial_folder import TrialFolder

BEST = "best"
"""Begins the name of the best score so far, among the numbers of a whole search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """Say what a search is about, as trackers show it."""

    id: str
    """The same whenever the search goes on, so that a tracker goes on with its own run."""
    name: str
    """For people: the data, and the beginning of the id."""
    folder: Path
    lead: str
    """The first quality among the objectives."""
    parameters: Mapping[str, Scalar]
    """Task, data, settings, machine and versions; no place of a store and no environment, which may hold secrets."""

    def trial_name(self, trial: int) -> str:
        """Return what a trial's own run is called; sorted by name, they stand in their order."""
        return f"trial {trial:04d}"

    def trial_id(self, trial: int) -> str:
        """Return what identifies a trial's own run where a tracker lets us choose that."""
        return f"{self.id}-{trial:04d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEnded:
    """A search has ended."""

    best: Experience | None
    """The trial that leads; None without a success."""
    models: Mapping[int, Path]
    """Folders of the models on the Pareto front, by trial; none where the search was ended from outside."""
    files: tuple[Path, ...]
    """Tables of the run."""
    is_early: bool
    """Whether it was ended from outside."""


class Tracking(Protocol):
    """A search in a tracker: one run for all of it, and one below that for each trial.

    A callback that is told of the end, too. All methods are called by one thread, which is not that of the search. A
    trial of an earlier session may be told once more: what the tracker has of it then gives way.
    """

    def started(self, event: TrialStarted) -> None:
        """Open the run of a trial, with its parameters."""

    def evaluated(self, event: TrialEvaluated) -> None:
        """Add numbers to the run of a trial."""

    def finished(self, event: TrialFinished) -> None:
        """Close the run of a trial, with its status, and add to the run of the search how it stands."""

    def ended(self, event: SearchEnded) -> None:
        """Close the run of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """Describe a program that tracks experiments."""

    name: str
    """As `--report-to` has it; the extra of this package that installs its client has the same name."""
    module: str
    """Of its client; imported when a search begins, and only where this tracker was asked for."""
    begin: Callable[[TrackedRun], Tracking]
    """Opens the run of a search, or goes on with it."""


def check_tracker(tracker: Tracker) -> None:
    """Look whether a tracker's client is installed, without importing it.

    Raises:
        UsageError: It is not.
    """
    spec = find_spec(tracker.module.partition(".")[0])
    # A folder of that name in the working folder is found too, but is no package: wandb makes one itself.
    if spec is None or spec.origin is None:
        raise UsageError(
            f"The client of the tracker {tracker.name} is not installed.",
            fix=f"Install it with: pip install 'xautolm[{tracker.name}]'",
        )


def tracked_run(info: RunInfo, folder: RunFolder) -> TrackedRun:
    """Return what trackers show of a run."""
    data = info.data
    settings = info.settings
    parameters: dict[str, Scalar] = {
        "task": info.task,
        "data": data.name,
        "train_examples": data.train_examples,
        "validation_examples": data.validation_examples,
        "classes": data.classes,
        "objectives": ", ".join(info.objectives),
        "models": ", ".join(info.models),
        "sampler": str(settings.get("sampler", "")),
        "warm_start": str(settings.get("warm_start", "")),
        "seed": info.seed,
        "device": info.system.device,
        "folder": str(folder.root),
    }
    for package, version in info.versions.items():
        parameters[f"version_{package}"] = version
    lead = lead_of(recorded_objectives(info))
    return TrackedRun(
        id=info.id,
        name=f"{data.name} {info.id[:6]}",
        folder=folder.root,
        lead=lead.name,
        parameters=parameters,
    )


def parameters_of(configuration: Configuration) -> dict[str, str | int | float | bool]:
    """Return the values of a configuration that say something: None stands for a branch that was not taken."""
    parameters = {}
    for name, value in configuration.values.items():
        if value is not None:
            parameters[name] = value
    return parameters


def numbers_of(event: TrialEvaluated) -> dict[str, float]:
    """Return what an evaluation measured, and when: losses and metrics by name, `epoch` and `seconds`."""
    evaluation = event.evaluation
    return {**evaluation.values, "epoch": evaluation.epoch, "seconds": evaluation.seconds}


def results_of(outcome: TrialOutcome) -> dict[str, float]:
    """Return the numbers that a trial ends with: metrics of its best evaluation, seconds, bytes."""
    results = dict(outcome.metrics)
    amounts = {
        EVALUATION_TIME: outcome.evaluation_time,
        "wall_time": outcome.wall_time,
        "peak_memory": outcome.peak_memory,
        "peak_gpu_memory": outcome.peak_gpu_memory,
        LATENCY: outcome.latency,
        MODEL_SIZE: outcome.model_size,
    }
    for name, amount in amounts.items():
        if amount is not None:
            results[name] = float(amount)
    return results


def status_of(outcome: TrialOutcome) -> dict[str, str]:
    """Return in words how a trial ended: its status, and of a failure the kind and the message."""
    words = {"status": outcome.status.value}
    if outcome.failure is not None:
        words["failure"] = outcome.failure.kind.value
        words["failure_message"] = outcome.failure.message
    return words


def standing_of(event: TrialFinished, lead: str) -> dict[str, float]:
    """Return the numbers of a whole search after a trial: the best score so far; nothing before the first success."""
    if event.best is None:
        return {}
    return {f"{BEST}_{lead}": event.best.outcome.metrics[lead]}


def small_files(folder: Path) -> list[Path]:
    """Return the files of a trial that say what it was and what came of it."""
    trial = TrialFolder(folder)
    files = [trial.spec, trial.result]
    return [path for path in files if path.exists()]
