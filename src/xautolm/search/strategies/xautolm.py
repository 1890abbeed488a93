"""Our own search: expected gain, judged by models of store and target, times the chance of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from xautolm.objectives import Objective, lead_position, oriented, time_position
from xautolm.records import Scalar, Values
from xautolm.search.base import Strategy
from xautolm.search.candidates import Proposer
from xautolm.search.database import objectives_of_study
from xautolm.search.evidence import Evidence, Memory, standardised
from xautolm.search.settings import DEFAULTS, SearchSettings
from xautolm.search.space_sampler import (
    LARGEST_SEED,
    Distributions,
    SpaceSampler,
    distributions_of,
    explain,
)
from xautolm.search.strategies.optuna_samplers import tpe
from xautolm.search.study import ASKED_FROM, CENSORED, NUMBER
from xautolm.space import Parameter, Space
from xautolm.vocabulary import Recall

if TYPE_CHECKING:
    from optuna.study import Study

Names = Mapping[str, str]
"""Plain parameter names by the names that a study has for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrial:
    """What a trial of the study at hand says."""

    values: Values
    """By plain parameter name."""
    reached: Sequence[float] | None
    """One value for each objective, as measured; None for a failure."""
    is_censored: bool
    """Whether it was stopped before its end: what it had reached by then is a lower bound on its quality."""
    source: str
    """Which trial it is, for people."""


class LearningSampler(SpaceSampler):
    """Proposes what past trials promise most of, as far as they are trusted; else searches from zero, as TPE does.

    All state is in the study's history, so a resumed study goes on as it would have.

    Args:
        space: The conditional space.
        seed: Same seed, history and memory, same proposal.
        memory: Prior and evidence; without it, every proposal is TPE's.
        settings: The tuned numbers.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        memory: Memory | None = None,
        settings: SearchSettings = DEFAULTS,
    ) -> None:
        super().__init__(space, seed)
        self.proposer = Proposer(space, seed, memory, settings)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Scalar]:
        """Return the best of some hundred candidates, or what TPE says."""
        sites = self.space.sites()
        names = {key: parameter.name for key, parameter in sites.items()}
        objectives = objectives_of_study(study)
        time = time_position(objectives)

        # Failures are complete trials with a violated constraint; what ended as FAIL was interrupted and says nothing.
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        target = own_evidence(objectives, ended, names, time)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        pending: list[Values] = []
        for left_out in [*running, *passed_over(study, trial)]:
            pending.append(named(left_out.params, names))

        # From seed and number alone: a resumed study draws what it would have drawn.
        rng = np.random.default_rng([self.seed, trial.number])
        proposal = self.proposer.propose(
            target,
            pending,
            rng,
            objectives=len(objectives),
            lead=lead_position(objectives),
            time=time,
        )
        explain(study, trial, proposal.explanation)
        values = proposal.values
        if values is None:
            values = self._likely_to_succeed(study, trial, target, proposal.failure_trust)
        return self.space.site_values(values)

    def _likely_to_succeed(
        self, study: Study, trial: FrozenTrial, target: Sequence[Evidence], failure_trust: float
    ) -> Values:
        """Return the first proposal of TPE that is not likely to fail; the last one after a few attempts.

        TPE makes its first proposals at random, and learns of a kind of failure only by failing.
        """
        distributions = distributions_of(self.space)
        # The last attempt is taken as it is.
        attempts = self.proposer.settings.passed_over + 1
        for attempt in range(attempts):
            seed = [self.seed, trial.number, attempt]
            values = from_zero(study, trial, self.space, distributions, seed)
            is_likely = self.proposer.is_likely_to_fail(target, values, failure_trust)
            if not is_likely:
                break
        return values


def from_zero(
    study: Study,
    trial: FrozenTrial,
    space: Space,
    distributions: Mapping[str, BaseDistribution],
    seed: Sequence[int],
) -> dict[str, Scalar]:
    """Return what TPE proposes, by plain name.

    Args:
        study: The study.
        trial: The trial that is being asked for.
        space: Says which parameters go together.
        distributions: Of the study, by site.
        seed: Same seed and history, same values.
    """
    rng = np.random.default_rng(seed)
    sampler = tpe(int(rng.integers(LARGEST_SEED)))
    # TPE draws together what all trials of a group have; what the path opens besides is drawn one by one.
    relative_space = sampler.infer_relative_search_space(study, trial)
    relative_values = sampler.sample_relative(study, trial, relative_space)

    def choose(key: str, parameter: Parameter) -> Scalar:
        if key in relative_values:
            value: Scalar = relative_values[key]
            return value
        value = sampler.sample_independent(study, trial, key, distributions[key])
        return value

    configuration = space.walk(choose)
    return dict(configuration.values)


def passed_over(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return the proposals that were passed over since the last trial, and since the search asked for the next.

    Proposed again at once they would be passed over again, however often a search asks. Later, what stood in their way
    may be gone.
    """
    first = study.user_attrs.get(ASKED_FROM, 0)
    proposals: list[FrozenTrial] = []
    for earlier in reversed(study.get_trials(deepcopy=False)[first : trial.number]):
        if earlier.state != TrialState.PRUNED:
            break
        proposals.append(earlier)
    return proposals


