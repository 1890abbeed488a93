"""The paper's search (XAutoLM, arXiv 2508.00924): probabilistic evolution with non-dominated ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from xautolm.objectives import ranked
from xautolm.search.base import Strategy
from xautolm.search.evidence import Memory
from xautolm.search.space_sampler import SpaceSampler, explain
from xautolm.space import Space
from xautolm.vocabulary import Recall

if TYPE_CHECKING:
    from optuna.study import Study

POPULATION = 20
SELECTION = 0.2
"""Share of a population that the model moves toward."""
LEARNING_RATE = 0.05
EXPLORATION = 0.1
"""Share of a population that is drawn from the plain model."""


class PgeSampler(SpaceSampler):
    """Samples from a probability model that moves toward the best fifth of each population of 20.

    All state is in the study's history: the model is recomputed by replaying it, so that a resumed study proposes
    what an uninterrupted one would have.

    Args:
        space: The conditional space.
        seed: Same seed and history, same proposal.
        memory: Has the prior where the model starts; knows nothing by default.
    """

    def __init__(self, space: Space, seed: int = 0, memory: Memory | None = None) -> None:
        super().__init__(space, seed)
        self.prior = memory.prior if memory else self.plain

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw one configuration from the model of the current generation."""
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        ended = [ended_trial for ended_trial in ended if ended_trial.params]
        generations, position = divmod(len(ended), POPULATION)
        model = self.prior
        for generation in range(generations):
            first = generation * POPULATION
            population = ended[first : first + POPULATION]
            model = model.toward(best_samples(population, study.directions), LEARNING_RATE)
        rng = np.random.default_rng([self.seed, trial.number])
        origin = f"model of generation {generations}"
        # The first of each population keep looking at the whole space, whatever the model has come to believe.
        if position < EXPLORATION * POPULATION:
            model = self.plain
            origin = "unbiased model"
        explain(study, trial, {"origin": origin})
        configuration = model.sample(rng)
        return self.space.site_values(configuration.values)


def best_samples(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
) -> list[Mapping[str, Any]]:
    """Return the parameters of the best fifth of a population; failed trials are never among them."""
    signs = []
    for direction in directions:
        signs.append(1.0 if direction == StudyDirection.MAXIMIZE else -1.0)
    feasible = []
    for trial in trials:
        if all(value <= 0 for value in trial.constraints.values()):
            feasible.append(trial)
    values = np.asarray([trial.values for trial in feasible], dtype=float).reshape(-1, len(signs))
    count = max(1, round(SELECTION * len(trials)))
    best = ranked(values * np.asarray(signs))[:count]
    return [feasible[position].params for position in best]


STRATEGIES = Strategy(
    name="pge",
    title="probabilistic evolution with non-dominated ranking (the paper's)",
    make=PgeSampler,
    memory=Recall.PRIOR,
)
