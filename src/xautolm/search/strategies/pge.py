"""The paper's search (XAutoLM, arXiv 2508.00924): probabilistic evolution with non-dominated ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from xautolm.objectives import ranked
from xautolm.records import Scalar, Values
from xautolm.search.base import Strategy
from xautolm.search.evidence import Memory
from xautolm.search.space_sampler import Distributions, SpaceSampler, explain
from xautolm.space import Space
from xautolm.vocabulary import Recall

if TYPE_CHECKING:
    from optuna.study import Study

POPULATION = 20
"""Trials of one generation (paper)."""
SELECTION = 0.2
"""Share of a population that the model moves toward."""
LEARNING_RATE = 0.05
"""How far the model moves to the best of a population (paper): 0 leaves it, 1 replaces it."""
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
        self.prior = self.plain
        if memory:
            self.prior = memory.prior

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Scalar]:
        """Draw one configuration from the model of the current generation."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        # Failures are complete trials too, and fill a population. One without parameters moves no belief.
        ended: list[FrozenTrial] = []
        for complete_trial in complete:
            if complete_trial.params:
                ended.append(complete_trial)
        # The second is the position in the population that is being filled.
        generations, position = divmod(len(ended), POPULATION)
        model = self.prior
        # Each whole population moves the model; the one that is still being filled does not.
        for generation in range(generations):
            first = generation * POPULATION
            population = ended[first : first + POPULATION]
            samples = best_samples(population, study.directions)
            model = model.toward(samples, LEARNING_RATE)
        origin = f"model of generation {generations}"
        # The first of each population keep looking at the whole space, whatever the model has come to believe.
        if position < EXPLORATION * POPULATION:
            model = self.plain
            origin = "unbiased model"
        explain(study, trial, {"origin": origin})
        rng = np.random.default_rng([self.seed, trial.number])
        configuration = model.sample(rng)
        return self.space.site_values(configuration.values)


def best_samples(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
) -> list[Values]:
    """Return the parameters of the best fifth of a population; failed trials are never among them."""
    # Optuna's convention: a trial that failed violates a constraint, which is a value above 0.
    feasible: list[FrozenTrial] = []
    for trial in trials:
        violations = [value for value in trial.constraints.values() if value > 0]
        if not violations:
            feasible.append(trial)

    # Shape (objectives,); it turns what is minimised, so that larger is better throughout.
    signs = np.ones(len(directions))
    for position, direction in enumerate(directions):
        if direction == StudyDirection.MINIMIZE:
            signs[position] = -1.0
    # Shape (trials, objectives), also where every trial failed.
    values = np.asarray([trial.values for trial in feasible], dtype=float)
    oriented_values = values.reshape(-1, len(signs)) * signs

    # A fifth of all trials, not of those that succeeded: where most failed, the rest is all that is known.
    count = max(1, round(SELECTION * len(trials)))
    best_first = ranked(oriented_values)
    samples: list[Values] = []
    for position in best_first[:count]:
        samples.append(feasible[position].params)
    return samples


STRATEGIES = Strategy(
    name="pge",
    title="probabilistic evolution with non-dominated ranking (the paper's)",
    make=PgeSampler,
    memory=Recall.PRIOR,
)
