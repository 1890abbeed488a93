"""The session of a search: every check before any compute, then the open handles that it works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from xautolm.best_folder import BestFolder
from xautolm.budget import Clock, seconds_used
from xautolm.callbacks import Callback, Callbacks, checked_callbacks
from xautolm.description import feature_cache, is_whole
from xautolm.errors import UsageError
from xautolm.execution import ClusterExecutor, Executor, LocalExecutor, default_launcher
from xautolm.experience import STARTER, with_starter
from xautolm.forecaster import Forecaster
from xautolm.importable import import_folders
from xautolm.late_features import LateFeatures
from xautolm.limits import opening_limits, parallel_trials
from xautolm.opening import REFINEMENTS, Opening, is_trained
from xautolm.options import FitOptions
from xautolm.past_trials import PastTrials, Sight
from xautolm.pruner import Pruner
from xautolm.records import (
    Configuration,
    Experience,
    Features,
    Limits,
    Place,
    TrialSpec,
)
from xautolm.report import Screen
from xautolm.resuming import run_info, settled, write_run
from xautolm.run_folder import RunFolder, RunInfo, Say, folder_errors
from xautolm.scenario import (
    Scenario,
    direction_notes,
    make_scenario,
    this_machine,
    threads_of_trial,
    with_weights,
)
from xautolm.search import (
    KILLED_WITH_SEARCH,
    SAMPLERS,
    AskedTrial,
    Memory,
    Rungs,
    SearchStudy,
    file_url,
    open_study,
)
from xautolm.search_space import default_configurations
from xautolm.search_store import SearchStore
from xautolm.space.shares import LARGE_DATA
from xautolm.trackers import TRACKERS, Reporters, Tracker, check_tracker
from xautolm.vocabulary import DeviceKind, Recall, Where
from xautolm.warm_start import NONE, chosen_start, remembered

AUTO = "auto"
"""The address of the cluster that was started on this machine."""
ENTRY = "xautolm.finetuning.run:run"
"""What a trial's process calls."""
PRELOAD = ("xautolm.finetuning.run", "transformers.modeling_utils")
"""Modules that the server which trials are forked from loads at once, all that a linear probe needs: 3.6 processor
seconds.

The second is what transformers would load with the first model only: 1.0 of these seconds, in every trial anew.
"""
PRELOAD_LATER = ("xautolm.finetuning.gradient",)
"""Modules that it loads after the first trial, in 1.0 processor seconds: the Trainer, and with it peft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """Hold a scenario whose run folder is locked, and the engines that its session is put together from."""

    scenario: Scenario
    warm_start: str
    """The setting that the search begins with."""
    info: RunInfo
    store: SearchStore
    executor: Executor
    screen: Screen
    trackers: Sequence[Tracker]
    """Those that the options name, whose clients are installed."""
    callbacks: Sequence[Callback]
    """The user's own."""

    @property
    def folder(self) -> RunFolder:
        """Return the run's folder, which is ours alone."""
        return self.scenario.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTrial:
    """Hold what the study was asked for and has not been started yet."""

    asked: AskedTrial
    limits: Limits
    """Of the trial, as they were when it was asked for."""
    devices: int
    """That it needs at once."""


