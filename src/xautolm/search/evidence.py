"""A trial as the surrogates see it, and what a sampler is given to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xautolm.records import Scalar
from xautolm.space import Prior


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one configuration."""

    values: Mapping[str, Scalar]
    """By plain parameter name."""
    quality: float | None
    """The first objective, larger is better, in standard deviations from its run's mean; None for a failure."""
    log_seconds: float | None
    """Natural logarithm of the evaluation time; None for a failure."""
    failed: bool
    weight: float = 1.0
    """How much it counts: falls with the distance of its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a sampler begins with."""

    prior: Prior
    evidence: Sequence[Evidence] = ()
