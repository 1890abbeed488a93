"""The experience store: every trial ever evaluated, in one database that outlives runs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from xautolm.documents import from_plain, to_plain
from xautolm.errors import StoreError, UsageError
from xautolm.experience.migrations import MIGRATIONS, SCHEMA_VERSION
from xautolm.records import Experience
from xautolm.settings import store_url

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process's write to an SQLite store."""

CREATE_ATTEMPTS = 5

metadata = MetaData()
SCHEMA = Table(
    "xautolm_schema",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
)
"""One row, with id 1."""
EXPERIENCES = Table(
    "experiences",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created", String(32), nullable=False, index=True),
    Column("run", String(64), nullable=False, index=True),
    Column("trial", Integer, nullable=False),
    Column("task", String(64), nullable=False, index=True),
    Column("data", String(256), nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("source_fingerprint", String(64), nullable=False, index=True),
    Column("model", String(256), nullable=False),
    Column("method", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("failure", String(32)),
    Column("record", Text, nullable=False),
)


class ExperienceStore:
    """A database of experiences; records are added, never changed.

    Args:
        location: An SQLAlchemy URL, or the path of an SQLite file; by default that of the settings.

    Raises:
        StoreError: It cannot be opened, or was written by a newer xautolm.

    Example:
        >>> with ExperienceStore("sqlite://") as store:
        ...     len(store)
        0
    """

    def __init__(self, location: str | Path | None = None) -> None:
        url = store_url(str(location) if location is not None else None)
        try:
            self.engine = _engine(url)
            self._prepare()
        except ModuleNotFoundError as error:
            raise StoreError("The database needs a driver that is not installed.", got=error.name) from None
        except (SQLAlchemyError, OSError) as error:
            raise StoreError("The experience store cannot be opened.", got=_reason(error)) from None

    @property
    def name(self) -> str:
        """The store's location, without password."""
        return self.engine.url.render_as_string(hide_password=True)

    def add(self, experiences: Iterable[Experience]) -> int:
        """Add experiences; those already there are left as they are.

        Returns:
            How many were new.
        """
        added = 0
        for experience in experiences:
            try:
                with self.engine.begin() as connection:
                    known = select(EXPERIENCES.c.id).where(EXPERIENCES.c.id == experience.id)
                    if connection.execute(known).first() is None:
                        connection.execute(insert(EXPERIENCES).values(_row(experience)))
                        added += 1
            except IntegrityError:
                continue  # another process added the same experience in between
        return added

    def experiences(
        self, *, task: str | None = None, run: str | None = None, status: str | None = None, limit: int | None = None
    ) -> list[Experience]:
        """Experiences, the newest first.

        Args:
            task: Only those of this task type.
            run: Only those of this run.
            status: Only those that ended `complete`, `truncated` or `failed`.
            limit: At most so many.
        """
        query = select(EXPERIENCES.c.record).order_by(EXPERIENCES.c.created.desc(), EXPERIENCES.c.trial.desc())
        for column, value in ((EXPERIENCES.c.task, task), (EXPERIENCES.c.run, run), (EXPERIENCES.c.status, status)):
            if value is not None:
                query = query.where(column == value)
        with self.engine.connect() as connection:
            return [_experience(text) for (text,) in connection.execute(query.limit(limit))]

    def get(self, start: str) -> Experience:
        """The experience whose id starts with `start`.

        Raises:
            UsageError: None or several do.
        """
        query = select(EXPERIENCES.c.record).where(EXPERIENCES.c.id.startswith(start, autoescape=True)).limit(2)
        with self.engine.connect() as connection:
            found = [text for (text,) in connection.execute(query)]
        if len(found) != 1:
            problem = "Several experiences have an id that starts so." if found else "No such experience."
            raise UsageError(problem, got=start, fix="See `xautolm experience list`.")
        return _experience(found[0])

    def counts(self) -> dict[str, Counter[str]]:
        """How many experiences there are by task, data, model, method, status and kind of failure."""
        result: dict[str, Counter[str]] = {}
        with self.engine.connect() as connection:
            for name in ("task", "data", "model", "method", "status", "failure"):
                column = EXPERIENCES.c[name]
                rows = connection.execute(select(column, func.count()).where(column.is_not(None)).group_by(column))
                result[name] = Counter({str(value): int(count) for value, count in rows})
        return result

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def __len__(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(EXPERIENCES)).scalar_one())

    def __enter__(self) -> ExperienceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        """Create the tables, or bring those of an older version up to date.

        Two processes that create one store at the same moment trip over each other's tables; the one that does
        finds them whole at its next attempt.
        """
        for attempt in range(CREATE_ATTEMPTS):
            try:
                with self.engine.begin() as connection:
                    _create_or_migrate(connection)
                return
            except (IntegrityError, OperationalError, ProgrammingError):
                if attempt == CREATE_ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)


def _create_or_migrate(connection: Connection) -> None:
    metadata.create_all(connection)
    version = connection.execute(select(SCHEMA.c.version)).scalar()
    if version is None:
        connection.execute(insert(SCHEMA).values(id=1, version=SCHEMA_VERSION))
        return
    if version > SCHEMA_VERSION:
        raise StoreError(
            "The experience store was written by a newer xautolm.",
            got=f"schema {version}, this version knows up to {SCHEMA_VERSION}",
            fix="Upgrade xautolm, or use another store with --store.",
        )
    for step in range(version, SCHEMA_VERSION):
        MIGRATIONS[step](connection)
        connection.execute(SCHEMA.update().values(version=step + 1))


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    path = url.removeprefix("sqlite:///")
    if path != url and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Write-ahead logging: several searches can write to one store while others read.
        connection.execute("PRAGMA journal_mode=WAL")

    return engine


def _row(experience: Experience) -> dict[str, Any]:
    failure = experience.outcome.failure
    return {
        "id": experience.id,
        "created": experience.created,
        "run": experience.run,
        "trial": experience.trial,
        "task": experience.task,
        "data": experience.data.name[:256],
        "fingerprint": experience.data.fingerprint,
        "source_fingerprint": experience.data.source_fingerprint,
        "model": experience.configuration.model,
        "method": experience.configuration.method,
        "status": experience.outcome.status.value,
        "failure": failure.kind.value if failure else None,
        "record": json.dumps(to_plain(experience), ensure_ascii=False),
    }


def _experience(text: str) -> Experience:
    return from_plain(Experience, json.loads(text))


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
