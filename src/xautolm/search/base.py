"""What a search strategy is: a name, and how to make an Optuna sampler for a space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.space import Prior, Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy; a plug-in of `xautolm.search`."""

    name: str
    title: str
    make: Callable[[Space, int, Prior | None], BaseSampler]
    """The sampler for a space and a seed; those that take a prior begin with it."""
    takes_prior: bool = False
    """Whether a warm start has an effect."""