@dataclass(slots=True, kw_only=True)
class Session:
    """Hold everything that a search works with; a context manager, which closes it.

    Example:
        >>> with open_session("tickets.csv", FitOptions(trials=3), screen) as session:  # doctest: +SKIP
        ...     search(session)
    """

    run: OpenedRun
    study: SearchStudy
    clock: Clock
    opening: Opening
    """What comes first, before the sampler is asked."""
    rungs: Rungs
    """Says what is trained again on more of the rows; nothing where all trials see all of them."""
    opening_limits: Limits
    """Of the trials that a search begins with."""
    pruner: Pruner | None
    """Says which running trials are hopeless; None where none is to be stopped."""
    experiences: Sequence[Experience]
    """The trials of earlier sessions."""
    forecaster: Forecaster
    """Says what is to be expected of a trial that begins."""
    features: LateFeatures
    trackers: Reporters
    """Tell the trackers that the options name."""
    callbacks: Callbacks
    """Tell the objects that the user gave, and the trackers, what happens."""
    handles: ExitStack
    """Closes what is open, the last first."""
    unrecorded: list[Experience] = field(default_factory=list)
    """Trials that the store gets once their meta-features are measured."""
    trust: float | None = None
    """In the store, from 0 to 1, when the sampler was last asked; None where it does not say."""
    waiting: WaitingTrial | None = None
    """The next trial, where fewer devices are free than it needs."""

    @property
    def scenario(self) -> Scenario:
        """Return the problem."""
        return self.run.scenario

    @property
    def folder(self) -> RunFolder:
        """Return the run's folder."""
        return self.run.folder

    @property
    def info(self) -> RunInfo:
        """Return what the run is about, as it was when the session was opened."""
        return self.run.info

    @property
    def store(self) -> SearchStore:
        """Return where experiences are kept."""
        return self.run.store

    @property
    def executor(self) -> Executor:
        """Return what runs trials."""
        return self.run.executor

    @property
    def screen(self) -> Screen:
        """Return what shows the progress."""
        return self.run.screen

    @property
    def best(self) -> BestFolder:
        """Return what keeps the best model so far."""
        return BestFolder(
            folder=self.folder,
            info=self.info,
            cards=self.scenario.cards,
            test_data=self.scenario.dataset.test_fingerprint,
            say=self.screen.note,
        )

    @property
    def defaults(self) -> Sequence[Configuration]:
        """Return the defaults of every model and training method: the cheapest says what a trial needs at least."""
        trainings = self.opening.trained_defaults()
        if trainings:
            return trainings
        # In a space of probes alone.
        return default_configurations(self.scenario.space)

    def whole_info(self) -> RunInfo:
        """Return what the run is about, with its meta-features if they are measured by now."""
        features = self.features.features
        if features is None:
            return self.info
        return replace(self.info, features=features)

    def open_trackers(self) -> None:
        """Let the trackers open their runs, and tell them the trials of earlier sessions that they lack.

        Raises:
            UsageError: A tracker refuses.
        """
        self.trackers.open(self.experiences)

    def measure_features(self) -> None:
        """Let a child measure the meta-features that are not known, beside the trials."""
        default = self.scenario.space.default()
        on_processor = Place(device=DeviceKind.CPU.value)
        self.features.begin(self.spec(0, default, Limits(), on_processor, ""))

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
            self._await_features()
        if self.features.are_ready():
            features = self.features.get()
        elif are_last:
            # They were not measured in time: the machine's, which are known from the start, are kept all the same. The
            # next start completes the records.
            features = self.info.features
        else:
            return
        # What other searches compare tasks by is the same for all trials of a run.
        described = [replace(experience, features=features) for experience in self.unrecorded]
        self.store.add(described)
        self.unrecorded.clear()

    def _await_features(self) -> None:
        """Wait for the child that measures meta-features as long as the budget allows; say so, and whether in vain."""
        if self.features.are_ready():
            return
        seconds = self.features.last_wait(self.clock.left_in_all)
        self.screen.note(f"the data is still described for later searches: {seconds:.0f} s at most")
        self.features.wait(seconds, self.clock.tick)
        if not self.features.are_ready():
            self.screen.note(
                "the data was not described in time: the next start of this run does it"
            )

    def spec(
        self,
        number: int,
        configuration: Configuration,
        limits: Limits,
        place: Place,
        proposal: str,
        beside: Sequence[Place] = (),
    ) -> TrialSpec:
        """Return the order for one trial.

        Args:
            number: Of the trial.
            configuration: What it trains.
            limits: What it may use.
            place: Where it runs.
            proposal: Where the configuration came from.
            beside: Further places that its model is divided over.
        """
        scenario = self.scenario
        resources = scenario.resources
        card = scenario.cards[configuration.model]
        devices: tuple[str, ...] = ()
        if beside:
            devices = (place.gpu, *(further.gpu for further in beside))
        return TrialSpec(
            number=number,
            configuration=configuration,
            task=self.info.task,
            labels=self.info.labels,
            card=card,
            data=str(self.folder.data),
            tokens=str(self.folder.tokens),
            metric=scenario.lead.name,
            metrics=self.info.metrics,
            limits=limits,
            micro_batch=resources.micro_batch(configuration, limits),
            device=place.device,
            gpu=place.gpu,
            devices=devices,
            lacks_masters=resources.lacks_masters(configuration, limits),
            threads=scenario.threads,
            seed=self.info.seed,
            gradient_checkpointing=resources.needs_checkpointing(configuration, limits),
            proposal=proposal,
            import_folders=import_folders(self.info.metrics),
            computes_in_bf16=scenario.system.computes_in_bf16,
            measures_latency=scenario.measures_latency,
            probe_rows=resources.probe_rows,
            cuts=self.opening.cuts_of(card.name),
        )

    def trials_left(self, experiences: Sequence[Experience], running: int) -> int | None:
        """Return how many trials may still be started, None without a limit; interrupted ones did not count."""
        trials = self.clock.budget.trials
        if trials is None:
            return None
        ended = sum(experience.outcome.is_evidence for experience in experiences)
        return trials - ended - running

    def close(self) -> None:
        """Stop what still runs, and let go of files and connections."""
        # Trials write into the run's folder, so they end before its lock is given back.
        self.executor.close()
        self.handles.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    data: object,
    options: FitOptions,
    screen: Screen,
    executor: Executor | None = None,
    started: float | None = None,
    callbacks: Sequence[Callback] = (),
) -> Session:
    """Check everything, then open the run's folder, its study and the store.

    Nothing stays open if a check fails.

    Args:
        data: The training data.
        options: What the user asked for.
        screen: Where notes go; closed with the session.
        executor: Runs the trials, and is closed with the session; this machine's processes by default.
        started: When the command began, on the monotonic clock, from where on time counts; now by default.
        callbacks: Told what happens.

    Raises:
        UsageError: Anything that would make the search fail or its result meaningless.
    """
    if started is None:
        started = time.monotonic()
    # What costs nothing to check is checked first.
    strategy = SAMPLERS.get(options.sampler)
    callbacks = checked_callbacks(callbacks)
    trackers = [TRACKERS.get(name) for name in dict.fromkeys(options.report_to)]
    for tracker in trackers:
        check_tracker(tracker)
    warm_start = chosen_start(options.warm_start, options.warm_start_options, strategy)
    if options.out:
        place = Path(options.out).absolute()
        RunFolder(place).check_place()
    with ExitStack() as handles:
        handles.callback(screen.close)
        if executor is None:
            executor = _executor_of(options, screen.note)
        handles.callback(executor.close)
        machines = None
        if isinstance(executor, ClusterExecutor):
            machines = executor.machines()
        scenario = make_scenario(data, options, machines)
        if isinstance(executor, ClusterExecutor):
            executor.require(import_folders(scenario.metrics))
        folder = scenario.folder
        # The name of a folder that was not given is known only now.
        folder.check_place()
        # A run that has begun goes on without its store: what the store lacks lies in the run's folder.
        store = SearchStore(options.store, screen.note, must_open=not folder.is_run())
        handles.callback(store.close)
        # What the network does costs no budget.
        before_fetching = time.monotonic()
        scenario = with_weights(scenario, screen.note, screen.download)
        started += time.monotonic() - before_fetching
        new_info = run_info(scenario, warm_start, scenario.known_features())
        # In a folder with a run of the same settings, it is that run's, and the search goes on.
        info = folder.open(new_info, screen.note)
        lock = folder.lock()
        handles.callback(lock.release)
        run = OpenedRun(
            scenario=scenario,
            warm_start=warm_start,
            info=info,
            store=store,
            executor=executor,
            screen=screen,
            trackers=trackers,
            callbacks=callbacks,
        )
        with folder_errors(folder.root):
            return _session_of(run, started, handles)


