"""From options to a plan: every check before any compute, then everything that a search works with."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from xautolm.data import Dataset, prepare
from xautolm.documents import to_plain, write_json
from xautolm.errors import UsageError
from xautolm.execution import Executor, LocalExecutor, default_launcher
from xautolm.experience import ExperienceStore
from xautolm.limits import check_resources, fitting_models, trial_limits
from xautolm.memory import chosen_start, remembered, visible, with_features
from xautolm.metafeatures import FEATURES, Sample, measure, system_profile
from xautolm.metrics import EVALUATION_TIME, objective
from xautolm.options import FitOptions
from xautolm.recipe import build_space, data_needs, default_configurations, methods_by_model, read_space_option
from xautolm.records import (
    Configuration,
    Experience,
    Failure,
    FailureKind,
    Features,
    Limits,
    ModelCard,
    Objective,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
    TrialStatus,
    digest_of,
)
from xautolm.report import Screen
from xautolm.resources import ResourceModel
from xautolm.runs import Clock, RunFolder, RunInfo, devices, read_experience
from xautolm.search import SAMPLERS, open_study, tell
from xautolm.settings import cache_folder
from xautolm.space import Space
from xautolm.tasks import TASKS, Task
from xautolm.zoo import ZOO, find_models

if TYPE_CHECKING:
    import optuna

ENTRY = "xautolm.finetuning.run:run"
PRELOAD = ("xautolm.finetuning.run", "sklearn.metrics")
PACKAGES = ("xautolm", "torch", "transformers", "peft", "optuna", "datasets", "tokenizers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
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
    parallel: int
    devices: Sequence[str]
    threads: int
    sampler: str
    study: optuna.Study
    resources: ResourceModel
    executor: Executor
    store: ExperienceStore
    screen: Screen
    clock: Clock
    lock: FileLock

    def close(self) -> None:
        """Stop what still runs, and let go of files and connections."""
        self.executor.close()
        self.screen.close()
        self.store.close()
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
            proposal=proposal,
        )

    def trials_left(self, experiences: Sequence[Experience], running: int) -> int | None:
        """How many trials may still be started, None without a limit; interrupted ones did not count."""
        if self.clock.budget.trials is None:
            return None
        return self.clock.budget.trials - sum(one.outcome.is_evidence for one in experiences) - running


def make_plan(data: Any, options: FitOptions, screen: Screen, executor: Executor | None = None) -> Plan:
    """Check everything, then open the run's folder, its study and the store.

    Args:
        data: The training data.
        options: What the user asked for.
        screen: Where notes go.
        executor: Runs the trials; this machine's processes by default.

    Raises:
        UsageError: Anything that would make the search fail or its result meaningless.
    """
    task = TASKS.get(options.task)
    objectives, metric = chosen_objectives(options, task)
    strategy = SAMPLERS.get(options.sampler)
    start = chosen_start(options.warm_start, strategy)
    preset, changes = read_space_option(options.space)
    system = system_profile(options.device)
    dataset = read_data(data, options, task)
    folder = RunFolder(Path(options.out or f"runs/{_slug(dataset.profile.name)}").absolute())
    earlier = folder.earlier()
    # What `auto` finds depends on the hub and on measured speed; a resumed run keeps the models it began with.
    wanted = earlier.models if earlier and options.models == ("auto",) else options.models
    cards = {card.name: card for card in find_models(wanted, ZOO.things)}
    resources = ResourceModel(cards, dataset.profile, system, 1 / options.parallel)

    def space_of(names: Sequence[str]) -> Space:
        models = [cards[name] for name in names]
        return build_space(preset, models, options.methods, dataset.profile, system, changes)

    space = space_of(list(cards))
    limits = trial_limits(options, system, resources.cheapest(default_configurations(space)).seconds)
    if wanted == ("auto",):
        space = space_of(fitting_models(space, resources, limits))
    check_resources(space, resources, limits, options)
    store = ExperienceStore(options.store)
    features = describe(dataset, task, system, limits)
    info = folder.open(_info(folder, options, task, objectives, dataset, space, system, features, start))
    lock = folder.lock()
    if earlier is None:
        _write_run(folder, info, dataset)
    for note in dataset.notes:
        screen.note(note)
    seen = visible(store.experiences(task=task.name), task.name, dataset.profile, info.id, options.hide)
    cache = cache_folder() / "metafeatures"
    past = [with_features(one, cache) for one in seen] if start != "none" else []
    memory = remembered(start, space, past, features, folder.root, screen.note)
    study = open_study(folder.study, space, objectives, lambda seed: strategy.make(space, seed, memory), options.seed)
    recover(study, folder, info, objectives, store)
    screen.note(f"{space.size()}; sampler {strategy.name}; device {system.device}; run folder {folder.root}")
    threads = max(1, system.physical_cores // options.parallel)
    return Plan(
        info=info,
        folder=folder,
        space=space,
        cards=cards,
        objectives=objectives,
        metric=metric,
        limits=limits,
        parallel=options.parallel,
        devices=devices(system, options.device),
        threads=threads,
        sampler=strategy.name,
        study=study,
        resources=resources,
        executor=executor or LocalExecutor(default_launcher(PRELOAD, threads), ENTRY),
        store=store,
        screen=screen,
        clock=Clock(folder.root, options.spending),
        lock=lock,
    )


def read_data(data: Any, options: FitOptions, task: Task) -> Dataset:
    """The data as the options ask for it: checked and split."""
    return prepare(
        data,
        data_needs(task),
        columns={"text": options.text, "label": options.label},
        validation=options.validation,
        test=options.test,
        max_train=options.max_train,
        seed=options.seed,
    )


def described(data: Any, options: FitOptions) -> Features:
    """The meta-features of data on this machine, without a search."""
    task, system = TASKS.get(options.task), system_profile(options.device)
    return describe(read_data(data, options, task), task, system, trial_limits(options, system, 0.0))


def describe(dataset: Dataset, task: Task, system: SystemProfile, limits: Limits) -> Features:
    """The meta-features of a task on a machine; those of the data are kept by its fingerprint."""
    table = dataset.train
    sample = Sample(
        texts=list(table.iloc[:, 0]),
        targets=list(table.iloc[:, -1]),
        examples=len(table),
        system=system,
        limits=limits,
        seed=0,
    )
    groups = FEATURES.things.values()
    return measure(groups, sample, task.target_kind, cache_folder() / "metafeatures", dataset.profile.fingerprint)


def chosen_objectives(options: FitOptions, task: Task) -> tuple[tuple[Objective, ...], str]:
    """The objectives, and the quality metric that leads.

    Raises:
        UsageError: No quality metric among them, or one twice.
        UnknownNameError: The task has no such metric.
    """
    names = options.objectives or (task.metrics[0], EVALUATION_TIME)
    found = tuple(objective(name, task.metrics) for name in names)
    quality = [name for name in names if name != EVALUATION_TIME]
    if not quality or len(set(names)) < len(names):
        raise UsageError(
            "The objectives need at least one quality metric, and none twice.",
            got=", ".join(names),
            fix=f"This task has {', '.join(task.metrics)}.",
        )
    return found, quality[0]


def recover(
    study: optuna.Study, folder: RunFolder, info: RunInfo, objectives: Sequence[Objective], store: ExperienceStore
) -> None:
    """Bring study and store up to what the trials' folders say, after an earlier session ended in whatever way.

    A trial that had left its result is told; one that had not is marked as interrupted, which says nothing about
    its configuration.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        path = folder.trial(trial.number)
        found = read_experience(info, path)
        outcome = found.outcome if found else interrupted()
        if found is None and (path / "spec.json").exists():
            write_json(path / "result.json", to_plain(outcome))
        tell(study, trial.number, outcome, objectives)
        if not outcome.is_evidence:
            study.enqueue_trial(trial.params, user_attrs={"proposal": f"again after trial {trial.number}"})
    store.add(folder.experiences())


