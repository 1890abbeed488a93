"""Our sampler for studies of other people's own: any define-by-run space, any objectives, any experiences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from xautolm.errors import UsageError
from xautolm.integrations.learned_space import LearnedSpace
from xautolm.metalearning import SETTINGS, Distances, Near, distances_of, own_features, shaped
from xautolm.objectives import Direction, Objective, numbered_objectives, recorded_objectives
from xautolm.records import Experience
from xautolm.search import Evidence, Memory
from xautolm.search.candidates import Proposer
from xautolm.search.settings import DEFAULTS
from xautolm.search.space_sampler import explain
from xautolm.search.strategies.optuna_samplers import tpe
from xautolm.search.strategies.xautolm import from_zero, own_evidence
from xautolm.space import Prior
from xautolm.warm_start import DEFAULT, weighed

if TYPE_CHECKING:
    from optuna.study import Study

ENDED = (TrialState.COMPLETE, TrialState.FAIL)
KNOBS = SETTINGS[DEFAULT]
"""Of the warm start: those that the sampler `xautolm` begins with in a search."""
KEENNESS = 2.0
"""How much likelier a past trial is followed for each standard deviation of its score: e to this power."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a trial begins."""

    learned: LearnedSpace
    proposer: Proposer


class XAutoLMSampler(BaseSampler):
    """A sampler that begins with what earlier searches found, their failures included.

    Works in any study: single and multi-objective, conditional spaces, which it learns from the trials as they come.
    Proposals follow the past as far as it agrees with the study's own trials; the others are those of Optuna's TPE.
    Trials that fail (`study.optimize(..., catch=...)`, `study.tell(trial, state=FAIL)`, a violated constraint) teach
    it what to avoid.

    Args:
        experiences: Past trials, for example from `xautolm.integrations.table.experiences_from_rows` or a store.
        features: Meta-features of the task at hand, under the names that those of the past tasks have.
        seed: Same seed and history, same proposals; not for trials in parallel.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> study = optuna.create_study(sampler=XAutoLMSampler(seed=1))
        >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=12)
        >>> study.best_value < 0.5
        True
    """

    def __init__(
        self,
        experiences: Sequence[Experience] = (),
        features: Mapping[str, float] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        if experiences and not features:
            raise UsageError(
                "Past trials without meta-features of the task at hand.",
                fix="Pass features={...} with the names that the past tasks' features have.",
            )
        self.experiences = tuple(experiences)
        self.features = own_features(features) if features else {}
        self.seed = seed
        self._distances: Distances = ([], 0)
        self._evidence: list[Evidence] | None = None
        self._known: Known | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every parameter that any trial had; only those that the objective asks for get used."""
        return dict(
            LearnedSpace.of_trials(study.get_trials(deepcopy=False, states=ENDED)).distributions
        )

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of the parameters known so far."""
        if not search_space:
            return {}
        known = self._know(study)
        names = {name: name for name in search_space}
        trials = study.get_trials(deepcopy=False, states=ENDED)
        told = own_evidence(_objectives_of(study), trials, names, None)
        target = [
            replace(one, values=known.learned.inward(one.values)) for one in told if one.values
        ]
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        proposal = known.proposer.propose(
            target,
            [known.learned.inward(one.params) for one in running],
            np.random.default_rng([self.seed, trial.number]),
            objectives=len(study.directions),
            lead=0,
            time=None,
        )
        explain(study, trial, proposal.explanation)
        if proposal.values is not None:
            return known.learned.outward(proposal.values)
        for attempt in range(DEFAULTS.passed_over + 1):
            seed = [self.seed, trial.number, attempt]
            found = from_zero(study, trial, known.learned.space, search_space, seed)
            if not known.proposer.is_likely_to_fail(
                target, known.learned.inward(found), proposal.failure_trust
            ):
                break
        return found

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A parameter that no trial has had yet: as in a past trial that agrees with what was chosen so far."""
        follows = np.random.default_rng([self.seed, trial.number]).random() < DEFAULTS.largest_trust
        rng = np.random.default_rng([self.seed, trial.number, len(trial.params)])
        if follows:
            found = self._followed(study, trial, param_name, param_distribution)
            if found:
                values, weights = zip(*found, strict=True)
                return values[int(rng.choice(len(values), p=np.asarray(weights) / sum(weights)))]
        sampler = tpe(int(rng.integers(2**31)))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _followed(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> list[tuple[Any, float]]:
        """Values of past successes that agree on every text or switch chosen so far, with their weights."""
        chosen = {
            key: value for key, value in trial.params.items() if isinstance(value, str | bool)
        }
        return [
            (one.values[name], one.weight * float(np.exp(KEENNESS * one.scores[0])))
            for one in self._past(study)
            if one.scores is not None
            and name in one.values
            and _contains(distribution, one.values[name])
            and all(one.values.get(key, value) == value for key, value in chosen.items())
        ]

    def _past(self, study: Study) -> list[Evidence]:
        """The past trials as the models see them.

        Raises:
            UsageError: They have other objectives than the study.
        """
        if self._evidence is None:
            objectives = _objectives_of(study)
            for experience in self.experiences:
                past_objectives = recorded_objectives(experience)
                if past_objectives != objectives:
                    data = experience.data.name
                    raise UsageError(
                        "The past trials have other objectives than the study.",
                        got=f"{_described(past_objectives)} in {data}, {_described(objectives)} in the study",
                        fix="Give experiences_from_rows the study's directions.",
                    )
            self._distances = distances_of(self.experiences, self.features, KNOBS)
            self._evidence = weighed(self._distances, objectives, KNOBS)
        return self._evidence

    def _know(self, study: Study) -> Known:
        """The space so far, and models over it; made anew when the space has changed."""
        learned = LearnedSpace.of_trials(study.get_trials(deepcopy=False, states=ENDED))
        if self._known is None or self._known.learned.space != learned.space:
            past = [replace(one, values=learned.inward(one.values)) for one in self._past(study)]
            near, incomparable = self._distances
            inside = [Near(_inward(item.experience, learned), item.distance) for item in near]
            prior = shaped(Prior.plain(learned.space), (inside, incomparable), KNOBS).prior
            memory = Memory(prior=prior, evidence=past) if past else None
            self._known = Known(learned, Proposer(learned.space, self.seed, memory))
        return self._known


def _objectives_of(study: Study) -> tuple[Objective, ...]:
    """Return the objectives of a study by number, as `experiences_from_rows` calls them."""
    return numbered_objectives(
        [Direction(direction.name.lower()) for direction in study.directions]
    )


def _described(objectives: Sequence[Objective]) -> str:
    return ", ".join(f"{objective.direction} {objective.name}" for objective in objectives)


def _inward(experience: Experience, learned: LearnedSpace) -> Experience:
    """Return an experience with its configuration as the learned space has it."""
    configuration = experience.configuration
    values = learned.inward(configuration.values)
    return replace(experience, configuration=replace(configuration, values=values))


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False