def _executor_of(options: FitOptions, say: Say) -> Executor:
    """Return what runs trials, as the options ask for it.

    Raises:
        UsageError: It cannot be had.
    """
    if options.executor is Where.RAY:
        return _ray_executor(options, say)
    if options.address is not None:
        raise UsageError(
            "Only a cluster has an address.",
            got=f"--address {options.address} without --executor ray",
            fix="Add --executor ray.",
        )
    return _own_executor(options)


def _ray_executor(options: FitOptions, say: Say) -> ClusterExecutor:
    """Return what runs trials on the machines of a Ray cluster.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot run these trials.
    """
    if find_spec("ray") is None:
        raise UsageError("Ray is not installed.", fix="Install it: pip install 'xautolm[ray]'")
    # Not before it is asked for: Ray is an extra, and takes a second to import.
    from xautolm.execution.cluster import RayExecutor

    return RayExecutor(
        options.address or AUTO,
        ENTRY,
        preload=PRELOAD,
        later=PRELOAD_LATER,
        parallel=options.parallel,
        device=options.device,
        say=say,
    )


def _own_executor(options: FitOptions) -> LocalExecutor:
    """Return what runs trials on this machine; its server loads torch from now on, while data is read.

    Raises:
        UsageError: A device that is not here.
    """
    # First of all: the speed of the machine is measured here, which a process that loads modules would disturb.
    system = this_machine(options).system
    threads = threads_of_trial(system, parallel_trials(options, system))
    launcher = default_launcher(PRELOAD, threads, PRELOAD_LATER)
    launcher.begin()
    return LocalExecutor(launcher, ENTRY)


