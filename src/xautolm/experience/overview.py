"""What a store holds, told from the columns of its rows: records, of 12,000 characters each, are read for few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select

from xautolm.experience.connection import store_errors
from xautolm.experience.schema import EXPERIENCES
from xautolm.experience.store import NEWEST_FIRST, ExperienceStore

COLUMNS = EXPERIENCES.c
SEARCHED = ("data", "model", "method", "failure")
"""Columns in which a text is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many trials of a model and method on one data set ended alike."""

    task: str
    data: str
    fingerprint: str
    model: str
    method: str
    status: str
    failure: str
    """Its kind; empty without one."""
    count: int
    newest: str
    """When the newest of them ended, ISO 8601."""
    sample: str
    """Id of one of them."""

    def names_with(self, text: str) -> dict[str, str]:
        """Return the names that contain a text, in capitals or not, by their columns.

        Databases do not tell: SQLite takes "Ü" and "ü" for different letters.
        """
        names: dict[str, str] = {}
        for column in SEARCHED:
            name = getattr(self, column)
            if text.casefold() in name.casefold():
                names[column] = name
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the columns of a row say."""

    id: str
    created: str
    run: str
    trial: int
    task: str
    data: str
    model: str
    method: str
    status: str
    failure: str


def groups_of(store: ExperienceStore) -> list[Group]:
    """Return all trials of a store, counted.

    Raises:
        StoreError: The store cannot be read.
    """
    alike = (
        COLUMNS.task,
        COLUMNS.data,
        COLUMNS.fingerprint,
        COLUMNS.model,
        COLUMNS.method,
        COLUMNS.status,
        COLUMNS.failure,
    )
    query = select(*alike, func.count(), func.max(COLUMNS.created), func.max(COLUMNS.id))
    query = query.group_by(*alike)
    groups: list[Group] = []
    with store_errors(store.address), store.engine.connect() as connection:
        for *texts, count, newest, sample in connection.execute(query):
            # Another program may have written numbers, or bytes, into a column of text.
            task, data, fingerprint, model, method, status, failure = map(_text, texts)
            group = Group(
                task=task,
                data=data,
                fingerprint=fingerprint,
                model=model,
                method=method,
                status=status,
                failure=failure,
                count=count,
                newest=_text(newest),
                sample=_text(sample),
            )
            groups.append(group)
    return groups


def version_of(store: ExperienceStore) -> tuple[int, str]:
    """Return what changes when rows are added or deleted: their number, and when the newest ended; from indexes alone.

    Raises:
        StoreError: The store cannot be read.
    """
    query = select(func.count(), func.max(COLUMNS.created)).select_from(EXPERIENCES)
    with store_errors(store.address), store.engine.connect() as connection:
        count, newest = connection.execute(query).one()
    return int(count), _text(newest)


def newest_lines(
    store: ExperienceStore,
    columns: Mapping[str, str],
    text: str,
    matching: Sequence[Group],
    limit: int,
) -> list[Line]:
    """Return the newest rows of which everything holds that is asked.

    Args:
        store: The store.
        columns: What columns must hold, by their names; an empty value asks nothing.
        text: What one of the columns of names must contain.
        matching: The groups of which all that holds.
        limit: At most so many.

    Raises:
        StoreError: The store cannot be read.
    """
    conditions: list[ColumnElement[bool]] = []
    for name, value in columns.items():
        if value:
            conditions.append(COLUMNS[name] == value)
    if text:
        # Each of these groups has a row that is as new as any of the groups behind them, so the newest rows are theirs.
        # With the names of all, a store of very many data sets would exceed the 32,766 values of a statement of SQLite.
        by_date = sorted(matching, key=lambda group: group.newest, reverse=True)
        conditions.append(_has_name(by_date[:limit], text))
    shown = [COLUMNS[name] for name in Line.__dataclass_fields__]
    query = select(*shown).where(*conditions).order_by(*NEWEST_FIRST).limit(limit)
    with store_errors(store.address), store.engine.connect() as connection:
        rows: Sequence[Sequence[object]] = connection.execute(query).all()
    lines: list[Line] = []
    for row in rows:
        values = dict(zip(Line.__dataclass_fields__, row, strict=True))
        number = values.pop("trial")
        texts = {name: _text(value) for name, value in values.items()}
        trial = number if isinstance(number, int) else 0
        lines.append(Line(trial=trial, **texts))
    return lines


def _has_name(groups: Sequence[Group], text: str) -> ColumnElement[bool]:
    """Return the condition that a row has one of those names of some groups that contain a text."""
    names: dict[str, set[str]] = {column: set() for column in SEARCHED}
    for group in groups:
        for column, name in group.names_with(text).items():
            names[column].add(name)
    return or_(*(COLUMNS[column].in_(sorted(values)) for column, values in names.items()))


def _text(value: object) -> str:
    """Return what a column holds as text; nothing where it holds nothing."""
    return "" if value is None else str(value)
