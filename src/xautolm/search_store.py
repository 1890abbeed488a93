"""The experience store as a search uses it: trouble with the store is no trouble of the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from xautolm.errors import StoreError
from xautolm.experience import ExperienceStore, Tally, check_storable
from xautolm.records import Experience

T = TypeVar("T")

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
        self.has_refused = False
        """Whether it was said that a trial is not added."""
        self.incomplete: list[Experience] = []
        """Experiences whose records could not be completed."""
        self.said: set[str] = set()
        """Notes of the store that were passed on."""
        self.closed_until = 0.0
        """On the monotonic clock, in seconds."""
        try:
            self.store = ExperienceStore(location)
        except StoreError as error:
            if must_open:
                raise
            self._trouble(error)

    def experiences(
        self, task: str, *, run: str | None = None, limit: int | None = None
    ) -> list[Experience]:
        """Return the experiences of a task type, the newest first; none if the store cannot be read.

        Args:
            task: The task type.
            run: Only those of this run.
            limit: At most so many.
        """
        return self._read(lambda store: store.experiences(task=task, run=run, limit=limit), [])

    def count(self, task: str) -> int:
        """Return how many experiences a task type has; none if the store cannot be read."""
        return self._read(lambda store: store.count(task), 0)

    def tallies(self, task: str) -> list[Tally]:
        """Return how many trials of each search ended how; nothing if the store cannot be read."""
        return self._read(lambda store: store.tallies(task), [])

    def of_runs(self, runs: Sequence[str], task: str) -> list[Experience]:
        """Return the experiences of some runs; none if the store cannot be read."""
        return self._read(lambda store: store.of_runs(runs, task), [])

    def of_ids(self, ids: Sequence[str]) -> list[Experience]:
        """Return the experiences with some ids; none if the store cannot be read."""
        return self._read(lambda store: store.of_ids(ids), [])

    def add(self, experiences: Iterable[Experience]) -> None:
        """Add experiences, and those that could not be added before; none where the store may only be read."""
        if self.store is not None and self.store.read_only:
            return
        for experience in experiences:
            if self._is_storable(experience):
                self.waiting.append(experience)
        if self.store is None or not self.waiting:
            return
        # Not at every trial: a locked store makes every attempt wait for half a minute.
        if time.monotonic() < self.closed_until:
            return
        try:
            self.store.add(self.waiting)
        except StoreError as error:
            self._trouble(error)
            return
        added = self.waiting
        self.waiting = []
        self._complete(added)

    def close(self) -> None:
        """Let go of the store, after one more attempt to add what could not be added before."""
        if self.store is None:
            return
        if self.waiting:
            # A server that was restarted is there again long before a search would ask it.
            self.closed_until = 0.0
            self.add([])
        if self.incomplete:
            # It was said why it failed before.
            with suppress(StoreError):
                self.store.complete(self.incomplete)
        self.store.close()

    def _complete(self, experiences: Sequence[Experience]) -> None:
        """Complete records of a session that ended before the meta-features were measured; say if that cannot be.

        A server may let a process add records and not change them: that is no reason to add none.
        """
        if self.store is None:
            return
        # What failed once is tried again at the end only.
        if self.incomplete:
            self.incomplete += experiences
            return
        try:
            self.store.complete(experiences)
        except StoreError as error:
            self.incomplete = list(experiences)
            self.say(
                f"records of earlier trials stay without their meta-features: {_reason(error)}. "
                "New trials are added all the same, and the end of the search tries it once more"
            )

    def _is_storable(self, experience: Experience) -> bool:
        """Return whether the store could read an experience again; say of the first one why not."""
        try:
            check_storable(experience)
        except ValueError as error:
            if not self.has_refused:
                self.has_refused = True
                self.say(
                    f"trial {experience.trial} is not added to the experience store, which could not read it again: "
                    f"{error}. Nor are later ones of which that is so; the search goes on"
                )
            return False
        return True

    def _read(self, read: Callable[[ExperienceStore], T], nothing: T) -> T:
        """Return what is read, or nothing if the store cannot be read; say once what is to be known of the store."""
        if self.store is None:
            return nothing
        try:
            result = read(self.store)
        except StoreError as error:
            self._trouble(error)
            return nothing
        for note in self.store.notes:
            if note not in self.said:
                self.said.add(note)
                self.say(note)
        return result

    def _trouble(self, error: StoreError) -> None:
        """Leave the store alone for a while, and say why, the first time."""
        self.closed_until = time.monotonic() + RETRY_SECONDS
        if self.has_said:
            return
        self.has_said = True
        self.say(
            f"the search goes on without the experience store: {_reason(error)}. "
            "What it lacks lies in the run's folder and is added at the next start"
        )


def _reason(error: StoreError) -> str:
    """Return in one line what happened and why; the third line of an error is advice."""
    lines = str(error).splitlines()[:2]
    return "; ".join(lines)