def _session_of(run: OpenedRun, started: float, handles: ExitStack) -> Session:
    """Put together what a search works with.

    Args:
        run: The run, whose folder is ours alone.
        started: From where on time counts, on the monotonic clock.
        handles: What is open so far; the session takes it over when nothing can fail any more.
    """
    scenario, folder, info, say = run.scenario, run.folder, run.info, run.screen.note
    options = scenario.options
    folder.remove_unfinished()
    write_run(folder, info, scenario.dataset, say)
    for note in (*direction_notes(scenario.objectives), *scenario.dataset.notes):
        say(note)

    # Trials of this run that the store has and the folder lost are had from there.
    stored = run.store.experiences(scenario.task.name, run=info.id)
    experiences = settled(folder, info, KILLED_WITH_SEARCH, say, stored)
    past = _past(run)
    scenario.resources.learn(past.recent)
    forecaster = Forecaster(scenario.resources)
    forecaster.learn(past.recent)
    opening = _opening(run, past)
    features = _late_features(run)
    used = seconds_used(folder.clock, experiences, scenario.parallel, say)
    clock = Clock(folder.clock, options.spending, used, started)
    remember = _remembering(run, past, features, clock)
    study = _study(run, opening, experiences, remember)
    handles.callback(study.close)

    size = scenario.space.size()
    device = _device_in_words(scenario)
    say(f"{size}; sampler {options.sampler}; device {device}; run folder {folder.root}")
    pruner = _pruner(run, past) if options.pruning else None
    reporters = Reporters(run.trackers, info, folder, say)
    return Session(
        run=run,
        study=study,
        clock=clock,
        opening=opening,
        rungs=_rungs(run),
        opening_limits=opening_limits(options, scenario.limits),
        pruner=pruner,
        experiences=experiences,
        forecaster=forecaster,
        features=features,
        trackers=reporters,
        callbacks=Callbacks([*run.callbacks, *reporters.reporters, study], say),
        handles=handles.pop_all(),
        # The store may lack those of a session that was killed before it knew the meta-features.
        unrecorded=list(experiences),
    )


def _device_in_words(scenario: Scenario) -> str:
    """Return what trials run on; of GPUs, how many and how many trials at once."""
    device = scenario.system.device
    gpus = scenario.system.gpus
    machines = scenario.machines.count
    if machines > 1:
        return f"{device} on {machines} machines (trials at once: {scenario.parallel})"
    if not gpus:
        return device
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
    return f"{device} ({len(gpus)} x {names}; trials at once: {scenario.parallel})"


def _past(run: OpenedRun) -> PastTrials:
    """Return the past trials that the search may learn from; say what is known of those that are hidden."""
    past = _read_past(run)
    for note in past.hiding_notes:
        run.screen.note(note)
    return past


def _read_past(run: OpenedRun) -> PastTrials:
    """Return the past trials that the search may learn from."""
    scenario = run.scenario
    sight = Sight(
        task=scenario.task.name,
        data=scenario.dataset.profile,
        run=run.info.id,
        hide=scenario.options.hide,
        limits=scenario.limits,
        system=scenario.system,
    )
    # A search from zero has no use for what comes with the package.
    if not scenario.options.starter or run.warm_start == NONE:
        return PastTrials(run.store, sight, feature_cache())
    add_starter = partial(with_starter, task=scenario.task.name, say=run.screen.note)
    return PastTrials(run.store, sight, feature_cache(), add_starter)


def _opening(run: OpenedRun, past: PastTrials) -> Opening:
    """Return what the search begins with."""
    scenario = run.scenario
    strategy = SAMPLERS.get(scenario.options.sampler)
    learns = strategy.memory == Recall.EVIDENCE
    # What came with the package ran under limits of a minute and a gigabyte: it says little of what the best training's
    # neighbourhood is worth with more of both. On HWU64, following it in 5 minutes ended .026 lower (one seed).
    own = [experience for experience in past.recent if experience.provenance != STARTER]
    has_own = run.warm_start != NONE and bool(own)
    return Opening(
        space=scenario.space,
        cards=scenario.cards,
        refinements=REFINEMENTS if learns else 0,
        seeks_quick=any(not objective.is_quality for objective in scenario.objectives),
        budget=scenario.options.spending,
        named=scenario.required,
        follows_store=learns and has_own,
    )


