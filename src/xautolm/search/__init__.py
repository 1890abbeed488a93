"""Search strategies as Optuna samplers, and the study that they work in."""

from xautolm.registry import Registry
from xautolm.search.base import Strategy
from xautolm.search.evidence import Evidence, Memory, standardised
from xautolm.search.study import EXPLANATION, ask, objective_values, open_study, pareto_front, tell

SAMPLERS: Registry[Strategy] = Registry("sampler", __name__, "STRATEGIES")

__all__ = [
    "EXPLANATION",
    "SAMPLERS",
    "Evidence",
    "Memory",
    "Strategy",
    "ask",
    "objective_values",
    "open_study",
    "pareto_front",
    "standardised",
    "tell",
]
