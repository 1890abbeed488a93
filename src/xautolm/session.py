"""From options to a session: every check before any compute, then everything that a search works with."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from xautolm.best_folder import BestFolder
from xautolm.budget import Clock, seconds_used
from xautolm.data import Dataset
from xautolm.data.stored import split_problem
from xautolm.description import is_whole
from xautolm.execution import Executor, LocalExecutor, default_launcher
from xautolm.late_features import LateFeatures
from xautolm.limits import opening_limits
from xautolm.metafeatures import system_profile
from xautolm.metafeatures.system import devices
from xautolm.metalearning import telling
from xautolm.opening import REFINEMENTS, Opening, is_trained
from xautolm.options import FitOptions
from xautolm.pruner import Pruner
from xautolm.records import (
    Configuration,
    Experience,
    Failure,
    Features,
    Limits,
    ModelCard,
    Objective,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
    digest_of,
)
from xautolm.report import Screen
from xautolm.resources import ResourceModel
from xautolm.run_folder import RunFolder, RunInfo, Say, folder_errors
from xautolm.scenario import Scenario, make_scenario, with_weights
from xautolm.search import SAMPLERS, Memory, SearchStudy, Strategy, file_url, open_study
from xautolm.search_space import default_configurations, methods_by_model
from xautolm.search_store import SearchStore
from xautolm.settings import cache_folder
from xautolm.space import Space
from xautolm.vocabulary import Export, FailureKind, TrialStatus
from xautolm.warm_start import NONE, chosen_start, remembered, visible, with_features

ENTRY = "xautolm.finetuning.run:run"
PRELOAD = ("xautolm.finetuning.run", "sklearn.metrics")
PACKAGES = ("xautolm", "torch", "transformers", "peft", "optuna", "datasets", "tokenizers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that a search works with."""

    info: RunInfo
    folder: RunFolder
    space: Space
    cards: Mapping[str, ModelCard]
    objectives: tuple[Objective, ...]
    metric: str
    """The first quality metric among the objectives; chooses the best epoch and the winner."""
    limits: Limits
    """Of each trial, besides what is left of the budget."""
    opening_limits: Limits
    """Of the trials that a search begins with."""
    parallel: int
    devices: Sequence[str]
    threads: int
    sampler: str
    explain: bool
    """Whether to say of each proposal where it came from."""
    study: SearchStudy
    resources: ResourceModel
    executor: Executor
    store: SearchStore
    screen: Screen
    clock: Clock
    lock: FileLock
    pruner: Pruner | None
    """Says which running trials are hopeless; None where none is to be stopped."""
    defaults: Sequence[Configuration]
    """The default configuration of every model and training method: the cheapest says what a trial needs at least."""
    opening: Opening
    """What comes first, before the sampler is asked."""
    experiences: Sequence[Experience]
    """The trials of earlier sessions."""
    features: LateFeatures
    unrecorded: list[Experience] = field(default_factory=list)
    """Trials that the store gets once their meta-features are measured."""

    def whole_info(self) -> RunInfo:
        """Return what the run is about, with its meta-features if they are measured by now."""
        return replace(self.info, features=self.features.features or self.info.features)

    def measure_features(self) -> None:
        """Let a child measure the meta-features that are not known, beside the trials."""
        default = self.space.default()
        self.features.begin(self.spec(0, default, Limits(), "cpu", ""))

    def record(self, experiences: Sequence[Experience], *, are_last: bool = False) -> None:
        """Add trials of this run to the store, as soon as the meta-features of the run are known.

        Args:
            experiences: The trials.
            are_last: Whether no further ones will come: a child that still measures is waited for, but not for ever.
        """
        self.unrecorded.extend(experiences)
        if not self.unrecorded:
            return
        if are_last:
            self.features.wait()
        if self.features.are_ready():
            features = self.features.get()
        elif are_last:
            features = self.info.features
        else:
            return
        self.store.add([replace(experience, features=features) for experience in self.unrecorded])
        self.unrecorded.clear()

    @property
    def best(self) -> BestFolder:
        """What keeps the best model so far."""
        return BestFolder(folder=self.folder, info=self.info, cards=self.cards, say=self.screen.note)

    def close(self) -> None:
        """Stop what still runs, and let go of files and connections."""
        self.executor.close()
        self.screen.close()
        self.store.close()
        self.study.close()
        self.lock.release()

    def spec(self, number: int, configuration: Configuration, limits: Limits, device: str, proposal: str) -> TrialSpec:
        """The order for one trial."""
        return TrialSpec(
            number=number,
            configuration=configuration,
            task=self.info.task,
            labels=self.info.labels,
            card=self.cards[configuration.model],
            data=str(self.folder.data),
            tokens=str(self.folder.tokens),
            metric=self.metric,
            metrics=self.info.metrics,
            limits=limits,
            micro_batch=self.resources.micro_batch(configuration, limits),
            device=device,
            threads=self.threads,
            seed=self.info.seed,
            gradient_checkpointing=self.resources.needs_checkpointing(configuration, limits),
            proposal=proposal,
            computes_in_bf16=self.resources.system.computes_in_bf16,
        )

    def trials_left(self, experiences: Sequence[Experience], running: int) -> int | None:
        """How many trials may still be started, None without a limit; interrupted ones did not count."""
        if self.clock.budget.trials is None:
            return None
        return self.clock.budget.trials - sum(one.outcome.is_evidence for one in experiences) - running


