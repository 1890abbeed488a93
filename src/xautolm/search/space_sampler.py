"""What our own samplers share: they draw whole configurations of a conditional space, and keep no state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from xautolm.search.study import EXPLANATION
from xautolm.space import Prior, Space

if TYPE_CHECKING:
    from optuna.study import Study

Distributions = dict[str, BaseDistribution]
"""Optuna's distributions by site, as a sampler hands them over."""
LARGEST_SEED = 2**31
"""Seeds of other samplers are drawn below it."""


class SpaceSampler(BaseSampler):
    """A sampler over a space; subclasses say which configuration is next.

    Args:
        space: The conditional space.
        seed: Same seed and history, same proposal.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed
        self.plain = Prior.plain(space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        """Return every site of the tree; only those on the chosen path get a value."""
        return distributions_of(self.space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> object:
        """Draw a site outside the space, or one that a fixed parent value opened: uniform."""
        # From seed and history alone, as everything here, so that a resumed study draws what it would have drawn.
        chosen_before = len(trial.params)
        rng = np.random.default_rng([self.seed, trial.number, chosen_before])
        seed = int(rng.integers(LARGEST_SEED))
        sampler = RandomSampler(seed=seed)
        value: object = sampler.sample_independent(study, trial, param_name, param_distribution)
        return value


def distributions_of(space: Space) -> Distributions:
    """Return the distributions of a space's parameters by site."""
    distributions: Distributions = {}
    for key, parameter in space.sites().items():
        distributions[key] = parameter.distribution()
    return distributions


def explain(study: Study, trial: FrozenTrial, explanation: Mapping[str, object]) -> None:
    """Keep with a trial where it came from; the way that Optuna's own samplers keep what they know of a trial."""
    # A frozen trial has no method for it: Optuna lets samplers write to the storage.
    storage = study._storage
    storage.set_trial_user_attr(trial._trial_id, EXPLANATION, dict(explanation))
