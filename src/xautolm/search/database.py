"""The database that a run's study lies in: opened safely, checked, and set aside if it is damaged."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xautolm.errors import RunFolderError, SearchEndedError
from xautolm.objectives import Direction, Objective, Objectives, numbered_objectives
from xautolm.search.plain_names import PlainNames

if TYPE_CHECKING:
    import optuna

NAME = "search"
"""Of a study that belongs to no run."""
EARLIER_NAME = "xautolm"
"""Of every run's study in earlier versions, where parameters had the names of their sites."""
OBJECTIVES = "objectives"
"""User attribute of a study: the names of its objectives."""
FILE_START = "sqlite:///"
"""How the URL of a file begins; the path behind it is taken as it is, whatever characters it has."""
LOCK_SECONDS = 30.0
"""How long to wait for another program, such as optuna-dashboard, that has locked the file."""
SET_ASIDE = ".damaged"
"""What the name of a damaged database gets behind it."""
COMPANIONS = ("-wal", "-shm", "-journal")
"""Ends of the names of the files that SQLite keeps beside a database; a database that is gone leaves them behind, and
SQLite would write what they hold into the next one."""
MACHINE_TROUBLE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)
"""Primary result codes of SQLite that say something about the machine and nothing about the file."""
PRIMARY_CODE = 0xFF
"""Mask of SQLite's primary result code in an extended one."""


def file_url(path: Path) -> str:
    """Return SQLAlchemy's URL of a database file."""
    return f"{FILE_START}{path}"


def file_of(url: str | None) -> Path | None:
    """Return the file that a URL names, or nothing for a database in memory or on a server."""
    if url is None or not url.startswith(FILE_START):
        return None
    # Without a path it is SQLite's database in memory.
    if url == FILE_START:
        return None
    return Path(url.removeprefix(FILE_START))


def open_database(
    url: str | None, objectives: Objectives, name: str = NAME, names: PlainNames | None = None
) -> optuna.Study:
    """Open the study in a database, a new one if there is none; its sampler is one that never does anything.

    Args:
        url: SQLAlchemy URL; in memory if None.
        objectives: Names and directions.
        name: The study's.
        names: Those of its parameters; a study of an earlier version is brought to them.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _durable_storage(url) if url else None
    if storage is not None and names is not None:
        _rename_earlier(storage, name, names)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[objective.direction.value for objective in objectives],
        sampler=optuna.samplers.RandomSampler(seed=0),
        load_if_exists=True,
    )
    if not study.user_attrs:
        metric_names = [objective.name for objective in objectives]
        study.set_user_attr(OBJECTIVES, metric_names)
        with warnings.catch_warnings():
            # Experimental since Optuna 3.2; optuna-dashboard shows the names.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(metric_names)
    return study


def _rename_earlier(storage: optuna.storages.RDBStorage, name: str, names: PlainNames) -> None:
    """Give a study of an earlier version the run's name, and its parameters their plain names.

    Optuna can rename neither, so the trials are copied under their numbers.
    """
    import optuna

    study_names = optuna.get_all_study_names(storage)
    if EARLIER_NAME not in study_names:
        return
    # The earlier study goes last, so the copy beside it is of a process that was killed in between.
    if name in study_names:
        optuna.delete_study(study_name=name, storage=storage)
    earlier = optuna.load_study(study_name=EARLIER_NAME, storage=storage)
    study = optuna.create_study(storage=storage, study_name=name, directions=earlier.directions)
    # Also what a person wrote with a tool of Optuna, such as the notes of optuna-dashboard.
    for attribute, value in earlier.user_attrs.items():
        study.set_user_attr(attribute, value)
    for attribute, value in earlier._storage.get_study_system_attrs(earlier._study_id).items():
        study._storage.set_study_system_attr(study._study_id, attribute, value)
    for trial in earlier.get_trials(deepcopy=False):
        study.add_trial(names.to_record(trial))
    optuna.delete_study(study_name=EARLIER_NAME, storage=storage)


def objectives_of_study(study: optuna.Study) -> tuple[Objective, ...]:
    """Return the objectives of a study, by number where it does not name them."""
    directions: list[Direction] = []
    for direction in study.directions:
        # Optuna's enum has numbers as values, ours the names.
        directions.append(Direction(direction.name.lower()))
    objectives = numbered_objectives(directions)
    names = study.user_attrs.get(OBJECTIVES)
    # A study of another program has directions only.
    if names is None or len(names) != len(objectives):
        return objectives
    named: list[Objective] = []
    for objective, name in zip(objectives, names, strict=True):
        named.append(replace(objective, name=name))
    return tuple(named)


def open_checked(
    url: str | None,
    objectives: Objectives,
    name: str,
    names: PlainNames,
    say: Callable[[str], None],
) -> optuna.Study:
    """Open the study in a database; a damaged one is set aside, and a new one takes its place.

    Args:
        url: SQLAlchemy URL; in memory if None.
        objectives: Names and directions.
        name: The study's.
        names: Those of its parameters.
        say: Told what was wrong.

    Raises:
        RunFolderError: The database is locked, or cannot be read or written.
    """
    path = file_of(url)
    if path is not None and (not path.exists() or path.stat().st_size == 0):
        _remove_companions(path)
    try:
        study = open_database(url, objectives, name, names)
        _check(study, objectives)
        return study
    except Exception as error:  # whatever a damaged file makes of SQLite, SQLAlchemy and Optuna
        reason = _reason(error)
        if path is None or not path.exists() or _is_machine_trouble(error):
            raise RunFolderError(
                "The study's database cannot be opened.", got=f"{path or url}: {reason}"
            ) from None
    damaged = set_aside(path)
    say(
        f"{path.name} could not be read ({reason}); it is kept as {damaged.name}, and a new one is made of the trials"
    )
    return open_database(url, objectives, name, names)


def set_aside(path: Path) -> Path:
    """Give a database another name; returns that."""
    place = path.with_name(path.name + SET_ASIDE)
    path.replace(place)
    _remove_companions(path)
    return place


@contextmanager
def database_errors(study: optuna.Study) -> Iterator[None]:
    """Turn trouble with a study's database into the error that ends a search.

    Raises:
        SearchEndedError: The database cannot be read or written any more.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        place = file_of(str(getattr(_backend(study), "url", ""))) or "the study's database"
        raise SearchEndedError(
            "The study's database cannot be written, so the search ends here.",
            got=f"{place}: {_reason(error)}",
            fix="Make room if the disk is full; the same command goes on from here.",
        ) from None


