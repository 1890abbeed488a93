"""Define what the contest of searches asks of each contestant, and what it tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xautolm.records import Values
from xautolm.space import Space

TaskFeatures = Mapping[str, float]
"""Numbers that describe a task before any training, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold a configuration and what came of it."""

    values: Values
    """By plain parameter name."""
    quality: float | None
    """Larger is better; None for a failure."""
    seconds: float
    """Of evaluation; for a failure, what it took until then."""
    failure: str = ""
    """Kind of failure, a member of `FailureKind`; empty for a success."""

    @property
    def failed(self) -> bool:
        """Return whether there is no result."""
        return self.quality is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTask:
    """Hold what is known of a task that was searched before."""

    name: str
    trials: Sequence[Told]
    """Of that task's own space: a configuration may have no place in the target's."""
    features: TaskFeatures


class Contestant(Protocol):
    """Search for one target task, a trial at a time."""

    def ask(self) -> Values:
        """Return the next configuration: complete, in the space, by plain parameter name."""

    def tell(self, trial: Told) -> None:
        """Take in what came of the last ask; it may be of another configuration, near to the one asked for."""

    def close(self) -> None:
        """Free what the search holds; nothing is asked or told after it."""


Make = Callable[[Space, int, Sequence[PastTask], TaskFeatures], Contestant]
"""Given the target's space, a seed, the past and the target's features, begins a search."""
