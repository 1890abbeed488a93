"""What a search strategy is: a name, and how to make an Optuna sampler for a space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.search.evidence import Memory
from xautolm.space import Space
from xautolm.vocabulary import Recall

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy; a plug-in of `xautolm.search`."""

    name: str
    title: str
    make: Callable[[Space, int, Memory | None], BaseSampler]
    """The sampler for a space and a seed, and what it begins with."""
    memory: Recall = Recall.NONE
    """What it takes from past experiences."""

    def make_late(
        self, space: Space, seed: int, remember: Callable[[], Memory | None]
    ) -> BaseSampler:
        """Return the sampler; what it begins with is asked for when it is first asked itself.

        Args:
            space: The space.
            seed: The sampler's.
            remember: Returns what it begins with; not called for a strategy that takes nothing.
        """
        if self.memory == Recall.NONE:
            return self.make(space, seed, None)
        # Imported here, because it loads Optuna, which a mere list of the strategies does not need.
        from xautolm.search.late import LateSampler

        def make() -> BaseSampler:
            memory = remember()
            return self.make(space, seed, memory)

        return LateSampler(make)
