"""Optuna's own samplers by name. Failures reach them as violated constraints, which all of them heed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm.search.base import Strategy
from xautolm.search.evidence import Memory
from xautolm.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

STARTUP = 8
"""Random trials before a model-based sampler begins: fine-tuning budgets are tens of trials, not hundreds."""
POPULATION = 10


def _random(space: Space, seed: int, memory: Memory | None) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def tpe(seed: int) -> BaseSampler:
    """Optuna's tree-structured Parzen estimator for conditional spaces and tens of trials."""
    import warnings

    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        # `group`, which a conditional space needs, is marked experimental since Optuna 2.8.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP, constant_liar=True
        )


def _tpe(space: Space, seed: int, memory: Memory | None) -> BaseSampler:
    return tpe(seed)


def _nsga2(space: Space, seed: int, memory: Memory | None) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _gp(space: Space, seed: int, memory: Memory | None) -> BaseSampler:
    """A Gaussian process over the parameters that every trial has; loads torch into this process."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=STARTUP)


STRATEGIES = (
    Strategy(name="random", title="independent draws", make=_random),
    Strategy(name="tpe", title="tree-structured Parzen estimator (Optuna)", make=_tpe),
    Strategy(name="nsga2", title="genetic algorithm NSGA-II (Optuna)", make=_nsga2),
    Strategy(
        name="gp", title="Gaussian process (Optuna); ignores conditional parameters", make=_gp
    ),
)