def own_evidence(
    objectives: Sequence[Objective],
    trials: Sequence[FrozenTrial],
    names: Names,
    time: int | None,
) -> list[Evidence]:
    """Return a study's own trials as evidence; one without values or with a violated constraint is a failure.

    Args:
        objectives: Of the study.
        trials: Those that ended.
        names: Parameters without a plain name are left out.
        time: Position of the objective that counts as the evaluation time.
    """
    own_trials: list[OwnTrial] = []
    for trial in trials:
        # A study in memory counts proposals that became no trial, too.
        number = trial.user_attrs.get(NUMBER, trial.number)
        own_trial = OwnTrial(
            values=named(trial.params, names),
            reached=None if has_failed(trial) else trial.values,
            is_censored=bool(trial.user_attrs.get(CENSORED)),
            source=f"trial {number}",
        )
        own_trials.append(own_trial)
    return compared(own_trials, objectives, time)


def compared(
    trials: Sequence[OwnTrial], objectives: Sequence[Objective], time: int | None
) -> list[Evidence]:
    """Return own trials as evidence, compared with each other.

    Args:
        trials: Those that ended.
        objectives: Of the study.
        time: Position of the objective that counts as the evaluation time.
    """
    reached: list[Sequence[float]] = []
    stopped: list[bool] = []
    for trial in trials:
        if trial.reached is not None:
            reached.append(trial.reached)
            stopped.append(trial.is_censored)
    # Shape (successes, objectives).
    values = oriented(reached, objectives)
    is_censored = np.asarray(stopped, dtype=bool)
    scores, units = standardised(values, objectives, time, is_censored)

    rows = iter(scores.tolist())
    evidence: list[Evidence] = []
    for trial in trials:
        own = Evidence(
            values=trial.values,
            scores=None if trial.reached is None else tuple(next(rows)),
            source=trial.source,
            units=units,
        )
        evidence.append(own)
    return evidence


def has_failed(trial: FrozenTrial) -> bool:
    """Return whether a trial has no values, or violates a constraint."""
    if trial.values is None:
        return True
    return any(value > 0 for value in trial.constraints.values())


def named(params: Values, names: Names) -> Values:
    """Return the parameters of a trial by their plain names."""
    values: dict[str, Scalar] = {}
    for key, value in params.items():
        if key in names:
            plain_name = names[key]
            values[plain_name] = value
    return values


STRATEGIES = Strategy(
    name="xautolm",
    title="learned models of quality, time and failure over store and target",
    make=LearningSampler,
    memory=Recall.EVIDENCE,
)
