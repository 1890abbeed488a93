"""What is predicted of a trial when it begins: seconds and memory with intervals, failure and quality where a sampler
says them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from xautolm.forecasts import (
    FEWEST_RATIOS,
    AmountCheck,
    Spread,
    check_left_out,
    measured_memory,
    measured_seconds,
    spread_of,
)
from xautolm.methods import METHODS
from xautolm.records import Configuration, Experience, Forecast, Limits
from xautolm.resources import UNPREDICTABLE, ResourceModel

DEFAULT_SECONDS = Spread(low=0.2, middle=1.0, high=5.0)
"""Measured over predicted wall time before any trial was measured. Of 148 real trainings on processors nine of ten lay
between 0.23 and 4.5, of 82 probes between 0.18 and 1.4; 93 % of either lay in this."""
DEFAULT_MEMORY = Spread(low=0.5, middle=1.0, high=1.3)
"""Measured over predicted peak memory before any trial was measured. Of 242 real trials on processors nine of ten lay
between 0.56 and 0.86, and all between 0.54 and 1.29. On GPUs nothing was measured."""
MOST_TRIALS = 1_000
"""Of past trials, and of the search's own, the latest that ratios are taken of: quantiles need no more."""
EXPECTED, FAILURE = "expected", "failure"
"""Keys of a sampler's explanation: the scores that it expects, one for each objective, and the chance of failure."""


@dataclass(slots=True)
class Ratios:
    """Measured over predicted amounts of some trials."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def add(self, experience: Experience, resources: ResourceModel) -> None:
        """Add those of a trial.

        Args:
            experience: The trial; one that cannot be predicted, or says nothing, adds nothing.
            resources: Predicts it.
        """
        configuration = experience.configuration
        outcome = experience.outcome
        # Configurations of other spaces may lack what a prediction needs, or have it as something else.
        with suppress(*UNPREDICTABLE):
            wall_time = measured_seconds(outcome)
            if wall_time is not None:
                estimate = resources.predict_within(configuration, experience.limits)
                self.seconds.append(wall_time / estimate.seconds)
            peak = measured_memory(outcome, experience.system.device)
            if peak is not None:
                predicted = resources.peak_memory(configuration, experience.limits)
                self.memory.append(peak / predicted)


@dataclass(slots=True)
class Forecaster:
    """Predict trials with intervals that hold nine of ten measured amounts.

    The intervals are quantiles of measured over predicted amounts: of the search's own trials if they are enough, else
    of these and past trials on such a machine. Trainings and what trains nothing (probes) are kept apart: their times
    are off by different factors.

    Args:
        resources: The planner's estimates, corrected as it goes on.
    """

    resources: ResourceModel
    own: dict[bool, list[Experience]] = field(init=False)
    """The search's own trials, by whether they take gradient steps."""
    past: dict[bool, dict[str, Ratios]] = field(init=False)
    """Of past trials, in the same way, by data set."""

    def __post_init__(self) -> None:
        self.own = {True: [], False: []}
        self.past = {True: {}, False: {}}

    def learn(self, past: Sequence[Experience]) -> None:
        """Learn from past trials, once the estimates have; those of other machines are passed over."""
        latest_first = sorted(past, key=lambda experience: experience.created, reverse=True)
        for experience in latest_first[:MOST_TRIALS]:
            # Predicted for the data that it ran on.
            resources_of_past = self.resources.of_past(experience)
            if resources_of_past is not None:
                by_data = self.past[_is_trained(experience.configuration)]
                ratios = by_data.setdefault(experience.data_set, Ratios())
                ratios.add(experience, resources_of_past)

    def observe(self, experience: Experience) -> None:
        """Learn from a finished trial of this search."""
        trials = self.own[_is_trained(experience.configuration)]
        trials.append(experience)
        del trials[:-MOST_TRIALS]

    def forecast(
        self,
        configuration: Configuration,
        limits: Limits,
        explanation: Mapping[str, object] | None = None,
        lead: int = 0,
    ) -> Forecast:
        """Return what is predicted of a trial.

        Args:
            configuration: The trial's.
            limits: The trial's.
            explanation: What the sampler says of its proposal, if it does.
            lead: Position of the first quality among the objectives.
        """
        is_trained = _is_trained(configuration)
        # By the estimates as they are corrected now, which they were not when these trials began.
        own = Ratios()
        for experience in self.own[is_trained]:
            own.add(experience, self.resources)
        past_seconds: list[float] = []
        past_memory: list[float] = []
        for ratios in self.past[is_trained].values():
            past_seconds += ratios.seconds
            past_memory += ratios.memory
        seconds = _spread(own.seconds, past_seconds, DEFAULT_SECONDS)
        memory = _spread(own.memory, past_memory, DEFAULT_MEMORY)
        estimate = self.resources.predict_within(configuration, limits)
        peak = self.resources.peak_memory(configuration, limits)
        opinion = explanation or {}
        return Forecast(
            seconds=seconds.around(estimate.seconds),
            memory=memory.around(peak),
            failure=_failure_of(opinion),
            quality=_quality_of(opinion, lead),
        )

    def check_seconds(self) -> AmountCheck | None:
        """Return how past times compare with forecasts from all other data sets; None where there are none."""
        kinds = []
        for by_data in self.past.values():
            seconds = [ratios.seconds for ratios in by_data.values()]
            kinds.append(seconds)
        return check_left_out(kinds, DEFAULT_SECONDS)

    def check_memory(self) -> AmountCheck | None:
        """Return the same for peaks of memory."""
        kinds = []
        for by_data in self.past.values():
            memory = [ratios.memory for ratios in by_data.values()]
            kinds.append(memory)
        return check_left_out(kinds, DEFAULT_MEMORY)


def _spread(own: Sequence[float], past: Sequence[float], default: Spread) -> Spread:
    """Return how far amounts are off: by a search's own trials, and by past ones while its own are too few."""
    if len(own) >= FEWEST_RATIOS:
        return spread_of(own, default)
    return spread_of([*past, *own], default)


def _is_trained(configuration: Configuration) -> bool:
    """Return whether a configuration takes gradient steps."""
    method = METHODS.get(configuration.method)
    return method.trains_by_gradient


def _failure_of(explanation: Mapping[str, object]) -> float | None:
    """Return the chance of failure that a sampler says, if it does."""
    chance = explanation.get(FAILURE)
    if isinstance(chance, int | float):
        return float(chance)
    return None


def _quality_of(explanation: Mapping[str, object], lead: int) -> float | None:
    """Return the first quality that a sampler expects, if it says one."""
    scores = explanation.get(EXPECTED)
    if not isinstance(scores, Sequence) or len(scores) <= lead:
        return None
    score = scores[lead]
    if isinstance(score, int | float):
        return float(score)
    return None
