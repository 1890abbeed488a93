"""Whatever becomes of a database, the store raises a `StoreError` that names the cause, and nothing else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from xautolm.errors import StoreError
from xautolm.experience import ExperienceStore, connection
from xautolm.experience.connection import read_address
from xautolm.records import Experience

Act = Callable[[ExperienceStore, Experience], object]
ACTS: dict[str, Act] = {
    "add": lambda store, experience: store.add([replace(experience, id="b" * 24)]),
    "experiences": lambda store, experience: store.experiences(),
    "get": lambda store, experience: store.get("a1"),
    "delete": lambda store, experience: store.delete([experience.id]),
    "counts": lambda store, experience: store.counts(),
    "length": lambda store, experience: len(store),
}


@pytest.fixture
def path(experience: Experience, tmp_path: Path) -> Path:
    """A store with one experience."""
    path = tmp_path / "s.db"
    with ExperienceStore(path) as store:
        store.add([experience])
    return path


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_a_file_that_vanished_is_said_and_not_made_anew(
    path: Path, act: Act, experience: Experience
) -> None:
    with ExperienceStore(path) as store:
        for file in path.parent.glob("s.db*"):
            file.unlink()
        with pytest.raises(StoreError, match="cannot be opened or made at this place"):
            act(store, experience)
    assert not path.exists()


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_tables_that_vanished(path: Path, act: Act, experience: Experience) -> None:
    with ExperienceStore(path) as store:
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE experiences")
        with pytest.raises(StoreError, match=r"lacks tables or columns(.|\n)*no such table"):
            act(store, experience)


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_a_file_that_became_garbage(path: Path, act: Act, experience: Experience) -> None:
    with ExperienceStore(path) as store:
        for log in path.parent.glob("s.db-*"):
            log.unlink()
        path.write_bytes(b"garbage " * 1000)
        with pytest.raises(StoreError, match="not a database"):
            act(store, experience)


@pytest.mark.parametrize("act", ["add", "delete"])
def test_a_lock_is_waited_for_and_then_named(
    path: Path, act: str, experience: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_TIMEOUT", 0.1)
    with ExperienceStore(path) as store:
        holder = sqlite3.connect(path)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked for 30 s"):
            ACTS[act](store, experience)
        assert len(store.experiences()) == 1  # a lock on writing keeps nobody from reading
        holder.rollback()
        assert store.add([replace(experience, id="b" * 24)]) == 1
        holder.close()


def test_a_full_disk(path: Path, experience: Experience) -> None:
    with ExperienceStore(path) as store:

        @event.listens_for(store.engine, "connect")
        def limit_size(opened: sqlite3.Connection, _: object) -> None:
            opened.execute("PRAGMA max_page_count = 1")  # SQLite then answers as on a full disk

        many = [replace(experience, id=f"{number:024x}") for number in range(200)]
        with pytest.raises(StoreError, match="no room left"):
            store.add(many)


def test_a_store_without_permission_to_write_is_read(path: Path, experience: Experience) -> None:
    path.chmod(0o444)
    with ExperienceStore(path) as store:
        assert store.read_only and store.experiences() == [experience]
        assert [
            note for note in store.notes if "nothing will be added" in note and str(path) in note
        ]
        for act in ("add", "delete"):
            with pytest.raises(StoreError, match="may not be written to"):
                ACTS[act](store, experience)
    assert not list(path.parent.glob("s.db-*"))


@pytest.mark.parametrize("form", ["sqlite:///{}?mode=ro", "sqlite:///file:{}?mode=ro&uri=true"])
def test_a_location_that_asks_for_reading(path: Path, experience: Experience, form: str) -> None:
    with ExperienceStore(form.format(path)) as store:
        assert store.read_only and store.experiences() == [experience]
    with pytest.raises(StoreError, match="no experience store here"):
        ExperienceStore(form.format(path.with_name("none.db")))


def test_a_store_with_a_log_beside_which_nothing_can_be_made_is_read_whole(
    path: Path, tmp_path: Path
) -> None:
    holder = sqlite3.connect(path)
    holder.execute("UPDATE experiences SET trial = 77")
    holder.commit()
    log = path.with_name("s.db-wal")
    assert log.stat().st_size > 0
    copy = connection._read_copy(path, log)
    assert copy.execute("SELECT trial FROM experiences").fetchall() == [(77,)]
    copy.close()
    reader = connection._reader(path)()
    assert reader.execute("SELECT trial FROM experiences").fetchall() == [(77,)]
    reader.close()
    holder.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE xautolm_schema SET version = 99", "newer xautolm"),
        ("UPDATE xautolm_schema SET version = -1", "never was"),
        ("UPDATE xautolm_schema SET version = 'x'", "never was"),
        ("ALTER TABLE experiences DROP COLUMN failure", r"lacks columns(.|\n)*without failure"),
    ],
)
def test_schemas_that_are_wrong_are_refused_and_left_alone(
    path: Path, statement: str, message: str
) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
        before = database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(StoreError, match=message):
        ExperienceStore(path)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before


def test_a_store_without_a_version_gets_one(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE xautolm_schema")
    with ExperienceStore(path) as store:
        assert len(store) == 1


def test_another_programs_database_is_not_made_a_store(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("CREATE TABLE studies (study_id INTEGER)")
    with pytest.raises(StoreError, match=r"something else(.|\n)*studies"):
        ExperienceStore(tmp_path / "study.db")
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("studies",)]


@pytest.mark.parametrize("content", [None, b""])
def test_a_store_that_must_exist_is_not_made(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none" / "s.db"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(StoreError, match="no experience store here"):
        ExperienceStore(path, must_exist=True)
    assert path.parent.exists() == (content is not None)


@pytest.mark.parametrize("name", ["a?b.db", "a#b.db", "a%20b.db", "a b.db", "ä.db", "file:x.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str, experience: Experience) -> None:
    with ExperienceStore(tmp_path / name) as store:
        store.add([experience])
    assert (tmp_path / name).is_file()
    with ExperienceStore(tmp_path / name, must_exist=True) as store:
        assert store.experiences() == [experience]


SECRETIVE = [
    ("postgresql://u:secret@h:abc/d", "not a valid database URL"),
    ("postgresql://u:secret@h:99999/d", "A port is a number"),
    ("postgresql://u:secret@h:0/d", "A port is a number"),
    ("postgresql://u:se/secret:x@h:y@z/d", "not a valid database URL"),
    ("postgres://u:secret@h/d", "no kind of database"),
    ("nodatabase://u:secret@h/d", "no kind of database"),
    ("postgresql+nodriver://u:secret@h/d", "no kind of database"),
    ("sqlite://u:secret@h/x.db", "three or four slashes"),
]


@pytest.mark.parametrize(("location", "message"), SECRETIVE)
def test_locations_that_are_none_are_refused_without_the_password(
    location: str, message: str
) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        ExperienceStore(location)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize("location", ["none", "None", "off", " no "])
def test_a_word_for_no_store_is_no_file(location: str) -> None:
    with pytest.raises(StoreError, match="sqlite://") as raised:
        read_address(location)
    assert f"./{location.strip()}" in str(raised.value)
    assert read_address("./none").file is not None


@pytest.mark.parametrize("location", ["", "  ", "a\0b"])
def test_no_location(location: str) -> None:
    with pytest.raises(StoreError, match="no place for"):
        ExperienceStore(location)


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://u:secret@127.0.0.1:1/d",
        "postgresql+psycopg://u:secret@127.0.0.1:1/d",
        "postgresql://127.0.0.1:1/d?user=u&password=secret",
        "mysql://u:secret@127.0.0.1:1/d",
    ],
)
def test_a_server_that_does_not_answer_or_whose_driver_is_missing(location: str) -> None:
    with pytest.raises(StoreError, match=r"does not answer|needs a driver") as caught:
        ExperienceStore(location)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("driver_message", "sentence"),
    [
        ('connection to server at "h", port 5432 failed: Connection refused', "does not answer"),
        ("server closed the connection unexpectedly", "does not answer"),
        ("terminating connection due to administrator command", "does not answer"),
        (
            'connection failed: FATAL:  password authentication failed for user "u"',
            "refuses the login",
        ),
        ('could not extend file "base/1": No space left on device', "no room left"),
        ("permission denied for table experiences", "cannot be written to"),
        ("cannot execute INSERT in a read-only transaction", "cannot be written to"),
        ('relation "experiences" does not exist', "lacks tables or columns"),
        ('column "failure" of relation "experiences" does not exist', "lacks tables or columns"),
        ('connection failed: FATAL:  database "d" does not exist', "no database of that name"),
        ("failed to resolve host 'h': Name or service not known", "does not answer"),
        ("canceling statement due to lock timeout", "locked for 30 s"),
        ("something that nobody foresaw, about secret", "failed"),
    ],
)
def test_what_postgresql_says_is_named(driver_message: str, sentence: str) -> None:
    address = read_address("postgresql://u:secret@h/d")
    with pytest.raises(StoreError, match=sentence) as caught, connection.store_errors(address):
        raise OSError(driver_message)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="an administrator may write anywhere"
)
def test_a_home_that_cannot_be_written_to_names_the_way_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    with pytest.raises(StoreError, match="--store"):
        ExperienceStore(home / ".local" / "experience.db")


def test_a_place_that_is_none_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "s.db", tmp_path, Path("/proc/none/s.db")):
        with pytest.raises(StoreError, match="--store"):
            ExperienceStore(place)
