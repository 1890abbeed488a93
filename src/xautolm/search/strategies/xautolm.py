"""Our own search: expected gain, judged by models of store and target, times the chance of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from xautolm.metrics import EVALUATION_TIME
from xautolm.records import Scalar
from xautolm.search.base import Strategy
from xautolm.search.candidates import Proposer
from xautolm.search.evidence import Evidence, Memory, standardised
from xautolm.search.space_sampler import SpaceSampler, explain
from xautolm.search.strategies.optuna_samplers import tpe
from xautolm.search.study import CENSORED, NUMBER
from xautolm.space import Parameter, Space

if TYPE_CHECKING:
    from optuna.study import Study

ATTEMPTS = 5
"""How many of TPE's proposals may be passed over for their chance of failure."""


class LearningSampler(SpaceSampler):
    """Proposes what past trials promise most of, as far as they are trusted; else searches from zero, as TPE does.

    All state is in the study's history, so a resumed study goes on as it would have.

    Args:
        space: The conditional space.
        seed: Same seed, history and memory, same proposal.
        memory: Prior and evidence; without it, every proposal is TPE's.
    """

    def __init__(self, space: Space, seed: int = 0, memory: Memory | None = None) -> None:
        super().__init__(space, seed)
        self.proposer = Proposer(space, seed, memory)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The best of some hundred candidates, or what TPE says."""
        names = {key: parameter.name for key, parameter in self.space.sites().items()}
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        lead, time = _places(study)
        target = own_evidence(study, told, names, time)
        proposal = self.proposer.propose(
            target,
            [named(one.params, names) for one in running],
            np.random.default_rng([self.seed, trial.number]),
            objectives=len(study.directions),
            lead=lead,
            time=time,
        )
        explain(study, trial, proposal.explanation)
        if proposal.values is not None:
            return self.space.site_values(proposal.values)
        sites = {key: parameter.distribution() for key, parameter in self.space.sites().items()}
        for attempt in range(ATTEMPTS):
            values = from_zero(study, trial, self.space, sites, [self.seed, trial.number, attempt])
            if not self.proposer.is_doomed(target, values, proposal.failure_trust):
                break
        return self.space.site_values(values)


def from_zero(
    study: Study,
    trial: FrozenTrial,
    space: Space,
    distributions: Mapping[str, BaseDistribution],
    seed: Sequence[int],
) -> dict[str, Any]:
    """What TPE proposes, by plain name.

    Args:
        study: The study.
        trial: The trial that is being asked for.
        space: Says which parameters go together.
        distributions: Of the study, by site.
        seed: Same seed and history, same values.
    """
    sampler = tpe(int(np.random.default_rng(seed).integers(2**31)))
    found = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))

    def choose(key: str, parameter: Parameter) -> Any:
        return found[key] if key in found else sampler.sample_independent(study, trial, key, distributions[key])

    return dict(space.walk(choose).values)


def own_evidence(
    study: Study, trials: Sequence[FrozenTrial], names: Mapping[str, str], time: int | None
) -> list[Evidence]:
    """A study's own trials; one without values or with a violated constraint is a failure.

    Args:
        study: The study.
        trials: Those that ended.
        names: Plain parameter names by the study's own; parameters without one are left out.
        time: Position of the evaluation time among the objectives.
    """
    signs = np.asarray([1.0 if one == StudyDirection.MAXIMIZE else -1.0 for one in study.directions])
    failed = [trial.values is None or any(value > 0 for value in trial.constraints.values()) for trial in trials]
    values = np.asarray([trial.values for trial, bad in zip(trials, failed, strict=True) if not bad], dtype=float)
    is_stopped = [bool(trial.user_attrs.get(CENSORED)) for trial, bad in zip(trials, failed, strict=True) if not bad]
    oriented_values = values.reshape(-1, len(signs)) * signs
    scores = iter(standardised(oriented_values, time, np.asarray(is_stopped, dtype=bool)).tolist())
    return [
        Evidence(
            values=named(trial.params, names),
            scores=None if bad else tuple(next(scores)),
            # A study in memory counts proposals that became no trial, too.
            source=f"trial {trial.user_attrs.get(NUMBER, trial.number)}",
        )
        for trial, bad in zip(trials, failed, strict=True)
    ]


def named(params: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Scalar]:
    """Parameters of a trial by their plain names."""
    return {names[key]: value for key, value in params.items() if key in names}


def _places(study: Study) -> tuple[int, int | None]:
    """Where among the objectives the first quality stands, and where the evaluation time, if it is one."""
    names = list(study.user_attrs.get("objectives", []))
    time = names.index(EVALUATION_TIME) if EVALUATION_TIME in names else None
    return (1 if time == 0 else 0), time


STRATEGIES = Strategy(
    name="xautolm",
    title="learned models of quality, time and failure over store and target",
    make=LearningSampler,
    memory="evidence",
)
