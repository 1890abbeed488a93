"""What our own samplers share: they draw whole configurations of a conditional space, and keep no state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from xautolm.search.study import EXPLANATION
from xautolm.space import Prior, Space

if TYPE_CHECKING:
    from optuna.study import Study


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

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every site of the tree; only those on the chosen path get a value."""
        return {key: parameter.distribution() for key, parameter in self.space.sites().items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A site outside the space, or one that a fixed parent value opened: uniform."""
        seed = int(
            np.random.default_rng([self.seed, trial.number, len(trial.params)]).integers(2**31)
        )
        sampler = optuna.samplers.RandomSampler(seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def explain(study: Study, trial: FrozenTrial, explanation: Mapping[str, Any]) -> None:
    """Keep with a trial where it came from; the way that Optuna's own samplers keep what they know of a trial."""
    study._storage.set_trial_user_attr(trial._trial_id, EXPLANATION, dict(explanation))
