"""Let Optuna's samplers play: alone, with the neighbours' best first, and with a portfolio first."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import optuna

from benchmarks.ftbench.contestants import Contestant, Make, PastTask, TaskFeatures, Told
from benchmarks.ftbench.peers.past import log_seconds, neighbors_best, portfolio
from benchmarks.ftbench.peers.sites import all_sites, configuration_at
from xautolm.records import Scalar, Values
from xautolm.space import Branch, Choice, Int, Parameter, Space

DIRECTIONS = (
    optuna.study.StudyDirection.MAXIMIZE,
    optuna.study.StudyDirection.MINIMIZE,
)
"""Of quality and of the logarithm of seconds."""
FAILED = "failed"
"""Name of the constraint that a failure violates."""
STARTUP_TRIALS = 8
"""Random trials before a model is fitted, as in the contest on NMTHPO; Optuna's default, 10, is for longer searches."""
POPULATION = 10
"""Of NSGA-II: with Optuna's default, 50, all forty trials of a contest would be random."""
WORST_QUALITY = 0.0
"""Told of a failure before the first success: the table's quality is F1, which is 0 at its worst."""

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
"""Given a seed, makes a sampler."""
Opening = Callable[[Space, Sequence[PastTask], TaskFeatures], Iterable[Values]]
"""Chooses the configurations that come before those of the sampler."""


class FailuresTold(StrEnum):
    """How a study learns of failures."""

    WELL = "well"
    """As complete trials of the worst values which violate a constraint: all samplers avoid what is like them."""
    BADLY = "badly"
    """As Optuna's state FAIL, what an exception becomes: no sampler learns from it."""


@dataclass(slots=True, kw_only=True)
class OptunaContestant:
    """Search with a study in memory."""

    space: Space
    study: optuna.Study
    failures: FailuresTold
    is_flat: bool = False
    """Whether the sampler is asked for every site of the space, also for those that nothing opens."""
    asked: optuna.Trial | None = None
    """The last ask, not told yet."""
    worst_quality: float | None = None
    """Of the successes so far."""

    def ask(self) -> Values:
        """Return what the sampler proposes."""
        asked = self.study.ask()
        self.asked = asked

        def choose(key: str, parameter: Parameter) -> Scalar:
            return suggested(asked, key, parameter)

        if not self.is_flat:
            return self.space.walk(choose).values
        by_site: dict[str, Scalar] = {}
        for key, parameter in self.space.sites().items():
            by_site[key] = choose(key, parameter)
        return configuration_at(self.space, by_site).values

    def tell(self, trial: Told) -> None:
        """Put the trial that was run in place of the one that was asked for."""
        assert self.asked is not None, "tell comes after ask"
        asked = self.study.get_trials(deepcopy=False)[self.asked.number]
        # Optuna lets nobody change parameters; FAIL is what its samplers pass over.
        self.study.tell(self.asked, state=optuna.trial.TrialState.FAIL)
        self.asked = None

        by_site = self._by_site(trial.values)
        sites = self.space.sites()
        distributions = {key: sites[key].distribution() for key in by_site}
        state = optuna.trial.TrialState.COMPLETE
        values: list[float] | None = self._objectives(trial)
        constraints: dict[str, float] | None = None
        if self.failures is FailuresTold.WELL:
            # Optuna takes what is above 0 for a violation.
            constraints = {FAILED: float(trial.failed)}
        elif trial.failed:
            state = optuna.trial.TrialState.FAIL
            values = None
        run = optuna.trial.create_trial(
            state=state,
            values=values,
            params=by_site,
            distributions=distributions,
            # NSGA-II keeps a trial's generation there.
            system_attrs=asked.system_attrs,
            constraints=constraints,
        )
        self.study.add_trial(run)

    def close(self) -> None:
        """Do nothing: a study in memory holds nothing else."""

    def enqueue(self, configurations: Iterable[Values]) -> None:
        """Let configurations be asked for first."""
        for values in configurations:
            self.study.enqueue_trial(self._by_site(values))

    def _by_site(self, values: Values) -> dict[str, Scalar]:
        if self.is_flat:
            return all_sites(self.space, values)
        return self.space.site_values(values)

    def _objectives(self, trial: Told) -> list[float]:
        """Return quality and logarithm of seconds; of a failure, the worst quality so far and the time that it took."""
        quality = trial.quality
        if quality is not None:
            self.worst_quality = (
                quality if self.worst_quality is None else min(quality, self.worst_quality)
            )
        elif self.worst_quality is not None:
            quality = self.worst_quality
        else:
            quality = WORST_QUALITY
        return [quality, log_seconds(trial)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaPeer:
    """Make contestants with a sampler of Optuna."""

    sampler: MakeSampler
    failures: FailuresTold = FailuresTold.WELL
    openings: Sequence[Opening] = field(default=())
    is_flat: bool = False

    def __call__(
        self, space: Space, seed: int, past: Sequence[PastTask], features: TaskFeatures
    ) -> Contestant:
        """Begin a search."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            # Several arguments that the contest needs count as experimental for years.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(directions=list(DIRECTIONS), sampler=self.sampler(seed))
        contestant = OptunaContestant(
            space=space, study=study, failures=self.failures, is_flat=self.is_flat
        )
        for opening in self.openings:
            contestant.enqueue(opening(space, past, features))
        return contestant


def suggested(trial: optuna.Trial, key: str, parameter: Parameter) -> Scalar:
    """Return what a trial proposes for a site."""
    if isinstance(parameter, Choice | Branch):
        return trial.suggest_categorical(key, parameter.options)
    if isinstance(parameter, Int):
        return trial.suggest_int(key, parameter.low, parameter.high, log=parameter.log)
    return trial.suggest_float(key, parameter.low, parameter.high, log=parameter.log)


def random(seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's random sampler."""
    return optuna.samplers.RandomSampler(seed=seed)


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Return TPE for conditional spaces: parameters that appear together are modelled together."""
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS
    )


def nsga2(seed: int) -> optuna.samplers.BaseSampler:
    """Return NSGA-II."""
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION)


def gp(seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's Gaussian processes with expected hypervolume improvement."""
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS)


def greedy_portfolio(
    space: Space, past: Sequence[PastTask], features: TaskFeatures
) -> list[Values]:
    """Return the portfolio, whatever the target."""
    return portfolio(space, past)


OPTUNA_PEERS: Mapping[str, Make] = {
    "random": OptunaPeer(sampler=random),
    "tpe": OptunaPeer(sampler=tpe),
    "tpe, failures told badly": OptunaPeer(sampler=tpe, failures=FailuresTold.BADLY),
    "nsga2": OptunaPeer(sampler=nsga2),
    "nsga2, failures told badly": OptunaPeer(sampler=nsga2, failures=FailuresTold.BADLY),
    "kNN, then tpe": OptunaPeer(sampler=tpe, openings=[neighbors_best]),
    "kNN, then tpe, failures told badly": OptunaPeer(
        sampler=tpe, openings=[neighbors_best], failures=FailuresTold.BADLY
    ),
    "kNN, then nsga2": OptunaPeer(sampler=nsga2, openings=[neighbors_best]),
    "kNN, then nsga2, failures told badly": OptunaPeer(
        sampler=nsga2, openings=[neighbors_best], failures=FailuresTold.BADLY
    ),
    "portfolio, then tpe": OptunaPeer(sampler=tpe, openings=[greedy_portfolio]),
    # Its models know only the parameters that every trial has; asked for every site, that is all of them.
    "gp": OptunaPeer(sampler=gp, is_flat=True),
}
"""What plays, by name."""