def close_database(study: optuna.Study) -> None:
    """Let go of a study's database; SQLite then needs its companion files no more."""
    engine = getattr(_backend(study), "engine", None)
    if engine is not None:
        _backend(study).scoped_session.remove()
        engine.dispose()


def _durable_storage(url: str) -> optuna.storages.RDBStorage:
    """Return Optuna's storage; SQLite in write-ahead mode, and safe against a power cut."""
    import optuna
    from sqlalchemy import QueuePool

    path = file_of(url)
    if path is None:
        return optuna.storages.RDBStorage(url)

    def connect() -> sqlite3.Connection:
        # SQLAlchemy's pool hands a connection on from one thread to another, one at a time.
        connection = sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        # With NORMAL, a power cut may take the last trials along. A trial needs some ten commits, which is little.
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    # SQLAlchemy would cut a path at a question mark, and read percent signs as escapes.
    storage = optuna.storages.RDBStorage(
        "sqlite://", engine_kwargs={"creator": connect, "poolclass": QueuePool}
    )
    storage.url = url
    return storage


def _check(study: optuna.Study, objectives: Objectives) -> None:
    """Read a study to its end.

    Raises:
        Exception: Anything at all: the file is damaged.
    """
    import optuna
    from sqlalchemy import text

    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    # Adding a trial to a study is the check that Optuna offers.
    scratch = optuna.create_study(directions=study.directions)
    scratch.add_trials(ended)
    if len(study.directions) != len(objectives):
        raise ValueError(f"a study of {len(study.directions)} objectives")
    engine = getattr(_backend(study), "engine", None)
    # Optuna has read the trials; pages of the file that it did not need are left to SQLite's own check.
    if engine is not None and engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA quick_check")).scalar()
        if verdict != "ok":
            raise ValueError(str(verdict).splitlines()[0])


def _backend(study: optuna.Study) -> Any:
    """Return the storage of a study below Optuna's cache."""
    return getattr(study._storage, "_backend", study._storage)


def _remove_companions(path: Path) -> None:
    for end in COMPANIONS:
        path.with_name(path.name + end).unlink(missing_ok=True)


def _is_machine_trouble(error: BaseException) -> bool:
    """Return whether SQLite complains of the machine, not of what the file holds."""
    code = getattr(_origin(error), "sqlite_errorcode", None)
    if code is None:
        return False
    primary_code = code & PRIMARY_CODE
    return primary_code in MACHINE_TROUBLE


def _origin(error: BaseException) -> BaseException:
    """Return the driver's error below those of Optuna and SQLAlchemy."""
    below = error
    while True:
        # SQLAlchemy keeps the driver's error as `orig`, Optuna raises its own from SQLAlchemy's.
        deeper = getattr(below, "orig", None) or below.__cause__
        if deeper is None:
            return below
        below = deeper


def _reason(error: BaseException) -> str:
    """Return an error in a few words."""
    origin = _origin(error)
    lines = str(origin).splitlines()
    return lines[0] if lines else type(origin).__name__
