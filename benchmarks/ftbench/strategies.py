"""Let the strategies of this package search a replayed task, with or without experience of the other ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna

from benchmarks.ftbench.contestants import Contestant, Make, PastTask, Told
from benchmarks.ftbench.replay import ReplayTask, configuration_of
from xautolm.loop import WHOLE_EPOCH
from xautolm.metalearning import SETTINGS, distances_of, knn_start, shaped
from xautolm.objectives import told_values, worst_values
from xautolm.opening import REFINEMENTS, Opening
from xautolm.past_evidence import weighed
from xautolm.records import Configuration, Experience, Scalar, Values
from xautolm.resources import PART_OF_EPOCH, ResourceModel
from xautolm.search import EXPLANATION, SAMPLERS, Memory
from xautolm.search.database import OBJECTIVES
from xautolm.search.plain_names import PlainNames
from xautolm.search.study import ATTEMPTS, finished_trial, recorded_values
from xautolm.space import Float, Int, Parameter, Prior
from xautolm.tasks import TASKS
from xautolm.traits import Circumstances, TraitReader
from xautolm.zoo import ZOO

OURS = "xautolm"
COLD = "xautolm, empty store"
MISLED = "xautolm, misleading store"
MODELS_ALONE = "xautolm, models alone"
"""The strategy without the opening of a search, and without predictions of what fits."""
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
    names: PlainNames = field(init=False)
    """Of the parameters, in the record of a search and in what its sampler sees."""
    asked: optuna.Trial | None = None
    proposed: Values = field(default_factory=dict)
    """Values of what was asked for last."""
    answered: list[Values] = field(default_factory=list)
    """What was asked for and answered by the nearest trial of the table. A search would have tried it, and would not
    ask again: the answers would be trials that are farther and farther away."""

    def __post_init__(self) -> None:
        space = self.task.space
        self.names = PlainNames.of_space(space)
        strategy = SAMPLERS.get(self.strategy)

        objectives = self.task.objectives
        # Not the study of a search, which begins with the default: here the strategy itself chooses the first.
        self.study = optuna.create_study(
            directions=[objective.direction for objective in objectives],
            sampler=strategy.make(space, self.seed, self.memory),
        )
        self.study.set_user_attr(OBJECTIVES, [objective.name for objective in objectives])

    def ask(self) -> Values:
        """Return the next configuration; one that was answered before only after some attempts."""
        for _ in range(ATTEMPTS):
            self.proposed = self._proposal()
            if self.proposed not in self.answered:
                break
            self.pass_over()
        return self.proposed

    def _proposal(self) -> Values:
        """Return what the strategy proposes."""
        asked = self.study.ask()
        self.asked = asked

        def suggested(key: str, parameter: Parameter) -> Scalar:
            return suggest(asked, key, parameter)

        return self.task.space.walk(suggested).values

    def pass_over(self) -> None:
        """Leave out what was proposed; as in a search, the sampler learns of it and looks elsewhere."""
        self._end(optuna.trial.TrialState.PRUNED)

    def hear(self, experience: Experience) -> None:
        """Take in what the table said."""
        if self.asked is not None:
            self.answered.append(self.proposed)
        # What was asked for did not run: the trial that did takes its place.
        self._end(optuna.trial.TrialState.FAIL)
        outcome = experience.outcome
        values = told_values(outcome, self.task.objectives)
        if values is None:
            values = worst_values(recorded_values(self.study), outcome, self.task.objectives)
        recorded = finished_trial(self.names, experience, values, self.task.objectives)
        self.study.add_trial(self.names.to_sites(recorded))

    def _end(self, state: optuna.trial.TrialState) -> None:
        """Close what was asked for, if anything was: an opening does not ask."""
        if self.asked is not None:
            self.study.tell(self.asked, state=state)
            self.asked = None

    @property
    def trust(self) -> float | None:
        """Return how far the store was followed in what was asked for; None where the strategy does not say."""
        if self.asked is None:
            return None
        proposed = self.study.get_trials(deepcopy=False)[self.asked.number]
        trust = proposed.user_attrs.get(EXPLANATION, {}).get("trust")
        return None if trust is None else float(trust)

    def close(self) -> None:
        """Do nothing: all is in memory."""


@dataclass(slots=True)
class SearchPlayer:
    """A whole search of this package on a replayed task: its opening, its strategy, and what it does not even try.

    Args:
        strategy: Chooses once the opening has ended.
        past: Trials of other tasks, from which predictions of time are corrected; none in a search from zero.
    """

    strategy: StrategyPlayer
    past: Sequence[Experience]
    opening: Opening = field(init=False)
    resources: ResourceModel = field(init=False)
    ended: list[Experience] = field(default_factory=list)
    asked: list[Configuration] = field(default_factory=list)
    """What was asked for and answered, by the nearest trial of the table."""
    chosen: Configuration | None = None
    """What is asked for."""
    waiting: list[Configuration] = field(default_factory=list)
    """Of the opening."""
    last_trust: float | None = None
    """In the store, when the strategy was last asked."""

    def __post_init__(self) -> None:
        task = self.strategy.task
        first = task.experiences[0]
        forms = TASKS.get(task.task.task).forms
        cards = dict(ZOO.things)
        self.resources = ResourceModel(cards, first.data, first.system, forms=forms)
        self.resources.learn(self.past)
        self.opening = Opening(
            space=task.space,
            cards=cards,
            refinements=REFINEMENTS,
            follows_store=bool(self.past),
        )
        self.waiting = self.opening.beginning(self.obstacle, self.seconds)

    def obstacle(self, configuration: Configuration, epochs: float = WHOLE_EPOCH) -> str:
        """Return why a configuration would not be run: it is predicted to pass the task's limits."""
        limits = self.strategy.task.experiences[0].limits
        return self.resources.obstacle(configuration, limits, epochs)

    def seconds(self, configuration: Configuration) -> float:
        """Predict how long a configuration would run within the task's limits."""
        limits = self.strategy.task.experiences[0].limits
        return self.resources.predict_within(configuration, limits).seconds

    def obstacle_to_whole(self, configuration: Configuration) -> str:
        """Return why a configuration would not be run with all its epochs."""
        limits = self.strategy.task.experiences[0].limits
        return self.resources.obstacle_to_whole(configuration, limits)

    def obstacle_to_new(self, configuration: Configuration) -> str:
        """Return why a configuration would not be run once: it was asked for, or is predicted to pass the limits."""
        if configuration in self.asked:
            return "tried before"
        return self.obstacle(configuration)

    def ask(self) -> Values:
        """Return the next configuration."""
        self.chosen = self._of_opening() or self._of_strategy()
        return self.chosen.values

    def _of_opening(self) -> Configuration | None:
        """Return what the opening says; None once it leaves the choice to the strategy."""
        lead = self.strategy.task.lead
        if self.opening.is_misled(self.last_trust):
            self.opening = self.opening.from_zero()
            self.waiting = self.opening.left_out(self.ended, (), lead, self.obstacle)
        if not self.waiting:
            obstacle = self.obstacle_to_whole if self.opening.follows_store else self.obstacle
            self.waiting = self.opening.after_probes(self.ended, (), lead, obstacle)
        while self.waiting:
            configuration = self.waiting.pop(0)
            if not self.reason_against(configuration):
                return configuration
        return self.opening.refinement(self.ended, (), lead, self.obstacle_to_new)

    def _of_strategy(self) -> Configuration:
        """Return the strategy's first proposal that nothing speaks against; after some attempts, the last one."""
        # As a search does: where no whole epoch fits, part of one is better than nothing.
        for epochs in (WHOLE_EPOCH, PART_OF_EPOCH):
            for _ in range(ATTEMPTS):
                configuration = configuration_of(self.strategy.task, self.strategy.ask())
                if not self.reason_against(configuration, epochs):
                    return configuration
                self.strategy.pass_over()
        return configuration

    def reason_against(self, configuration: Configuration, epochs: float = WHOLE_EPOCH) -> str:
        """Return why a proposal would be passed over, or nothing."""
        is_ended = any(experience.configuration == configuration for experience in self.ended)
        if is_ended or configuration in self.asked:
            return "tried before"
        lead = self.strategy.task.lead
        reason_to_wait = self.opening.reason_to_wait(configuration, self.ended, lead)
        return reason_to_wait or self.obstacle(configuration, epochs)

    def hear(self, experience: Experience) -> None:
        """Take in what the table said."""
        if self.trust is not None:
            self.last_trust = self.trust
        assert self.chosen is not None
        self.asked.append(self.chosen)
        self.ended.append(experience)
        self.resources.observe(experience.configuration, experience.outcome)
        self.strategy.hear(experience)

    @property
    def trust(self) -> float | None:
        """Return how far the store was followed in the last proposal; None in the opening."""
        return self.strategy.trust

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
