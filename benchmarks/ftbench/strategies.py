"""Let the strategies of this package search a replayed task, with or without experience of the other ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna

from benchmarks.ftbench.contestants import Contestant, Make, PastTask, Told
from benchmarks.ftbench.replay import ReplayTask
from xautolm.metalearning import SETTINGS, distances_of, knn_start, shaped
from xautolm.objectives import told_values, worst_values
from xautolm.past_evidence import weighed
from xautolm.records import Experience, Scalar, Values
from xautolm.search import EXPLANATION, SAMPLERS, Memory
from xautolm.search.database import OBJECTIVES
from xautolm.search.study import finished_trial, recorded_values
from xautolm.space import Float, Int, Parameter, Prior
from xautolm.traits import Circumstances, TraitReader

KNN = "knn"


def memory_of(
    task: ReplayTask, past: Sequence[Experience], setting: str, *, has_traits: bool = True
) -> Memory:
    """Return what a search begins with, as `fit` makes it of a store."""
    current = task.experiences[0].features
    plain = Prior.plain(task.space)
    if setting == KNN:
        return Memory(prior=knn_start(plain, past, current).prior)
    options = SETTINGS[setting]
    distances = distances_of(past, current, options)
    warmed = shaped(plain, distances, options)
    if not has_traits:
        return Memory(prior=warmed.prior, evidence=weighed(distances, task.objectives, options))
    first = task.experiences[0]
    here = Circumstances(first.task, first.data, first.system, first.limits)
    reader = TraitReader({}, here)
    evidence = weighed(distances, task.objectives, options, reader)
    return Memory(prior=warmed.prior, evidence=evidence, traits=reader)


@dataclass(slots=True)
class StrategyPlayer:
    """A strategy of this package that searches a replayed task.

    Args:
        task: The task.
        strategy: Name of the sampler.
        memory: What it begins with.
        seed: The sampler's.
    """

    task: ReplayTask
    strategy: str
    memory: Memory | None
    seed: int
    study: optuna.Study = field(init=False)
    asked: optuna.Trial | None = None

    def __post_init__(self) -> None:
        space = self.task.space
        strategy = SAMPLERS.get(self.strategy)

        objectives = self.task.objectives
        # Not the study of a search, which begins with the default: here the strategy itself chooses the first.
        self.study = optuna.create_study(
            directions=[objective.direction for objective in objectives],
            sampler=strategy.make(space, self.seed, self.memory),
        )
        self.study.set_user_attr(OBJECTIVES, [objective.name for objective in objectives])

    def ask(self) -> Values:
        """Return the next configuration."""
        asked = self.study.ask()
        self.asked = asked

        def suggested(key: str, parameter: Parameter) -> Scalar:
            return suggest(asked, key, parameter)

        return self.task.space.walk(suggested).values

    def hear(self, experience: Experience) -> None:
        """Take in what the table said."""
        assert self.asked is not None
        # What was asked for did not run: the trial that did takes its place.
        self.study.tell(self.asked, state=optuna.trial.TrialState.FAIL)
        outcome = experience.outcome
        values = told_values(outcome, self.task.objectives)
        if values is None:
            values = worst_values(recorded_values(self.study), outcome, self.task.objectives)
        self.study.add_trial(finished_trial(self.task.space, experience, values))

    @property
    def trust(self) -> float | None:
        """Return how far the store was followed in the last proposal; None where the strategy does not say."""
        assert self.asked is not None
        proposed = self.study.get_trials(deepcopy=False)[self.asked.number]
        trust = proposed.user_attrs.get(EXPLANATION, {}).get("trust")
        return None if trust is None else float(trust)

    def close(self) -> None:
        """Do nothing: all is in memory."""


def suggest(trial: optuna.Trial, key: str, parameter: Parameter) -> Scalar:
    """Ask a trial for the value of a parameter at a site."""
    if isinstance(parameter, Int):
        return trial.suggest_int(key, parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Float):
        return trial.suggest_float(key, parameter.low, parameter.high, log=parameter.log)
    value: Scalar = trial.suggest_categorical(key, parameter.options)
    return value


@dataclass(slots=True)
class PeerPlayer:
    """A search of somebody else's on a replayed task.

    Args:
        task: The task.
        contestant: The search.
    """

    task: ReplayTask
    contestant: Contestant

    def ask(self) -> Values:
        """Return the next configuration."""
        return self.contestant.ask()

    def hear(self, experience: Experience) -> None:
        """Take in what the table said."""
        self.contestant.tell(told_of(self.task, experience))

    @property
    def trust(self) -> None:
        """Return None: only ours says how far it follows a store."""
        return None

    def close(self) -> None:
        """Free what it holds."""
        self.contestant.close()


def told_of(task: ReplayTask, experience: Experience) -> Told:
    """Return a trial as peers are told of it."""
    outcome = experience.outcome
    return Told(
        values=experience.configuration.values,
        quality=task.quality(experience),
        seconds=outcome.evaluation_time or outcome.wall_time,
        failure=outcome.failure.kind.value if outcome.failure else "",
    )


def peer(make: Make, task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> PeerPlayer:
    """Let a search of somebody else's begin, with the past as it takes it."""
    told = [
        PastTask(
            name=item.name,
            trials=[told_of(item, experience) for experience in item.experiences],
            features=item.features,
        )
        for item in past
    ]
    return PeerPlayer(task, make(task.space, seed, told, task.features))
