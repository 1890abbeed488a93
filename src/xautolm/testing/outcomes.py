"""What made-up trials come back with; processes of their own load it without the rest of this package."""

from __future__ import annotations

from xautolm.records import TrialOutcome
from xautolm.vocabulary import TrialStatus


def success(seconds: float = 1.0, **metrics: float) -> TrialOutcome:
    """Return a complete outcome with these metrics after one epoch."""
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics=metrics,
        history=({"epoch": 1.0, "seconds": seconds, **metrics},),
        evaluation_time=seconds,
        wall_time=seconds,
    )
