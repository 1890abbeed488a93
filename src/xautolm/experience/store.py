"""The experience store: every trial ever evaluated, in one database that outlives runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from xautolm.errors import StoreError, UsageError
from xautolm.experience.connection import ANOTHER_STORE, make_engine, read_address, store_errors
from xautolm.experience.schema import EXPERIENCES, prepare
from xautolm.experience.validation import read_record
from xautolm.records import Experience
from xautolm.serialization import to_plain
from xautolm.settings import store_location

CHUNK = 500
"""Experiences that are added or deleted in one transaction; SQLite allows 999 variables in a statement."""
COUNTED = ("task", "data", "model", "method", "status", "failure")
"""Columns whose values are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the store, whether or not its record is in order."""

    id: str
    run: str
    data: str
    experience: Experience | None
    """None for a record that is damaged or means nothing."""
    problem: str = ""
    """What is wrong with the record."""


class ExperienceStore:
    """A database of experiences; records are added or deleted, never changed.

    Records that are damaged or mean nothing are left out by every reading method, and counted in `notes`.

    Args:
        location: A database URL, or the path of an SQLite file; by default that of the settings.
        must_exist: Whether to refuse, rather than make, a store that is not there.

    Raises:
        StoreError: It cannot be opened, is something else, or was written by a newer xautolm. Every other method
            raises it too, and nothing else, whatever becomes of the database.

    Example:
        >>> with ExperienceStore("sqlite://") as store:
        ...     len(store)
        0
    """

    def __init__(self, location: str | Path | None = None, *, must_exist: bool = False) -> None:
        self.address = read_address(store_location(None if location is None else str(location)))
        self.read_only = self.address.is_read_only
        self.damaged_ids: set[str] = set()
        """Ids of damaged records that were met while reading."""
        with self._errors():
            self.engine = make_engine(self.address)
            prepare(self.engine, self.address, must_exist=must_exist)

    @property
    def name(self) -> str:
        """The store's location, without password."""
        return self.address.shown

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the store, one sentence each; damaged records after something was read."""
        notes = []
        if self.read_only:
            notes.append(f"the experience store may not be written to, nothing will be added: {self.name}")
        if self.damaged_ids:
            notes.append(self.damage_note)
        return tuple(notes)

    @property
    def damage_note(self) -> str:
        """How many damaged records were left out of what was read, and how to look at them."""
        count = len(self.damaged_ids)
        records = "record" if count == 1 else "records"
        return f"{count} damaged {records} of the experience store left out; see `xautolm experience list --damaged`"

    def add(self, experiences: Iterable[Experience]) -> int:
        """Add experiences; those already there are left as they are.

        Returns:
            How many were new.

        Raises:
            StoreError: The store may not be written to, or cannot be.
        """
        self._check_writable()
        waiting = list(experiences)
        added = 0
        for start in range(0, len(waiting), CHUNK):
            added += self._add_chunk(waiting[start : start + CHUNK])
        return added

    def experiences(
        self, *, task: str | None = None, run: str | None = None, status: str | None = None, limit: int | None = None
    ) -> list[Experience]:
        """Return experiences, the newest first.

        Args:
            task: Only those of this task type.
            run: Only those of this run.
            status: Only those that ended `complete`, `truncated`, `pruned` or `failed`.
            limit: At most so many.

        Raises:
            StoreError: The store cannot be read.
        """
        found: list[Experience] = []
        for row in self.rows(task=task, run=run, status=status):
            if limit is not None and len(found) >= limit:
                break
            if row.experience is not None:
                found.append(row.experience)
        return found

    def rows(self, *, task: str | None = None, run: str | None = None, status: str | None = None) -> Iterator[Row]:
        """Yield rows, the newest first; each says what is wrong with its record, if anything is.

        Args:
            task: As for `experiences`.
            run: As for `experiences`.
            status: As for `experiences`.

        Raises:
            StoreError: The store cannot be read.
        """
        columns = EXPERIENCES.c
        query = select(columns.id, columns.run, columns.data, columns.record)
        query = query.order_by(columns.created.desc(), columns.trial.desc())
        for column, value in ((columns.task, task), (columns.run, run), (columns.status, status)):
            if value is not None:
                query = query.where(column == value)
        with self._errors(), self.engine.connect() as connection:
            for stored in connection.execute(query):
                yield self._row(*stored)

    def get(self, start: str) -> Experience:
        """Return the experience whose id starts with `start`.

        Raises:
            UsageError: None or several do.
            StoreError: Its record is damaged, or the store cannot be read.
        """
        row = self.row(start)
        if row.experience is None:
            raise StoreError(
                "The record of this experience is damaged.",
                got=f"{row.id}: {row.problem}",
                fix=f"Delete it with `xautolm experience delete {row.id}`.",
            )
        return row.experience

    def row(self, start: str) -> Row:
        """Return the row whose id starts with `start`, whether or not its record is in order.

        Raises:
            UsageError: None or several do.
            StoreError: The store cannot be read.
        """
        columns = EXPERIENCES.c
        query = select(columns.id, columns.run, columns.data, columns.record)
        query = query.where(columns.id.startswith(start, autoescape=True)).limit(2)
        with self._errors(), self.engine.connect() as connection:
            stored = connection.execute(query).all() if start else []
        if len(stored) != 1:
            problem = "Several experiences have an id that starts so." if stored else "No such experience."
            raise UsageError(problem, got=start, fix="See `xautolm experience list`.")
        return self._row(*stored[0])

    def delete(self, ids: Sequence[str]) -> int:
        """Delete rows by their whole ids.

        Returns:
            How many were there.

        Raises:
            StoreError: The store cannot be written to.
        """
        self._check_writable()
        deleted = 0
        for start in range(0, len(ids), CHUNK):
            chosen = EXPERIENCES.c.id.in_(ids[start : start + CHUNK])
            with self._errors(), self.engine.begin() as connection:
                deleted += connection.execute(delete(EXPERIENCES).where(chosen)).rowcount
        return deleted

    def counts(self) -> dict[str, Counter[str]]:
        """Return how many experiences there are by task, data, model, method, status and kind of failure.

        Raises:
            StoreError: The store cannot be read.
        """
        result: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        for row in self.rows():
            if row.experience is None:
                continue
            columns = _columns(row.experience)
            for name in COUNTED:
                if columns[name] is not None:
                    result[name][columns[name]] += 1
        return result

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def __len__(self) -> int:
        with self._errors(), self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(EXPERIENCES)).scalar_one())

    def __enter__(self) -> ExperienceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _errors(self) -> AbstractContextManager[None]:
        return store_errors(self.address)

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreError("The experience store may not be written to.", got=self.name, fix=ANOTHER_STORE)

    def _row(self, identity: Any, run: Any, data: Any, record: Any) -> Row:
        try:
            experience = read_record(record)
            problem = "" if experience.id == identity else "the record has another id than its row"
        except ValueError as error:
            problem = str(error)
        if not problem:
            return Row(id=identity, run=experience.run, data=experience.data.name, experience=experience)
        self.damaged_ids.add(identity)
        return Row(id=identity, run=str(run), data=str(data), experience=None, problem=problem)

    def _add_chunk(self, experiences: Sequence[Experience]) -> int:
        with self._errors():
            try:
                with self.engine.begin() as connection:
                    return _insert_new(connection, experiences)
            except IntegrityError:
                if len(experiences) == 1:
                    return 0  # another process added the same experience in between
        return sum(self._add_chunk([experience]) for experience in experiences)


def _insert_new(connection: Connection, experiences: Sequence[Experience]) -> int:
    """Add those that are not there yet; return how many."""
    by_id = {experience.id: experience for experience in experiences}
    present = connection.execute(select(EXPERIENCES.c.id).where(EXPERIENCES.c.id.in_(list(by_id))))
    for (identity,) in present:
        del by_id[identity]
    if by_id:
        connection.execute(insert(EXPERIENCES), [_columns(experience) for experience in by_id.values()])
    return len(by_id)


def _columns(experience: Experience) -> dict[str, Any]:
    """Return the columns of an experience's row."""
    failure = experience.outcome.failure
    texts = {
        "id": experience.id,
        "created": experience.created,
        "run": experience.run,
        "task": experience.task,
        "data": experience.data.name,
        "fingerprint": experience.data.fingerprint,
        "source_fingerprint": experience.data.source_fingerprint,
        "model": experience.configuration.model,
        "method": experience.configuration.method,
        "status": experience.outcome.status.value,
        "failure": failure.kind.value if failure else None,
        "record": json.dumps(to_plain(experience)),
    }
    return {name: _fitting(name, text) for name, text in texts.items()} | {"trial": experience.trial}


def _fitting(name: str, text: str | None) -> str | None:
    """Return a text as its column can hold it: short enough, and of characters that every database stores."""
    if text is None:
        return None
    storable = text.replace("\0", "").encode("utf-8", errors="replace").decode("utf-8")
    return storable[: getattr(EXPERIENCES.c[name].type, "length", None)]