def open_session(
    data: Any, options: FitOptions, screen: Screen, executor: Executor | None = None, started: float | None = None
) -> Session:
    """Check everything, then open the run's folder, its study and the store.

    Args:
        data: The training data.
        options: What the user asked for.
        screen: Where notes go.
        executor: Runs the trials; this machine's processes by default.
        started: When the command began, on the monotonic clock, from where on time counts; now by default.

    Raises:
        UsageError: Anything that would make the search fail or its result meaningless.
    """
    started = time.monotonic() if started is None else started
    strategy = SAMPLERS.get(options.sampler)
    start = chosen_start(options.warm_start, options.warm_start_options, strategy)
    if options.out:
        RunFolder(Path(options.out).absolute()).check_place()
    if executor is not None:
        return _checked_plan(data, options, screen, executor, start, started)
    own_executor = _own_executor(options)
    try:
        return _checked_plan(data, options, screen, own_executor, start, started)
    except BaseException:
        own_executor.close()
        raise


def threads_of_trial(system: SystemProfile, options: FitOptions) -> int:
    """Return the number of threads that each of the trials at once has for numerical libraries."""
    return max(1, system.physical_cores // options.parallel)


def _own_executor(options: FitOptions) -> LocalExecutor:
    """Return what runs trials on this machine; its server loads torch from now on, while data is read.

    Raises:
        UsageError: A device that is not here.
    """
    # First of all: the speed of the machine is measured here, which a process that loads modules would disturb.
    system = system_profile(options.device)
    launcher = default_launcher(PRELOAD, threads_of_trial(system, options))
    launcher.begin()
    return LocalExecutor(launcher, ENTRY)


def _checked_plan(
    data: Any, options: FitOptions, screen: Screen, executor: Executor, start: str, started: float
) -> Session:
    """Look at data, machine and models, and open the run's folder for a search that can be made.

    Raises:
        UsageError: The search could not be made.
    """
    sight = make_scenario(data, options)
    folder = sight.folder
    folder.check_place()
    # A run that has begun goes on without its store: what the store lacks lies in the run's folder.
    store = SearchStore(options.store, screen.note, must_open=not folder.is_run())
    # What the network does costs no budget.
    before_fetching = time.monotonic()
    sight = with_weights(sight, options, screen.note, screen.download)
    started += time.monotonic() - before_fetching
    info = folder.open(_info(sight, options, sight.known_features(), start), screen.note)
    lock = folder.lock()
    try:
        with folder_errors(folder.root):
            return _opened(sight, options, screen, store, info, lock, executor, start, started)
    except BaseException:
        store.close()
        lock.release()
        raise


def _opened(
    sight: Scenario,
    options: FitOptions,
    screen: Screen,
    store: SearchStore,
    info: RunInfo,
    lock: FileLock,
    executor: Executor,
    start: str,
    started: float,
) -> Session:
    """Open what a search works with, in a folder that is ours alone now."""
    strategy = SAMPLERS.get(options.sampler)
    folder, dataset, space, limits = sight.folder, sight.dataset, sight.space, sight.limits
    _write_run(folder, info, dataset, screen.note)
    for note in dataset.notes:
        screen.note(note)
    stored = store.experiences(sight.task.name)
    experiences = settled(folder, info, screen.note, stored)
    past = _past(sight, options, stored, info)
    sight.resources.learn(past)
    opening = _opening(sight, strategy, start, past)
    features = _features(sight, info, executor)

    @cache
    def remember() -> Memory | None:
        return _memory(sight, options, past, info, features, start, screen.note)

    if features.launcher is None:
        # No child measures beside the trials, so nothing is gained by asking later.
        remember()
    study = _study(sight, options, screen, opening, experiences, remember)
    screen.note(f"{space.size()}; sampler {strategy.name}; device {sight.system.device}; run folder {folder.root}")
    used = seconds_used(folder.clock, experiences, options.parallel, screen.note)
    return Session(
        info=info,
        folder=folder,
        space=space,
        cards=sight.cards,
        objectives=sight.objectives,
        metric=sight.metric,
        limits=limits,
        opening_limits=opening_limits(options, limits),
        parallel=options.parallel,
        devices=devices(sight.system, options.device),
        threads=threads_of_trial(sight.system, options),
        sampler=strategy.name,
        explain=options.explain,
        study=study,
        resources=sight.resources,
        executor=executor,
        store=store,
        screen=screen,
        clock=Clock(folder.clock, options.spending, used, started),
        lock=lock,
        defaults=opening.trained_defaults() or default_configurations(space),
        opening=opening,
        pruner=_pruner(sight, info, past, screen.note) if options.pruning else None,
        experiences=experiences,
        features=features,
        unrecorded=list(experiences),
    )


def _opening(sight: Scenario, strategy: Strategy, start: str, past: Sequence[Experience]) -> Opening:
    """Return what the search begins with."""
    begins_from_zero = strategy.memory == "evidence" and (start == NONE or not past)
    # A sampler that follows a store knows better what to try than the best training's neighbourhood.
    return Opening(space=sight.space, cards=sight.cards, refinements=REFINEMENTS if begins_from_zero else 0)


def _study(
    sight: Scenario,
    options: FitOptions,
    screen: Screen,
    opening: Opening,
    experiences: Sequence[Experience],
    remember: Callable[[], Memory | None],
) -> SearchStudy:
    """Open the study in the run's folder, with the first trials of the opening waiting in it."""
    strategy = SAMPLERS.get(options.sampler)

    def obstacle(configuration: Configuration) -> str:
        return sight.resources.obstacle(configuration, sight.limits)

    first = opening.first(obstacle)
    if all(is_trained(configuration) for configuration in first):
        screen.note("no pretrained model here can be tried without training: the search begins with a training")
    return open_study(
        file_url(sight.folder.study),
        sight.space,
        sight.objectives,
        lambda seed: strategy.make_late(sight.space, seed, remember),
        options.seed,
        first,
        experiences,
        sight.folder.is_taken,
        screen.note,
    )


def _features(sight: Scenario, info: RunInfo, executor: Executor) -> LateFeatures:
    """Return the meta-features of a run, which are measured later where they are not known."""
    folder = sight.folder

    def note(features: Features) -> None:
        if features != info.features:
            folder.write_info(replace(info, features=features))

    return LateFeatures(
        measure=lambda: {**sight.features(), **info.features},
        note=note,
        launcher=executor.launcher if isinstance(executor, LocalExecutor) else None,
        folder=folder.features,
        features=info.features if is_whole(info.features, sight.task) else None,
    )


def _past(sight: Scenario, options: FitOptions, stored: Sequence[Experience], info: RunInfo) -> list[Experience]:
    """Return the past trials that the search may learn from."""
    past = visible(stored, sight.task.name, sight.dataset.profile, info.id, options.hide)
    return telling(past, sight.limits, sight.system)


def _pruner(sight: Scenario, info: RunInfo, past: Sequence[Experience], say: Say) -> Pruner:
    """Return what looks for hopeless trials; past ones tell it how much trials gain late."""
    return Pruner(
        folder=sight.folder,
        task=sight.task,
        labels=info.labels,
        metrics=info.metrics,
        objectives=sight.objectives,
        lead=sight.metric,
        validation_rows=info.data.validation_examples,
        say=say,
        past=past,
    )


def _memory(
    sight: Scenario,
    options: FitOptions,
    past: Sequence[Experience],
    info: RunInfo,
    features: LateFeatures,
    start: str,
    say: Say,
) -> Memory | None:
    """Return what the search begins with; waits until its meta-features are measured."""
    if start == NONE:
        return None
    cache = cache_folder() / "metafeatures"
    described = [with_features(experience, cache) for experience in past]
    return remembered(
        start,
        options.warm_start_options,
        sight.space,
        described,
        features.get(),
        info.objectives,
        sight.folder.warm_start,
        say,
    )


def settled(folder: RunFolder, info: RunInfo, say: Say, stored: Sequence[Experience] = ()) -> list[Experience]:
    """Return the trials of a run after an earlier session ended in whatever way.

    What it left unfinished is marked as interrupted, which says nothing about its configuration; a result that is lost
    is had from the store.

    Args:
        folder: The run's, which nobody else works on.
        info: What the run is about.
        say: Told which files are damaged.
        stored: What the store knows, of whatever run.
    """
    known = {experience.trial: experience for experience in stored if experience.run == info.id}
    for note in folder.end_unfinished(info, interrupted(), known):
        say(note)
    return folder.trials(info).experiences


def interrupted() -> TrialOutcome:
    """The outcome of a trial that was stopped from outside."""
    failure = Failure(kind=FailureKind.INTERRUPTED, message="the search ended before the trial did")
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure)


