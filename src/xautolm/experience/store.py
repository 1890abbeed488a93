"""The experience store: every trial ever evaluated, in one database that outlives runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Column, ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from xautolm.errors import StoreError, UsageError
from xautolm.experience.connection import ANOTHER_STORE, make_engine, read_address, store_errors
from xautolm.experience.schema import EXPERIENCES, prepare
from xautolm.experience.validation import (
    LONGEST_SHORT_NAME,
    check,
    read_record,
    record_text,
)
from xautolm.records import Experience, Failure, TrialOutcome
from xautolm.settings import store_location
from xautolm.vocabulary import FailureKind, TrialStatus

CHUNK = 500
"""Experiences that are added or deleted in one transaction; SQLite allows 999 variables in a statement."""
NEWEST_FIRST = EXPERIENCES.c.created.desc(), EXPERIENCES.c.trial.desc()
"""Order of rows. Dates are texts of ISO 8601, which sort as time does; of two trials of one second, the higher number
is newer."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many trials of one search on one data set ended alike."""

    run: str
    fingerprint: str
    """Of the data, as the column has it."""
    outcome: TrialOutcome
    """The end alone, without scores or times."""
    count: int
    sample: str
    """Id of one of them."""


class ExperienceStore:
    """A database of experiences; records are added or deleted, and never changed but for features that came later.

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
        named_location = None if location is None else str(location)
        self.address = read_address(store_location(named_location))
        self.read_only = self.address.is_read_only
        self.damaged_ids: set[str] = set()
        """Ids of damaged records that were met while reading."""
        with self._errors():
            self.engine = make_engine(self.address)
            prepare(self.engine, self.address, must_exist=must_exist)

    @property
    def name(self) -> str:
        """Return the store's location, without password."""
        return self.address.shown

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a person should know of the store, a sentence each; of damaged records once they were met."""
        notes = []
        if self.read_only:
            notes.append(
                f"the experience store may not be written to, nothing will be added: {self.name}"
            )
        if self.damaged_ids:
            notes.append(self.damage_note)
        return tuple(notes)

    @property
    def damage_note(self) -> str:
        """Return how many damaged records were left out of what was read, and how to look at them."""
        count = len(self.damaged_ids)
        records = "record" if count == 1 else "records"
        return f"{count} damaged {records} of the experience store left out; see `xautolm experience list --damaged`"

    def add(self, experiences: Iterable[Experience]) -> int:
        """Add experiences; those already there are left as they are.

        Args:
            experiences: What to add.

        Returns:
            How many were new.

        Raises:
            UsageError: One of them could not be read again; the first such is named, and it is not added.
            StoreError: The store may not be written to, or cannot be.
        """
        self._check_writable()
        waiting = list(experiences)
        # What goes in must come out. Before the first is added, so that not half of a list is in.
        for experience in waiting:
            with _refusing(experience):
                check(experience)
        added = 0
        for start in range(0, len(waiting), CHUNK):
            chunk = waiting[start : start + CHUNK]
            added += self._add_chunk(chunk)
        return added

    def complete(self, experiences: Sequence[Experience]) -> None:
        """Give experiences that are there the features that they lack; only for who has made them.

        Args:
            experiences: They, with all features; those that are not there are passed over.

        Raises:
            StoreError: The store may not be written to, or its records may not be changed.
        """
        self._check_writable()
        for start in range(0, len(experiences), CHUNK):
            self._complete_chunk(experiences[start : start + CHUNK])

    def experiences(
        self,
        *,
        task: str | None = None,
        run: str | None = None,
        status: str | None = None,
        limit: int | None = None,
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
        experiences: list[Experience] = []
        # The limit is counted here, not in the query: damaged records do not count.
        for row in self.rows(task=task, run=run, status=status):
            if limit is not None and len(experiences) >= limit:
                break
            if row.experience is not None:
                experiences.append(row.experience)
        return experiences

    def of_runs(self, runs: Sequence[str], task: str) -> list[Experience]:
        """Return the experiences of some runs with a task type.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._with_values(EXPERIENCES.c.run, runs, EXPERIENCES.c.task == task)

    def of_ids(self, ids: Sequence[str]) -> list[Experience]:
        """Return the experiences with some whole ids.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._with_values(EXPERIENCES.c.id, ids)

    def count(self, task: str) -> int:
        """Return how many rows a task type has, whether or not their records are in order.

        Raises:
            StoreError: The store cannot be read.
        """
        query = select(func.count()).select_from(EXPERIENCES).where(EXPERIENCES.c.task == task)
        with self._errors(), self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def tallies(self, task: str) -> list[Tally]:
        """Return how many trials of each search ended how; counted in the database, without reading a record.

        Args:
            task: The task type.

        Raises:
            StoreError: The store cannot be read.
        """
        columns = EXPERIENCES.c
        ended_alike = columns.run, columns.fingerprint, columns.status, columns.failure
        query = select(*ended_alike, func.count(), func.min(columns.id))
        query = query.where(columns.task == task).group_by(*ended_alike).order_by(*ended_alike)
        tallies: list[Tally] = []
        with self._errors(), self.engine.connect() as connection:
            for run, fingerprint, status, failure, count, sample in connection.execute(query):
                # Another program may have written a word that means nothing; such rows are damaged.
                with suppress(ValueError):
                    outcome = _end(status, failure)
                    tally = Tally(
                        run=run,
                        fingerprint=fingerprint,
                        outcome=outcome,
                        count=count,
                        sample=sample,
                    )
                    tallies.append(tally)
        return tallies

    def rows(
        self, *, task: str | None = None, run: str | None = None, status: str | None = None
    ) -> Iterator[Row]:
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
        query = query.order_by(*NEWEST_FIRST)
        conditions = {columns.task: task, columns.run: run, columns.status: status}
        for column, value in conditions.items():
            if value is not None:
                query = query.where(column == value)
        with self._errors(), self.engine.connect() as connection:
            for identity, run_name, data, record in connection.execute(query):
                yield self._row(identity, run_name, data, record)

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
        # A second row is enough to know that the start of the id is too short.
        query = query.where(columns.id.startswith(start, autoescape=True)).limit(2)
        with self._errors(), self.engine.connect() as connection:
            rows = connection.execute(query).all() if start else []
        if len(rows) != 1:
            problem = "No such experience."
            if rows:
                problem = "Several experiences have an id that starts so."
            raise UsageError(problem, got=start, fix="See `xautolm experience list`.")
        return self._row(*rows[0])

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
            chunk = ids[start : start + CHUNK]
            is_in_chunk = EXPERIENCES.c.id.in_(chunk)
            statement = delete(EXPERIENCES).where(is_in_chunk)
            with self._errors(), self.engine.begin() as connection:
                result = connection.execute(statement)
                deleted += result.rowcount
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
            # Of the record, not of the row: another program may have written something else into its columns.
            columns = _columns(row.experience)
            for name in COUNTED:
                value = columns[name]
                if value is not None:
                    result[name][str(value)] += 1
        return result

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def __len__(self) -> int:
        query = select(func.count()).select_from(EXPERIENCES)
        with self._errors(), self.engine.connect() as connection:
            count = connection.execute(query).scalar_one()
            return int(count)

    def __enter__(self) -> ExperienceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _with_values(
        self, column: Column[str], values: Sequence[str], *conditions: ColumnElement[bool]
    ) -> list[Experience]:
        """Return the experiences of the rows with some values in a column."""
        columns = EXPERIENCES.c
        query = select(columns.id, columns.run, columns.data, columns.record).where(*conditions)
        experiences: list[Experience] = []
        for start in range(0, len(values), CHUNK):
            chunk = values[start : start + CHUNK]
            in_chunk = query.where(column.in_(chunk)).order_by(*NEWEST_FIRST)
            with self._errors(), self.engine.connect() as connection:
                for record in connection.execute(in_chunk):
                    experience = self._row(*record).experience
                    if experience is not None:
                        experiences.append(experience)
        return experiences

    def _errors(self) -> AbstractContextManager[None]:
        return store_errors(self.address)

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreError(
                "The experience store may not be written to.", got=self.name, fix=ANOTHER_STORE
            )

    def _row(self, identity: str, run: object, data: object, record: object) -> Row:
        """Return a row of the database, in which anything may stand; a damaged record is counted."""
        problem = "the record has another id than its row"
        try:
            experience = read_record(record)
        except ValueError as error:
            problem = str(error)
        else:
            if experience.id == identity:
                return Row(
                    id=identity,
                    run=experience.run,
                    data=experience.data.name,
                    experience=experience,
                )
        self.damaged_ids.add(identity)
        return Row(id=identity, run=str(run), data=str(data), experience=None, problem=problem)

    def _add_chunk(self, experiences: Sequence[Experience]) -> int:
        """Add experiences in one transaction; return how many were new."""
        with self._errors():
            try:
                with self.engine.begin() as connection:
                    return _insert_new(connection, experiences)
            except IntegrityError:
                # Another process added one of the same experiences in between. Alone, the others still go in.
                if len(experiences) == 1:
                    return 0
        added = 0
        for experience in experiences:
            added += self._add_chunk([experience])
        return added

    def _complete_chunk(self, experiences: Sequence[Experience]) -> None:
        """Give experiences that are there the features that they lack, each in one step."""
        columns = EXPERIENCES.c
        whole_by_id = {experience.id: experience for experience in experiences}
        query = select(columns.id, columns.record).where(columns.id.in_(list(whole_by_id)))
        with self._errors(), self.engine.begin() as connection:
            for identity, record in connection.execute(query).all():
                text = _completed_text(record, whole_by_id[identity])
                if text is None:
                    continue
                # Only what was read is replaced: another process may have completed it meanwhile.
                as_read = (columns.id == identity) & (columns.record == record)
                completed = _fitting("record", text)
                connection.execute(update(EXPERIENCES).where(as_read).values(record=completed))


@contextmanager
def _refusing(experience: Experience) -> Iterator[None]:
    """Raise a `UsageError` that names an experience, where it turns out that its record could not be read again."""
    try:
        yield
    except ValueError as error:
        raise UsageError(
            "A store could not read this experience again, so it is not added.",
            got=f"trial {experience.trial} of {experience.run[:LONGEST_SHORT_NAME]}: {error}",
            fix="Mend it, or leave it out.",
        ) from None


def _insert_new(connection: Connection, experiences: Sequence[Experience]) -> int:
    """Add those that are not there yet; return how many."""
    new_by_id = {experience.id: experience for experience in experiences}
    column = EXPERIENCES.c.id
    ids = list(new_by_id)
    query = select(column).where(column.in_(ids))
    for (identity,) in connection.execute(query):
        del new_by_id[identity]
    if not new_by_id:
        return 0
    rows = []
    for experience in new_by_id.values():
        row = _columns(experience)
        with _refusing(experience):
            text = record_text(experience)
        row["record"] = _fitting("record", text)
        rows.append(row)
    connection.execute(insert(EXPERIENCES), rows)
    return len(new_by_id)


def _completed_text(record: str, whole: Experience) -> str | None:
    """Return a record with the features that it lacks; None where it lacks none, or is damaged."""
    try:
        stored = read_record(record)
    except ValueError:
        return None
    features = {**whole.features, **stored.features}
    if len(features) == len(stored.features):
        return None
    return record_text(replace(stored, features=features))


def _end(status: str, failure: str | None) -> TrialOutcome:
    """Return how a trial ended, as its columns say.

    Raises:
        ValueError: They say nothing.
    """
    reason = None
    if failure is not None:
        reason = Failure(kind=FailureKind(failure), message="")
    return TrialOutcome(status=TrialStatus(status), failure=reason)


def _columns(experience: Experience) -> dict[str, str | int | None]:
    """Return the columns of an experience's row, without the whole record."""
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
    }
    columns: dict[str, str | int | None] = {"trial": experience.trial}
    for name, text in texts.items():
        columns[name] = None if text is None else _fitting(name, text)
    return columns


def _fitting(name: str, text: str) -> str:
    """Return a text as its column can hold it: short enough, and of characters that every database stores."""
    # PostgreSQL stores no NUL, and no database halves of characters.
    without_nul = text.replace("\0", "")
    storable = without_nul.encode("utf-8", errors="replace").decode("utf-8")
    # The column of the whole record has no limit.
    column = EXPERIENCES.c[name]
    length = getattr(column.type, "length", None)
    return storable[:length]
