"""What of a run's budget is used and left, over all its sessions."""

from __future__ import annotations

import time
from pathlib import Path

from xautolm.documents import read_json, write_json
from xautolm.records import Budget


class Clock:
    """How much of the budget is used, over all sessions of a run.

    Args:
        root: The run's folder; `clock.json` in it holds the seconds used, written about once a second.
        budget: What may be used.
    """

    def __init__(self, root: Path, budget: Budget) -> None:
        self.path = root / "clock.json"
        self.budget = budget
        self.before = float(read_json(self.path)["seconds"]) if self.path.exists() else 0.0
        self.started = time.monotonic()
        self.written = 0.0

    @property
    def used(self) -> float:
        """Seconds used so far."""
        return self.before + time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left; infinite without a time budget."""
        return float("inf") if self.budget.seconds is None else self.budget.seconds - self.used

    def tick(self) -> None:
        """Note the time used, at most once a second."""
        if time.monotonic() - self.written >= 1.0:
            write_json(self.path, {"seconds": self.used})
            self.written = time.monotonic()
