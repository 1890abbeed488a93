"""Search strategies as Optuna samplers, and the study that they work in."""

from xautolm.registry import Registry
from xautolm.search.base import Strategy
from xautolm.search.database import file_url
from xautolm.search.evidence import Evidence, Memory, scores_of, standardised
from xautolm.search.resuming import KILLED_WITH_SEARCH, open_study
from xautolm.search.rungs import Rungs
from xautolm.search.study import (
    AGAIN,
    DEFAULT,
    EXPLANATION,
    FAILED,
    NEAR_BEST,
    PROMOTED,
    PROPOSAL,
    AskedTrial,
    SearchStudy,
)

SAMPLERS: Registry[Strategy] = Registry(
    "sampler", f"{__name__}.strategies", "STRATEGIES", group=__name__
)

__all__ = [
    "AGAIN",
    "DEFAULT",
    "EXPLANATION",
    "FAILED",
    "KILLED_WITH_SEARCH",
    "NEAR_BEST",
    "PROMOTED",
    "PROPOSAL",
    "SAMPLERS",
    "AskedTrial",
    "Evidence",
    "Memory",
    "Rungs",
    "SearchStudy",
    "Strategy",
    "candidates",
    "encoding",
    "file_url",
    "forests",
    "open_study",
    "pruning",
    "scores_of",
    "settings",
    "space_sampler",
    "standardised",
    "strategies",
    "surrogates",
]
