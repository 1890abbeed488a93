"""The time budget of a run: how much of it is used and left, over all its sessions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field

from xautolm.errors import DamagedFileError
from xautolm.records import Budget, Experience
from xautolm.serialization import read_record, to_plain, write_json

TICK_SECONDS = 1.0
"""How often the time used is noted."""
START_SHARE = 0.5
"""Share of the budget that start-up may use: what takes longer (a data set that is downloaded, millions of rows) must
leave time for a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The content of `clock.json`."""

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Of the budget, over all sessions so far."""


class Clock:
    """Measures how much of the budget is used, over all sessions of a run.

    Args:
        path: `clock.json`, where the seconds used are noted.
        budget: What may be used.
        before: Seconds that earlier sessions used.
        started: When the command began, on the monotonic clock; now by default. Of the time since then, at most half
            of the budget counts.
    """

    def __init__(
        self, path: Path, budget: Budget, before: float = 0.0, started: float | None = None
    ) -> None:
        now = time.monotonic()
        if started is None:
            started = now
        # What start-up took beyond half of the budget does not count: a search needs time for a model.
        earliest = now
        if budget.seconds is not None:
            earliest = now - START_SHARE * budget.seconds
        self.path = path
        self.budget = budget
        self.before = before
        self.started = max(earliest, started)
        self.written = 0.0
        # Seconds that no trial may use, for what follows on the last one.
        self.kept = 0.0

    @property
    def used(self) -> float:
        """Return the seconds used so far."""
        return self.before + time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Return the seconds left for trials; infinite without a time budget."""
        return self.left_in_all - self.kept

    @property
    def left_in_all(self) -> float:
        """Return the seconds left, with those that are kept for after the last trial."""
        if self.budget.seconds is None:
            return float("inf")
        return self.budget.seconds - self.used

    @property
    def spent(self) -> float:
        """Return the share of the time budget that is used; 0 without one."""
        if self.budget.seconds is None:
            return 0.0
        return self.used / self.budget.seconds

    def tick(self) -> None:
        """Note the time used, at most once a second."""
        since_note = time.monotonic() - self.written
        if since_note >= TICK_SECONDS:
            self.note()

    def note(self) -> None:
        """Note the time used."""
        # Not worth waiting for the disk every second: what a power cut takes is a second of the budget.
        used = Used(seconds=self.used)
        write_json(self.path, to_plain(used), durable=False)
        self.written = time.monotonic()


def process_started() -> float:
    """Return when this process began, on the monotonic clock: a command's interpreter and imports are its time too."""
    created = psutil.Process().create_time()
    age = time.time() - created
    # Negative where the wall clock was set back meanwhile.
    return time.monotonic() - max(0.0, age)


def seconds_used(
    path: Path, experiences: Sequence[Experience], parallel: int, say: Callable[[str], None]
) -> float:
    """Return how much of the budget earlier sessions used.

    Args:
        path: `clock.json`.
        experiences: The run's trials: where the file is damaged, the time that they took stands for it.
        parallel: How many of them ran at once.
        say: Told if the file is damaged.
    """
    if not path.exists() and not experiences:
        return 0.0
    try:
        return read_record(Used, path).seconds
    except DamagedFileError as error:
        # What they took of the clock is less where several ran at once.
        trial_seconds = sum(experience.outcome.wall_time for experience in experiences)
        seconds = trial_seconds / parallel
        say(
            f"{path.name} cannot be read ({error.reason}): the {seconds:.0f} s that the trials took count as used"
        )
        return seconds