def interrupted() -> TrialOutcome:
    """The outcome of a trial that was stopped from outside."""
    failure = Failure(kind=FailureKind.INTERRUPTED, message="the search ended before the trial did")
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure)


def _info(
    folder: RunFolder,
    options: FitOptions,
    task: Task,
    objectives: Sequence[Objective],
    dataset: Dataset,
    space: Space,
    system: SystemProfile,
    features: Features,
    start: str,
) -> RunInfo:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    settings = {
        "data": dataset.profile.fingerprint,
        "task": task.name,
        "objectives": [objective.name for objective in objectives],
        "space": digest_of(space.to_plain())[:16],
        "models": list(options.models),
        "methods": list(options.methods),
        "sampler": options.sampler,
        "warm_start": start,
        "hide": list(options.hide),
        "seed": options.seed,
        "device": system.device,
        "trial_time_limit": options.trial_time_limit,
        "trial_memory_limit": options.trial_memory_limit,
    }
    return RunInfo(
        id=digest_of([str(folder.root), created, settings])[:16],
        created=created,
        task=task.name,
        labels=dataset.labels,
        objectives=tuple(objective.name for objective in objectives),
        metrics=task.metrics,
        data=dataset.profile,
        system=system,
        seed=options.seed,
        versions={name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()},
        settings=settings,
        notes=dataset.notes,
        models=tuple(methods_by_model(space)),
        features=features,
    )


def _write_run(folder: RunFolder, info: RunInfo, dataset: Dataset) -> None:
    """Write the splits and, last, `run.json`: a run either has everything that it needs to be resumed, or is none."""
    for name, table in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if table is not None:
            table.to_parquet(folder.data / f"{name}.parquet")
    folder.write_info(info)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(name).stem) or "run"
