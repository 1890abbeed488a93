"""A sampler that is made when it is first asked: what it begins with may still be measured until then."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from xautolm.search.space_sampler import Distributions

if TYPE_CHECKING:
    from optuna.study import Study


class LateSampler(BaseSampler):
    """Stands for a sampler that keeps no state of its own between trials.

    Optuna asks no sampler for a configuration that was queued, so the trials that a search opens with need none.

    Args:
        make: Makes the sampler.
    """

    def __init__(self, make: Callable[[], BaseSampler]) -> None:
        self.make = make

    @cached_property
    def sampler(self) -> BaseSampler:
        """Return the sampler itself."""
        # Kept, because making it may wait for meta-features and trains the forests over the store.
        return self.make()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        """Return what the sampler would."""
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, object]:
        """Return what the sampler would."""
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> object:
        """Return what the sampler would."""
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)
