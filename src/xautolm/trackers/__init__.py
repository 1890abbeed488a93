"""Programs that track experiments, one file each, and what tells them of a search."""

from xautolm.registry import Registry
from xautolm.trackers.base import (
    SearchEnded,
    TrackedRun,
    Tracker,
    Tracking,
    check_tracker,
    numbers_of,
    parameters_of,
    results_of,
    standing_of,
    status_of,
)
from xautolm.trackers.reporter import Reporters

TRACKERS: Registry[Tracker] = Registry("tracker", __name__, "TRACKER", helpers=("base", "reporter"))

__all__ = [
    "TRACKERS",
    "Reporters",
    "SearchEnded",
    "TrackedRun",
    "Tracker",
    "Tracking",
    "check_tracker",
    "numbers_of",
    "parameters_of",
    "results_of",
    "standing_of",
    "status_of",
]