def _rungs(run: OpenedRun) -> Rungs:
    """Return what promotes configurations to more of the rows; says where rungs were asked for in vain."""
    scenario = run.scenario
    rungs = Rungs.of_space(scenario.space, scenario.objectives)
    if scenario.options.rungs and not rungs.shares:
        rows = scenario.dataset.profile.train_examples
        run.screen.note(
            f"rungs have no effect: {rows:,} training rows are fewer than {LARGE_DATA:,}"
        )
    return rungs


def _late_features(run: OpenedRun) -> LateFeatures:
    """Return the meta-features of a run, which are measured later where they are not known."""
    scenario, info, folder = run.scenario, run.info, run.folder

    def measure() -> Features:
        measured = scenario.features()
        # What `run.json` says already is not changed by another measurement.
        return {**measured, **info.features}

    def note(features: Features) -> None:
        if features != info.features:
            folder.write_info(replace(info, features=features))

    launcher = None
    # Only our own executor has a server that a child can be forked from.
    if isinstance(run.executor, LocalExecutor):
        launcher = run.executor.launcher
    features = None
    if is_whole(info.features, scenario.task):
        features = info.features
    return LateFeatures(
        measure=measure, note=note, launcher=launcher, folder=folder.features, features=features
    )


def _remembering(
    run: OpenedRun, past: PastTrials, features: LateFeatures, clock: Clock
) -> Callable[[], Memory | None]:
    """Return what tells the sampler, when it is asked for the first time, what the store gives to begin with.

    By then meta-features are measured, which takes longer than a first probe. Asking waits for them a little; where
    they come later still, because others use the processor, the sampler knows of no other task.
    """
    scenario = run.scenario

    @cache
    def remember() -> Memory | None:
        if run.warm_start == NONE:
            return None
        described = _described_in_time(features, clock, run.screen)
        if described is None:
            return None
        return remembered(
            run.warm_start,
            scenario.options.warm_start_options,
            scenario.space,
            past,
            described,
            scenario.objectives,
            scenario.traits(),
            run.folder.warm_start,
            run.screen.note,
        )

    if features.launcher is None:
        # No child measures beside the trials, so nothing is gained by asking later.
        remember()
    return remember


def _described_in_time(features: LateFeatures, clock: Clock, screen: Screen) -> Features | None:
    """Return the meta-features, or nothing where to wait for them would take too much of the budget; say so."""
    if features.are_ready():
        return features.get()
    seconds = features.first_wait(clock.left)
    screen.note(
        f"the data is still described, so that past trials can be compared: {seconds:.0f} s at most"
    )
    described = features.in_time(seconds, clock.tick)
    if described is None:
        screen.note("the data was not described in time: the search goes on without past trials")
    return described


def _study(
    run: OpenedRun,
    opening: Opening,
    experiences: Sequence[Experience],
    remember: Callable[[], Memory | None],
) -> SearchStudy:
    """Open the study in the run's folder, with the first trials of the opening waiting in it."""
    scenario, screen = run.scenario, run.screen
    strategy = SAMPLERS.get(scenario.options.sampler)

    def obstacle(configuration: Configuration) -> str:
        return scenario.resources.obstacle(configuration, scenario.limits)

    def seconds(configuration: Configuration) -> float:
        return scenario.resources.predict_within(configuration, scenario.limits).seconds

    first = opening.beginning(obstacle, seconds)
    if all(is_trained(configuration) for configuration in first):
        screen.note(
            "no pretrained model here can be tried without training: the search begins with a training"
        )
    return open_study(
        file_url(run.folder.study),
        scenario.space,
        scenario.objectives,
        lambda seed: strategy.make_late(scenario.space, seed, remember),
        scenario.options.seed,
        first,
        experiences,
        run.folder.is_taken,
        screen.note,
        run.info.study_name,
    )


def _pruner(run: OpenedRun, past: PastTrials) -> Pruner:
    """Return what looks for hopeless trials; past ones tell it how much trials gain late."""
    scenario, info = run.scenario, run.info
    return Pruner(
        folder=run.folder,
        task=scenario.task,
        labels=info.labels,
        metrics=info.metrics,
        objectives=scenario.objectives,
        validation_rows=info.data.validation_examples,
        say=run.screen.note,
        past=past.recent,
    )
