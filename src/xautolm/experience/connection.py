"""How the database of a store is reached, and what its troubles are called."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from xautolm.errors import StoreError
from xautolm.settings import SECRET_KEYS

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another program's lock on the store, and for a server to answer."""
SQLITE_DRIVERS = {"sqlite", "sqlite+pysqlite"}
POSTGRESQL_DRIVERS = {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
"""Those that take the parameters of libpq."""
FILE_PARAMETERS = {"uri", "mode", "immutable"}
"""Parameters of an SQLite file's URL that say how it is opened."""
HIGHEST_PORT = 65_535
OTHER_STORE = "use another store with --store, or set XAUTOLM_STORE."
ANOTHER_STORE = f"U{OTHER_STORE[1:]}"

TROUBLES = (
    (
        r"is locked|lock timeout|could not obtain lock|deadlock",
        f"Another program has kept the experience store locked for {LOCK_TIMEOUT:.0f} s.",
        "End what writes to it, and try again.",
    ),
    (
        r"is full|no space left|disk full|could not extend|quota",
        "There is no room left on the disk of the experience store.",
        f"Free some, or {OTHER_STORE}",
    ),
    (
        r"readonly|read-only|permission denied|not permitted|insufficient privilege",
        "The experience store cannot be written to.",
        f"Ask for the right to write, or {OTHER_STORE}",
    ),
    (r"not a database", "The file is not a database of experiences.", ANOTHER_STORE),
    (
        r"malformed|corrupt|disk i/o error",
        "The database of the experience store is damaged, or its disk is.",
        f"Restore it from a copy, or {OTHER_STORE}",
    ),
    (
        r"authentication failed|no password supplied|access denied",
        "The database of the experience store refuses the login.",
        "Mend user and password in its URL.",
    ),
    (
        r"database .* does not exist|unknown database",
        "The server has no database of that name.",
        "Create it, or mend the name at the end of the URL.",
    ),
    (
        r"no such table|no such column|has no column|undefined ?(table|column)|relation .* does not exist|"
        r"column .* does not exist|datatype mismatch",
        "The database lacks tables or columns that an experience store has.",
        ANOTHER_STORE,
    ),
    (
        r"connection refused|could not connect|can't connect|could not translate host|name or service not known|"
        r"connection .*(failed|closed|timed out|timeout|reset)|server closed|terminat|timeout expired|"
        r"no route to host|too many (clients|connections)|starting up|shutting down",
        "The database of the experience store does not answer.",
        "Start it, or mend host and port in its URL.",
    ),
    (
        r"unable to open database file|not a directory|is a directory|file exists|no such file",
        "The experience store cannot be opened or made at this place.",
        ANOTHER_STORE,
    ),
)
"""What a database's own message tells of (looked for in this order), what a person is told, and what to do."""

WORDS_FOR_NO_STORE = frozenset({"none", "null", "no", "off", "false"})
"""What people write who want no store, and never as the name of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store is."""

    url: URL
    file: Path | None
    """The SQLite file; None for other databases, for one in memory, and where the URL has parameters of its own."""
    for_reading: bool = False
    """Whether the location itself asks for nothing but reading (`?mode=ro`)."""

    @property
    def shown(self) -> str:
        """Return the location for people, without any password."""
        hidden = {name: "***" for name in self.url.query if SECRET_KEYS.search(name)}
        url = self.url.update_query_dict(hidden)
        text = url.render_as_string(hide_password=True)
        # In a query, stars are written as escapes.
        return text.replace("%2A%2A%2A", "***")

    @property
    def is_read_only(self) -> bool:
        """Return whether the store is there but may not be written to.

        A file without any permission to write counts as such for an administrator too, who could write to it.
        """
        if self.for_reading:
            return True
        if self.file is None or not os.path.exists(self.file):
            return False
        return not (_may_write(self.file) and _may_write(self.file.parent))


def read_address(location: str) -> Address:
    """Return where a store is.

    Args:
        location: A database URL, or the path of an SQLite file.

    Raises:
        StoreError: Neither; the message shows no password.
    """
    if not location.strip() or "\0" in location:
        raise StoreError(
            "This is no place for an experience store.", got=repr(location), fix=ANOTHER_STORE
        )
    if location.strip().lower() in WORDS_FOR_NO_STORE:
        raise StoreError(
            "A search keeps its experiences; this would be a file of that name.",
            got=location,
            fix=f"For a store that nothing is left of: sqlite://. For a file of that name: ./{location.strip()}.",
        )
    if "://" not in location:
        return _file_address(location)
    url = _parsed_url(location)
    path = url.database or ""
    if url.query:
        # SQLite reads the path of a URL with parameters as that of a URI.
        path = unquote(path).removeprefix("file:")
    has_own_parameters = bool(set(url.query) - FILE_PARAMETERS)
    if url.drivername not in SQLITE_DRIVERS or has_own_parameters or path in {"", ":memory:"}:
        return Address(url=url, file=None)
    for_reading = url.query.get("mode") == "ro" or "immutable" in url.query
    return _file_address(path, for_reading=for_reading)


def _file_address(path: str, *, for_reading: bool = False) -> Address:
    file = Path(path).expanduser().absolute()
    url = URL.create("sqlite", database=str(file))
    return Address(url=url, file=file, for_reading=for_reading)


def make_engine(address: Address) -> Engine:
    """Return the engine for a store; nothing is opened yet."""
    if address.url.drivername not in SQLITE_DRIVERS:
        return create_engine(
            address.url, pool_pre_ping=True, connect_args=_server_patience(address.url)
        )
    if address.file is None:
        engine = create_engine(address.url, connect_args={"timeout": LOCK_TIMEOUT})
    else:
        connect = _reader(address.file) if address.is_read_only else _writer(address.file)
        # A connection that is kept would go on writing into a file that was deleted.
        engine = create_engine(address.url, creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        # A text that is not UTF-8 would otherwise end the reading of all rows.
        connection.text_factory = _decoded

    return engine


def _server_patience(url: URL) -> dict[str, int | str]:
    """Return what limits waiting for a server, where it is known how: PostgreSQL waits for a lock for ever."""
    if url.drivername not in POSTGRESQL_DRIVERS:
        return {}
    milliseconds = int(LOCK_TIMEOUT * 1000)
    # The user's own settings, of a schema for instance, come last: of two values the server takes the second.
    own_options = url.query.get("options", ())
    if isinstance(own_options, str):
        own_options = (own_options,)
    patience: dict[str, int | str] = {
        "options": " ".join([f"-c lock_timeout={milliseconds}", *own_options])
    }
    if "connect_timeout" not in url.query:
        patience["connect_timeout"] = int(LOCK_TIMEOUT)
    return patience


@contextmanager
def store_errors(address: Address) -> Iterator[None]:
    """Turn whatever a database raises into a `StoreError` that names its cause."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StoreError(
            "The database needs a driver that is not installed.",
            got=f"{address.shown} needs {error.name}",
            fix="Install it; for PostgreSQL, `pip install 'xautolm[postgres]'` and begin with postgresql+psycopg://",
        ) from None
    except (
        SQLAlchemyError,
        sqlite3.Error,
        OSError,
        ValueError,
        TypeError,
        ArithmeticError,
    ) as error:
        raise _trouble(error, address) from None


def without_password(location: str) -> str:
    """Return a location, which need not be a valid URL, without what may be a password in it."""
    return re.sub(r"(?<=://).*@", "***@", location, flags=re.DOTALL)


def _parsed_url(location: str) -> URL:
    """Return a URL, checked.

    Raises:
        StoreError: It is none, has a port that is none, or names no database system.
    """
    scheme = location.partition("://")[0]
    example = "postgresql+psycopg://user:password@host:5432/database, or the path of a file"
    got = without_password(location)
    advice = f"Write {example}. In a password, @ : and / are written %40 %3A and %2F."
    try:
        url = make_url(location)
        url.get_dialect()
    except NoSuchModuleError:
        raise StoreError(
            f"The experience store cannot be opened: no kind of database is called {scheme!r}.",
            got=got,
            fix=f"Write {example}.",
        ) from None
    except ModuleNotFoundError:
        pass  # a driver that is missing is said when the store is opened
    except (ArgumentError, ValueError):
        problem = "The experience store cannot be opened: this is not a valid database URL."
        raise StoreError(problem, got=got, fix=advice) from None
    if url.port is not None and not 0 < url.port <= HIGHEST_PORT:
        raise StoreError(f"A port is a number from 1 to {HIGHEST_PORT}.", got=got, fix=advice)
    if url.get_backend_name() == "sqlite" and url.host:
        raise StoreError(
            "The path of an SQLite file begins with three or four slashes.",
            got=got,
            fix="Write sqlite:////folder/file.db, or the path alone.",
        )
    return url


def _trouble(error: Exception, address: Address) -> StoreError:
    """Return what a person is told of a database's error."""
    # SQLAlchemy wraps the error of the driver, and some errors have no text.
    driver_error = getattr(error, "orig", None) or error
    cause = str(driver_error) or type(error).__name__
    first_line = cause.strip().partition("\n")[0]
    reason = first_line[:300]
    password = address.url.password
    # An error may quote the address that the driver was given.
    if password:
        reason = reason.replace(password, "***")
    got = f"{address.shown}: {without_password(reason)}"
    # The first that fits, since some messages fit several.
    for pattern, sentence, advice in TROUBLES:
        if re.search(pattern, cause, re.IGNORECASE):
            return StoreError(sentence, got=got, fix=advice)
    return StoreError("The database of the experience store failed.", got=got, fix=ANOTHER_STORE)


def _may_write(path: Path) -> bool:
    any_permission = 0o222
    if not os.access(path, os.W_OK):
        return False
    # Administrators pass that check whatever the permissions are.
    permissions = path.stat().st_mode
    return bool(permissions & any_permission)


def _writer(file: Path) -> Callable[[], sqlite3.Connection]:
    """Return what opens an SQLite file that is there; one that is not there any more is not made anew."""

    def connect() -> sqlite3.Connection:
        return _connected(file, "mode=rw")

    return connect


def _reader(file: Path) -> Callable[[], sqlite3.Connection]:
    """Return what opens an SQLite file without writing to it, or leaving anything beside it."""
    log = file.with_name(f"{file.name}-wal")

    def connect() -> sqlite3.Connection:
        if not log.exists():
            # Nobody writes. Told so, SQLite makes no files of its own, which it would even to read.
            return _connected(file, "mode=ro&immutable=1")
        connection = _connected(file, "mode=ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            connection.close()
            return _read_copy(file, log)
        return connection

    return connect


def _read_copy(file: Path, log: Path) -> sqlite3.Connection:
    """Return a connection to a copy in memory of a file and of the writes that still lie in the log beside it."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with TemporaryDirectory() as folder:
        for path in (file, log):
            copyfile(path, Path(folder) / path.name)
        copy = _connected(Path(folder) / file.name, "mode=rw")
        copy.backup(memory)
        copy.close()
    return memory


def _connected(file: Path, mode: str) -> sqlite3.Connection:
    # A path may hold `?` and `#`, which would end it in a URI.
    path = quote(str(file))
    uri = f"file:{path}?{mode}"
    return sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, check_same_thread=False)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