def _info(sight: Scenario, options: FitOptions, features: Features, start: str) -> RunInfo:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    settings = {
        "data": sight.dataset.profile.fingerprint,
        "task": sight.task.name,
        "objectives": [objective.name for objective in sight.objectives],
        "space": digest_of(sight.space.to_plain())[:16],
        "models": list(options.models),
        "methods": list(options.methods),
        "sampler": options.sampler,
        "warm_start": start,
        "hide": list(options.hide),
        **({"warm_start_options": options.warm_start_options} if options.warm_start_options else {}),
        **({"export": options.export.value} if options.export is not Export.ANY else {}),
        "seed": options.seed,
        "device": sight.system.device,
        "trial_time_limit": options.trial_time_limit,
        "trial_memory_limit": options.trial_memory_limit,
    }
    return RunInfo(
        id=digest_of([str(sight.folder.root), created, settings])[:16],
        created=created,
        task=sight.task.name,
        labels=sight.dataset.labels,
        objectives=tuple(objective.name for objective in sight.objectives),
        metrics=sight.task.metrics,
        data=sight.dataset.profile,
        system=sight.system,
        seed=options.seed,
        versions={name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()},
        settings=settings,
        notes=sight.dataset.notes,
        columns=sight.dataset.columns,
        models=tuple(methods_by_model(sight.space)),
        features=features,
    )


def _write_run(folder: RunFolder, info: RunInfo, dataset: Dataset, say: Say) -> None:
    """Write the splits and, last, `run.json`: a run either has everything that it needs to be resumed, or is none.

    In a run that is resumed, splits that are gone or damaged are written anew: they are the same ones.
    """
    is_new = not folder.is_run()
    for name, table in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if table is None:
            continue
        problem = split_problem(folder.split(name), len(table))
        if problem:
            table.to_parquet(folder.split(name))
            if not is_new:
                say(f"{folder.split(name).name} cannot be read ({problem}): it was written anew")
    if is_new:
        folder.write_info(info)
