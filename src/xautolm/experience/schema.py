"""The tables of a store: made where there are none, brought up to date where they are older, else refused."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from xautolm.errors import NoStoreError, StoreError
from xautolm.experience.connection import ANOTHER_STORE, LOCK_TIMEOUT, Address
from xautolm.experience.migrations import MIGRATIONS, SCHEMA_VERSION

ATTEMPTS = 5
"""How often making the tables is tried: two processes that do it at the same moment trip over each other."""

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
"""`record` has everything, as JSON; the other columns are what is looked for."""


def prepare(engine: Engine, address: Address, *, must_exist: bool) -> None:
    """Bring a store's tables to this version's schema.

    Args:
        engine: The database.
        address: Where it is.
        must_exist: Whether to refuse, rather than make, a store that is not there.

    Raises:
        StoreError: There is none, it is something else, or it was written by a newer xautolm.
    """
    if address.file is not None:
        _check_file(address.file, must_exist=must_exist or address.is_read_only)
    started = time.monotonic()
    for attempt in range(ATTEMPTS):
        try:
            with engine.connect() as connection:
                _prepare_tables(connection, address, must_exist=must_exist)
            return
        except (IntegrityError, OperationalError, ProgrammingError):
            has_waited = time.monotonic() - started >= LOCK_TIMEOUT
            if has_waited or attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)


def _check_file(file: Path, *, must_exist: bool) -> None:
    """Make an empty file where there is none."""
    if file.is_dir():
        raise StoreError(
            "The experience store is a file, and this is a folder.", got=file, fix=ANOTHER_STORE
        )
    if file.exists():
        return
    if must_exist:
        raise NoStoreError(str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def _prepare_tables(connection: Connection, address: Address, *, must_exist: bool) -> None:
    names = set(inspect(connection).get_table_names())
    own_names = set(metadata.tables)
    if must_exist and EXPERIENCES.name not in names:
        raise NoStoreError(address.shown)
    # A file belongs to one program; a database server may well keep other tables beside ours.
    if address.file is not None and names and not names & own_names:
        raise StoreError(
            "The database holds something else than experiences.",
            got=f"{address.file} with the tables {', '.join(sorted(names)[:5])}",
            fix=ANOTHER_STORE,
        )
    if EXPERIENCES.name in names:
        _check_columns(connection, address)
    version = _version(connection, address) if SCHEMA.name in names else None
    if version == SCHEMA_VERSION and own_names <= names:
        return
    if address.is_read_only:
        raise StoreError(
            "The experience store needs to be brought up to date, and may not be written to.",
            got=address.shown,
            fix="Let its owner open it once with this version, or copy it to a place of yours.",
        )
    _write_schema(connection, address, version)


def _check_columns(connection: Connection, address: Address) -> None:
    present = {column["name"] for column in inspect(connection).get_columns(EXPERIENCES.name)}
    missing = [column.name for column in EXPERIENCES.columns if column.name not in present]
    if missing:
        raise StoreError(
            "The database lacks columns that an experience store has.",
            got=f"{address.shown} without {', '.join(missing)}",
            fix=ANOTHER_STORE,
        )


def _version(connection: Connection, address: Address) -> int | None:
    """Return the version of the schema, None where none is written.

    Raises:
        StoreError: A version that this xautolm does not know.
    """
    version = connection.execute(select(SCHEMA.c.version).order_by(SCHEMA.c.id)).scalar()
    if version is None:
        return None
    if not isinstance(version, int) or version < 1:
        raise StoreError(
            "The experience store's schema has a version that there never was.",
            got=f"{address.shown} with schema {str(version)[:40]!r}",
            fix=ANOTHER_STORE,
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            "The experience store was written by a newer xautolm.",
            got=f"{address.shown} with schema {version}; this version knows up to {SCHEMA_VERSION}",
            fix="Upgrade xautolm, or use another store with --store.",
        )
    return version


def _write_schema(connection: Connection, address: Address, version: int | None) -> None:
    """Make what is missing, and take the steps from an older version to this one."""
    connection.rollback()
    if address.url.get_backend_name() == "sqlite":
        # Write-ahead logging: several searches can write to one store while others read.
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    metadata.create_all(connection)
    if version is None:
        connection.execute(insert(SCHEMA).values(id=1, version=SCHEMA_VERSION))
    for step in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        MIGRATIONS[step](connection)
        connection.execute(SCHEMA.update().values(version=step + 1))
    connection.commit()
