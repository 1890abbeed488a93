"""Our own search: expected gain, judged by models of store and target, times the chance of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from xautolm.objectives import Objective, lead_position, oriented, time_position
from xautolm.records import Scalar
from xautolm.search.base import Strategy
from xautolm.search.candidates import Proposer
from xautolm.search.database import objectives_of_study
from xautolm.search.evidence import Evidence, Memory, standardised
from xautolm.search.settings import DEFAULTS, SearchSettings
from xautolm.search.space_sampler import SpaceSampler, explain
from xautolm.search.strategies.optuna_samplers import tpe
from xautolm.search.study import CENSORED, NUMBER
from xautolm.space import Parameter, Space
from xautolm.vocabulary import Recall

if TYPE_CHECKING:
    from optuna.study import Study


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
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the best of some hundred candidates, or what TPE says."""
        sites = self.space.sites()
        names = {key: parameter.name for key, parameter in sites.items()}
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        objectives = objectives_of_study(study)
        time = time_position(objectives)
        target = own_evidence(objectives, ended, names, time)
        proposal = self.proposer.propose(
            target,
            [named(running_trial.params, names) for running_trial in running],
            np.random.default_rng([self.seed, trial.number]),
            objectives=len(study.directions),
            lead=lead_position(objectives),
            time=time,
        )
        explain(study, trial, proposal.explanation)
        if proposal.values is not None:
            return self.space.site_values(proposal.values)
        distributions = {key: parameter.distribution() for key, parameter in sites.items()}
        for attempt in range(self.proposer.settings.passed_over + 1):
            values = from_zero(
                study, trial, self.space, distributions, [self.seed, trial.number, attempt]
            )
            if not self.proposer.is_likely_to_fail(target, values, proposal.failure_trust):
                break
        return self.space.site_values(values)


def from_zero(
    study: Study,
    trial: FrozenTrial,
    space: Space,
    distributions: Mapping[str, BaseDistribution],
    seed: Sequence[int],
) -> dict[str, Any]:
    """Return what TPE proposes, by plain name.

    Args:
        study: The study.
        trial: The trial that is being asked for.
        space: Says which parameters go together.
        distributions: Of the study, by site.
        seed: Same seed and history, same values.
    """
    sampler = tpe(int(np.random.default_rng(seed).integers(2**31)))
    relative_space = sampler.infer_relative_search_space(study, trial)
    relative_values = sampler.sample_relative(study, trial, relative_space)

    def choose(key: str, parameter: Parameter) -> Any:
        if key in relative_values:
            return relative_values[key]
        return sampler.sample_independent(study, trial, key, distributions[key])

    return dict(space.walk(choose).values)


def own_evidence(
    objectives: Sequence[Objective],
    trials: Sequence[FrozenTrial],
    names: Mapping[str, str],
    time: int | None,
) -> list[Evidence]:
    """Return a study's own trials as evidence; one without values or with a violated constraint is a failure.

    Args:
        objectives: Of the study.
        trials: Those that ended.
        names: Plain parameter names by the study's own; parameters without one are left out.
        time: Position of the objective that counts as the evaluation time.
    """
    successes = [trial for trial in trials if not _has_failed(trial)]
    values = oriented([trial.values for trial in successes], objectives)
    is_stopped = [bool(trial.user_attrs.get(CENSORED)) for trial in successes]
    scores = standardised(values, time, np.asarray(is_stopped, dtype=bool))
    scores_by_trial = {
        trial.number: tuple(row) for trial, row in zip(successes, scores.tolist(), strict=True)
    }
    evidence = []
    for trial in trials:
        # A study in memory counts proposals that became no trial, too.
        number = trial.user_attrs.get(NUMBER, trial.number)
        evidence.append(
            Evidence(
                values=named(trial.params, names),
                scores=scores_by_trial.get(trial.number),
                source=f"trial {number}",
            )
        )
    return evidence


def _has_failed(trial: FrozenTrial) -> bool:
    """Return whether a trial has no values, or violates a constraint."""
    return trial.values is None or any(value > 0 for value in trial.constraints.values())


def named(params: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Scalar]:
    """Return the parameters of a trial by their plain names."""
    return {names[key]: value for key, value in params.items() if key in names}


STRATEGIES = Strategy(
    name="xautolm",
    title="learned models of quality, time and failure over store and target",
    make=LearningSampler,
    memory=Recall.EVIDENCE,
)
