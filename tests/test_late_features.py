"""Meta-features beside the first trials: who measures them, when they are waited for, what a failure costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.played import table_for
from tests.test_merging import Noting
from xautolm.description import is_whole, known_description
from xautolm.finetuning.describing import run
from xautolm.late_features import GRACE, LAST_WAIT, LateFeatures
from xautolm.loop import search
from xautolm.options import FitOptions
from xautolm.records import Features, Place, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.serialization import read_record
from xautolm.session import Session, open_session
from xautolm.tasks import TASKS
from xautolm.testing import FakeExecutor, success

pytestmark = pytest.mark.usefixtures("own_features")

MEASURED: Features = {"classification.v1": (1.0,), "system.v1": (2.0,)}


class FakeLauncher:
    """Starts nothing; its child runs until it is told to have ended."""

    def __init__(self) -> None:
        self.launched: list[tuple[Path, str]] = []
        self.looks_left = 0
        """How often the child is still found running."""

    def launch(self, folder: Path, entry: str) -> int:
        self.launched.append((folder, entry))
        return 2**22 + 1  # no process has such a number

    def is_running(self, folder: Path) -> bool:
        self.looks_left -= 1
        return self.looks_left >= 0

    def exits(self) -> Mapping[Path, int | None]:
        return {}

    def close(self) -> None:
        """Nothing to close."""


class Measured:
    """Counts how often features are measured and noted."""

    def __init__(self) -> None:
        self.times = 0
        self.noted: list[Features] = []

    def measure(self) -> Features:
        self.times += 1
        return MEASURED


@pytest.fixture
def session(tmp_path: Path, tickets: pd.DataFrame) -> Any:
    options = {
        "models": "minilm-l2",
        "device": "cpu",
        "trials": 2,
        "sampler": "random",
        "out": str(tmp_path / "run"),
    }
    executor = FakeExecutor(lambda spec: success(f1_macro=0.5))
    made = open_session(tickets, FitOptions.parse(options), Quiet(), executor)
    yield made
    made.close()


def order(session: Session) -> TrialSpec:
    on_processor = Place(device="cpu")
    default = session.scenario.space.default()
    return session.spec(0, default, session.scenario.limits, on_processor, "")


def late(tmp_path: Path, launcher: FakeLauncher | None, measured: Measured) -> LateFeatures:
    return LateFeatures(
        measure=measured.measure,
        note=measured.noted.append,
        launcher=launcher,
        folder=tmp_path / "features",
    )


def test_a_child_is_started_once_and_waited_for(tmp_path: Path, session: Session) -> None:
    launcher, measured = FakeLauncher(), Measured()
    features = late(tmp_path, launcher, measured)
    features.begin(order(session))
    features.begin(order(session))
    assert launcher.launched == [(tmp_path / "features", "xautolm.finetuning.describing:run")]
    assert read_record(TrialSpec, tmp_path / "features" / "spec.json") == order(session)
    launcher.looks_left = 1
    assert not features.are_ready()
    launcher.looks_left = 3
    assert features.in_time(60.0, lambda: None) == MEASURED
    assert launcher.looks_left < 0, "it was not waited for"
    assert features.get() == MEASURED and features.are_ready()
    assert measured.times == 1 and measured.noted == [MEASURED]


def test_a_search_does_without_past_trials_where_the_data_is_described_too_late(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"models": "minilm-l6,minilm-l2", "device": "cpu", "sampler": "xautolm", "trials": 6}
    executor = FakeExecutor(lambda spec: success(f1_macro=0.5 + spec.number / 100))
    half = len(tickets) // 2
    past = FitOptions.parse({**options, "out": str(tmp_path / "past")})
    with open_session(tickets[:half], past, Quiet(), executor) as session:
        search(session)

    launcher, measured, screen = FakeLauncher(), Measured(), Noting()
    launcher.looks_left = 10**9
    features = late(tmp_path, launcher, measured)
    monkeypatch.setattr("xautolm.session._late_features", lambda run: features)
    monkeypatch.setattr("xautolm.late_features.LAST_WAIT", 0.1)
    now = FitOptions.parse({**options, "out": str(tmp_path / "now")})
    with open_session(tickets[half:], now, screen, executor) as session:
        assert session.opening.follows_store
        session.measure_features()
        experiences = search(session)
        assert not session.opening.follows_store
    assert len(experiences) == 6 and measured.times == 0
    assert any("the search goes on without past trials" in note for note in screen.notes)


@pytest.mark.parametrize(("left", "seconds"), [(math.inf, 120.0), (60.0, 6.0), (-5.0, 0.0)])
def test_what_is_waited_before_a_sampler_is_asked_is_a_share_of_the_budget(
    tmp_path: Path, left: float, seconds: float
) -> None:
    assert late(tmp_path, FakeLauncher(), Measured()).first_wait(left) == seconds


def test_the_last_trials_are_recorded_with_what_is_known_if_the_child_does_not_end(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(session)
    (experience, _) = session.store.experiences(session.info.task)
    monkeypatch.setattr("xautolm.late_features.LAST_WAIT", 0.1)
    launcher, measured = FakeLauncher(), Measured()
    launcher.looks_left = 10**9
    features = late(tmp_path, launcher, measured)
    features.begin(order(session))
    fresh = replace(experience, id="f" * 24, trial=9)
    waiting = replace(session, features=features)
    waiting.record([fresh])
    assert len(session.store.experiences(session.info.task)) == 2
    waiting.record([], are_last=True)
    recorded = {stored.id: stored for stored in session.store.experiences(session.info.task)}
    assert recorded[fresh.id].features == session.info.features
    assert measured.times == 0, "who waits for the end of a search does not measure"


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(math.inf, LAST_WAIT), (500.0, LAST_WAIT), (60.0, 60.0), (3.0, GRACE), (-5.0, GRACE)],
)
def test_the_last_wait_ends_with_the_budget(tmp_path: Path, left: float, seconds: float) -> None:
    assert late(tmp_path, FakeLauncher(), Measured()).last_wait(left) == seconds


def test_trials_that_were_recorded_without_features_get_them_at_the_next_start(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.late_features.LAST_WAIT", 0.1)
    screen = Noting()
    launcher = FakeLauncher()
    launcher.looks_left = 10**9
    session.features = late(tmp_path, launcher, Measured())
    session.run = replace(session.run, screen=screen)
    experiences = search(session)
    stored = session.store.experiences(session.info.task)
    assert {tuple(experience.features) for experience in stored} == {tuple(session.info.features)}
    assert any("0 s at most" in note for note in screen.notes)
    assert any("was not described in time" in note for note in screen.notes)

    session.features = late(tmp_path, None, Measured())
    session.record(experiences)
    stored = session.store.experiences(session.info.task)
    assert len(stored) == 2 and all(set(MEASURED) <= set(record.features) for record in stored)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_run_that_has_ended_is_shown_again_without_a_child(
    has_ended: bool, session: Session, tmp_path: Path
) -> None:
    launcher, measured = FakeLauncher(), Measured()
    features = late(tmp_path, launcher, measured)
    ended = search(session) if has_ended else []
    started = replace(session, features=features, experiences=tuple(ended))
    search(started)
    assert bool(launcher.launched) is not has_ended


def test_without_a_child_features_are_measured_by_who_needs_them(
    tmp_path: Path, session: Session
) -> None:
    measured = Measured()
    features = late(tmp_path, None, measured)
    features.begin(order(session))
    assert features.are_ready() and measured.times == 0
    assert features.get() == MEASURED and measured.times == 1


@pytest.mark.parametrize("task", TASKS.names())
def test_the_child_measures_what_the_parent_would(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "task": task,
        "device": "cpu",
        "trials": 1,
        "out": str(tmp_path / "run"),
        "sampler": "random",
    }
    model = "scratch-decoder" if "generation" in task else "minilm-l2"
    executor = FakeExecutor(lambda spec: success())
    session = open_session(
        table_for(task), FitOptions.parse({**options, "models": model}), Quiet(), executor
    )
    kind, info = TASKS.get(task), session.info
    try:
        assert not is_whole(session.info.features, kind)
        monkeypatch.setattr("xautolm.finetuning.describing.give_way", lambda: None)
        assert run(order(session), tmp_path).succeeded
        by_child = known_description(
            kind, info.system, session.scenario.limits, info.data.fingerprint
        )
        monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "another"))
        assert by_child == session.features.measure()
    finally:
        session.close()


def test_a_run_gets_its_features_with_a_second_whole_file(session: Session) -> None:
    assert session.features.features is None
    before = session.folder.info()
    session.record([], are_last=True)
    assert session.folder.info() == before, "nothing was to be recorded"
    experiences = search(session)
    info = session.folder.info()
    assert info.features and info.features == session.features.features
    assert [experience.features for experience in session.folder.trials(info).experiences] == [
        info.features
    ] * 2
    assert len(experiences) == 2 and session.unrecorded == []
    assert [experience.features for experience in session.store.experiences(info.task)] == [
        info.features
    ] * 2
