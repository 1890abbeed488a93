"""The experience store as a search uses it: trouble with the store is no trouble of the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from xautolm.errors import StoreError
from xautolm.experience import ExperienceStore
from xautolm.records import Experience

RETRY_SECONDS = 300.0
"""After trouble, so long until the store is tried again: a locked one makes every attempt wait for half a minute."""


class SearchStore:
    """Reads and adds experiences without ever ending a search.

    What could not be added is tried again with a later trial. It lies in the run's folder too, from where the next
    start of the search adds it.

    Args:
        location: As for `ExperienceStore`.
        say: Told of trouble, once.
        must_open: Whether a store that cannot be opened is an error: so at a search's beginning, where the user can
            still name another one.

    Raises:
        StoreError: The store cannot be opened, and must be.
    """

    def __init__(
        self, location: str | None, say: Callable[[str], None], *, must_open: bool
    ) -> None:
        self.say = say
        self.store: ExperienceStore | None = None
        self.waiting: list[Experience] = []
        self.has_said = False
        self.closed_until = 0.0
        """On the monotonic clock, in seconds."""
        try:
            self.store = ExperienceStore(location)
        except StoreError as error:
            if must_open:
                raise
            self._trouble(error)

    def experiences(self, task: str) -> list[Experience]:
        """Return the experiences of a task type; none if the store cannot be read."""
        if self.store is None:
            return []
        try:
            experiences = self.store.experiences(task=task)
        except StoreError as error:
            self._trouble(error)
            return []
        for note in self.store.notes:
            self.say(note)
        return experiences

    def add(self, experiences: Iterable[Experience]) -> None:
        """Add experiences, and those that could not be added before; none where the store may only be read."""
        if self.store is not None and self.store.read_only:
            return
        self.waiting += experiences
        if self.store is None or not self.waiting:
            return
        # Not at every trial: a locked store makes every attempt wait for half a minute.
        if time.monotonic() < self.closed_until:
            return
        try:
            self.store.add(self.waiting)
        except StoreError as error:
            self._trouble(error)
        else:
            self.waiting = []

    def close(self) -> None:
        """Let go of the store."""
        if self.store is not None:
            self.store.close()

    def _trouble(self, error: StoreError) -> None:
        """Leave the store alone for a while, and say why, the first time."""
        self.closed_until = time.monotonic() + RETRY_SECONDS
        if self.has_said:
            return
        self.has_said = True
        # What happened and why; the third line of an error is advice.
        lines = str(error).splitlines()[:2]
        reason = "; ".join(lines)
        self.say(
            f"the search goes on without the experience store: {reason}. What it lacks lies in the run's folder "
            "and is added at the next start"
        )
