"""What a search strategy is: a name, and how to make an Optuna sampler for a space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.search.evidence import Memory
from xautolm.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy; a plug-in of `xautolm.search`."""

    name: str
    title: str
    make: Callable[[Space, int, Memory | None], BaseSampler]
    """The sampler for a space and a seed, and what it begins with."""
    memory: str = "none"
    """What it takes from past experiences: `none`, a `prior`, or `evidence` as well."""
