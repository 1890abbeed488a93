"""From options to a plan: every check before any compute, then everything that a search works with."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from xautolm.budget import Clock
from xautolm.data import Dataset
from xautolm.documents import to_plain, write_json
from xautolm.execution import Executor, LocalExecutor, default_launcher
from xautolm.experience import ExperienceStore
from xautolm.memory import chosen_start, remembered, visible, with_features
from xautolm.metafeatures.system import devices
from xautolm.options import FitOptions
from xautolm.prospect import Prospect, make_prospect, with_weights
from xautolm.recipe import methods_by_model, opening
from xautolm.records import (
    Configuration,
    Experience,
    Failure,
    Features,
    Limits,
    ModelCard,
    Objective,
    TrialOutcome,
    TrialSpec,
    digest_of,
)
from xautolm.report import Screen
from xautolm.resources import ResourceModel
from xautolm.run_folder import RunFolder, RunInfo, read_experience
from xautolm.search import SAMPLERS, open_study, tell
from xautolm.settings import cache_folder
from xautolm.space import Space
from xautolm.vocabulary import FailureKind, TrialStatus

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
    explain: bool
    """Whether to say of each proposal where it came from."""
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
            gradient_checkpointing=self.resources.needs_checkpointing(configuration, limits),
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
    strategy = SAMPLERS.get(options.sampler)
    start = chosen_start(options.warm_start, options.warm_start_options, strategy)
    sight = make_prospect(data, options)
    store = ExperienceStore(options.store)
    sight = with_weights(sight, options, screen.note, screen.download)
    task, dataset, system, space, limits = sight.task, sight.dataset, sight.system, sight.space, sight.limits
    folder, objectives, features = sight.folder, sight.objectives, sight.features()
    info = folder.open(_info(sight, options, features, start))
    lock = folder.lock()
    if not (folder.root / "run.json").exists():
        _write_run(folder, info, dataset)
    for note in dataset.notes:
        screen.note(note)
    seen = visible(store.experiences(task=task.name), task.name, dataset.profile, info.id, options.hide)
    sight.resources.learn(seen)
    cache = cache_folder() / "metafeatures"
    past = [with_features(one, cache) for one in seen] if start != "none" else []
    names = [objective.name for objective in objectives]
    memory = remembered(start, options.warm_start_options, space, past, features, names, folder.root, screen.note)
    first = opening(space, sight.cards, lambda one: sight.resources.obstacle(one, limits))
    study = open_study(
        folder.study, space, objectives, lambda seed: strategy.make(space, seed, memory), options.seed, first
    )
    recover(study, folder, info, objectives, store)
    screen.note(f"{space.size()}; sampler {strategy.name}; device {system.device}; run folder {folder.root}")
    threads = max(1, system.physical_cores // options.parallel)
    return Plan(
        info=info,
        folder=folder,
        space=space,
        cards=sight.cards,
        objectives=objectives,
        metric=sight.metric,
        limits=limits,
        parallel=options.parallel,
        devices=devices(system, options.device),
        threads=threads,
        sampler=strategy.name,
        explain=options.explain,
        study=study,
        resources=sight.resources,
        executor=executor or LocalExecutor(default_launcher(PRELOAD, threads), ENTRY),
        store=store,
        screen=screen,
        clock=Clock(folder.root, options.spending),
        lock=lock,
    )


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


def _info(sight: Prospect, options: FitOptions, features: Features, start: str) -> RunInfo:
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


def _write_run(folder: RunFolder, info: RunInfo, dataset: Dataset) -> None:
    """Write the splits and, last, `run.json`: a run either has everything that it needs to be resumed, or is none."""
    for name, table in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        if table is not None:
            table.to_parquet(folder.data / f"{name}.parquet")
    folder.write_info(info)
