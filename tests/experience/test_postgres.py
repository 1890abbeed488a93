"""A store on a PostgreSQL server that a team shares: two searches at once, and a server that crashes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import patience
from tests.played import play
from tests.postgres import PostgresServer, binaries
from xautolm import AutoLM, ExperienceStore
from xautolm.errors import StoreError
from xautolm.records import Experience, TrialOutcome, TrialSpec
from xautolm.report.page import StoreFilter
from xautolm.report.screen import Quiet
from xautolm.store_view import StoreView
from xautolm.testing import FakeExecutor

pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
PROGRAMS = binaries()
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(PROGRAMS is None, reason="no package carries PostgreSQL for this system"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    assert PROGRAMS is not None
    server = PostgresServer(PROGRAMS)
    server.start()
    yield server
    server.close()


@pytest.fixture
def server(running: PostgresServer) -> PostgresServer:
    """Give each test an empty store."""
    with ExperienceStore(running.url) as store:
        store.delete([experience.id for experience in store.experiences()])
    return running


def test_a_store_on_a_server_does_what_one_in_a_file_does(
    server: PostgresServer, experience: Experience
) -> None:
    later = replace(experience, id="b" * 24, created="2999-01-01T00:00:00+00:00")
    with ExperienceStore(server.url) as mine, ExperienceStore(server.url) as theirs:
        assert mine.add([experience]) == 1
        # What another has added is there at once, and is not added twice.
        assert theirs.add([experience, later]) == 1
        assert [entry.id for entry in mine.experiences()] == [later.id, experience.id]
        assert mine.get("b" * 6) == later
        assert mine.counts()["task"] == {experience.task: 2}
        assert "secret" not in mine.name
        assert mine.delete([later.id]) == 1 and len(theirs) == 1


def test_its_page_counts_filters_and_searches(
    server: PostgresServer, experience: Experience
) -> None:
    later = replace(experience, id="b" * 24, created="2999-01-01T00:00:00+00:00")
    with ExperienceStore(server.url) as store:
        store.add([experience, later])
    view = StoreView(server.url)
    content = view.content(StoreFilter())
    assert (content.total, content.matching, content.data[0].trials) == (2, 2, 2)
    assert [trial.id for trial in content.trials] == [later.id, experience.id]
    assert "secret" not in content.name
    model = experience.configuration.model
    assert view.content(StoreFilter(text=model.upper())).matching == 2
    assert view.content(StoreFilter(model="another")).trials == []


def test_the_first_two_that_come_make_the_tables_together(server: PostgresServer) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE experiences, xautolm_schema"))
    engine.dispose()
    both = threading.Barrier(2)
    errors: list[StoreError] = []

    def come() -> None:
        both.wait()
        try:
            ExperienceStore(server.url).close()
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=come) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with ExperienceStore(server.url) as store:
        assert len(store) == 0


def test_two_searches_share_a_store_whose_server_crashes_in_between(
    server: PostgresServer, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    trials = 6
    both_run = threading.Barrier(2)

    class Crashing(FakeExecutor):
        """Lets the server crash in the middle of both searches, and come again two trials later."""

        def __init__(self, name: str) -> None:
            super().__init__(play)
            self.name = name

        def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
            played = len(self.specs)
            if played in (2, 4):
                # The other one is between two trials as well.
                both_run.wait(timeout=patience(60))
                if self.name == "first":
                    act = server.kill if played == 2 else server.start
                    act()
                both_run.wait(timeout=patience(60))
            return super().finished(timeout)

    runs: dict[str, AutoLM] = {}

    def search(name: str, seed: int) -> None:
        auto = AutoLM(
            out=str(tmp_path / name),
            store=server.url,
            sampler="random",
            seed=seed,
            device="cpu",
            models="minilm-l2",
            trials=trials,
        )
        runs[name] = auto.fit(tickets, screen=Quiet(), executor=Crashing(name))

    threads = [
        threading.Thread(target=search, args=("first", 1)),
        threading.Thread(target=search, args=("second", 2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(runs) == {"first", "second"}
    with ExperienceStore(server.url) as store:
        stored = store.experiences()
    for auto in runs.values():
        own = {entry.trial for entry in stored if entry.run == auto.info_.id}
        assert own == {entry.trial for entry in auto.experiences_} and len(own) == trials


@pytest.mark.parametrize("options", ["", "?options=-csearch_path%3Dpublic"])
def test_nobody_waits_for_a_lock_without_end(
    server: PostgresServer, experience: Experience, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    from sqlalchemy import create_engine, text

    monkeypatch.setattr("xautolm.experience.connection.LOCK_TIMEOUT", 2.0)
    engine = create_engine(server.url)
    with ExperienceStore(f"{server.url}{options}") as store:
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE experiences IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(StoreError, match="has kept the experience store locked"):
                store.add([experience])
        assert store.add([experience]) == 1
    engine.dispose()


def test_a_server_that_is_not_there_is_said_before_a_search(
    server: PostgresServer, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    def never(spec: TrialSpec) -> TrialOutcome:
        raise AssertionError("a trial was begun")

    gone = server.url.replace(f":{server.port}/", ":1/")
    auto = AutoLM(out=str(tmp_path / "run"), store=gone, device="cpu", trials=1)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1") as told:
        auto.fit(tickets, screen=Quiet(), executor=FakeExecutor(never))
    assert "secret" not in str(told.value)
