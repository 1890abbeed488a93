from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.poison import changed
from xautolm.errors import StoreError, UsageError
from xautolm.experience import ExperienceStore
from xautolm.records import Experience, Failure, TrialOutcome
from xautolm.serialization import from_plain
from xautolm.settings import store_location
from xautolm.testing import made_up_experience
from xautolm.vocabulary import FailureKind, TrialStatus


def a_failure(experience: Experience, number: int) -> Experience:
    failure = Failure(
        kind=FailureKind.OUT_OF_MEMORY, message="no <b>room</b>", stderr_tail="last lines"
    )
    outcome = TrialOutcome(status=TrialStatus.FAILED, failure=failure)
    return replace(experience, id=f"f{number:023d}", trial=number, outcome=outcome)


def test_records_come_back_as_they_went_in(experience: Experience, tmp_path: Path) -> None:
    failed = a_failure(experience, 4)
    with ExperienceStore(tmp_path / "s.db") as store:
        assert store.add([experience, failed]) == 2
    with ExperienceStore(tmp_path / "s.db") as store:
        assert store.experiences() == [failed, experience]
        values = store.get("a1a1").configuration.values
        assert values == experience.configuration.values and values["weights"] is True


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("configuration.values.learning_rate", float("nan")),
        ("configuration.values.epochs", 0),
        ("outcome.metrics", {"f1_macro": 7.0}),
        ("outcome.adjustments", ["x" * 15_000] * 200),
        ("run", "r" * 100),
        ("id", "a" * 100),
    ],
)
def test_what_could_not_be_read_again_is_refused_before_anything_is_added(
    experience: Experience, place: str, value: object
) -> None:
    unreadable = from_plain(Experience, changed(experience, place, value))
    sound = replace(experience, id="b" * 24, trial=4)
    with ExperienceStore("sqlite://") as store:
        with pytest.raises(
            UsageError, match=r"could not read this experience again(.|\n)*trial 3 of"
        ):
            store.add([sound, unreadable])
        assert len(store) == 0


@pytest.mark.parametrize("metric", ["my_module:squared_error", "mean_squared_error"])
def test_a_metric_without_bounds_may_be_as_large_as_it_is(
    experience: Experience, metric: str
) -> None:
    metrics = {"f1_macro": 0.7, metric: 6e17}
    outcome = replace(experience.outcome, metrics=metrics)
    large = replace(experience, outcome=outcome, objectives=(metric,), minimized=(metric,))
    with ExperienceStore("sqlite://") as store:
        store.add([large])
        assert store.experiences() == [large]


def test_experiences_that_are_made_up_for_tests_can_be_stored() -> None:
    made_up = made_up_experience(1)
    with ExperienceStore("sqlite://") as store:
        store.add([made_up])
        assert store.experiences() == [made_up]


def test_adding_twice_changes_nothing(experience: Experience) -> None:
    with ExperienceStore("sqlite://") as store:
        assert (store.add([experience]), store.add([experience]), len(store)) == (1, 0, 1)


@pytest.mark.parametrize("completes", [True, False])
def test_features_that_came_late_are_added_by_who_has_made_the_record_only(
    experience: Experience, completes: bool
) -> None:
    bare = replace(experience, features={"system.v1": (1.0,)})
    other_text = replace(experience.outcome, wall_time=experience.outcome.wall_time + 1.0)
    whole = replace(
        experience, features={"system.v1": (2.0,), "data.v1": (3.0,)}, outcome=other_text
    )
    with ExperienceStore("sqlite://") as store:
        store.add([bare])
        assert store.add([whole]) == 0
        if completes:
            store.complete([whole])
        added = {"data.v1": (3.0,)} if completes else {}
        assert store.experiences() == [replace(bare, features={**bare.features, **added})]
        if completes:
            store.complete([bare])
        assert store.experiences()[0].features == {**bare.features, **added}


def test_filters_and_counts(experience: Experience) -> None:
    with ExperienceStore("sqlite://") as store:
        store.add([experience, *(a_failure(experience, number) for number in range(5, 9))])
        assert len(store.experiences(status="failed")) == 4
        assert len(store.experiences(status="failed", limit=2)) == 2
        assert store.experiences(task="another") == store.experiences(run="another") == []
        assert store.counts()["failure"] == {"out_of_memory": 4}
        assert store.counts()["method"] == {"lora.v1": 5}


def test_ids_must_be_unambiguous(experience: Experience) -> None:
    with ExperienceStore("sqlite://") as store:
        store.add([a_failure(experience, 1), a_failure(experience, 2)])
        with pytest.raises(UsageError, match="Several"):
            store.get("f")
        with pytest.raises(UsageError, match="No such"):
            store.get("%")


def test_a_newer_schema_is_refused_and_left_alone(experience: Experience, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with ExperienceStore(path) as store:
        store.add([experience])
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE xautolm_schema SET version = 99"))
    with pytest.raises(StoreError, match="schema 99"):
        ExperienceStore(path)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM experiences")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize(
    "location", ["nonsense://", "postgresql+nodriver://u:secret@h/d", "sqlite:////proc/none/s.db"]
)
def test_stores_that_cannot_be_opened(location: str) -> None:
    with pytest.raises(StoreError) as caught:
        ExperienceStore(location)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text(
        "not a database, just words, and more than a hundred bytes of them " * 4
    )
    with pytest.raises(StoreError, match="not a database"):
        ExperienceStore(tmp_path / "s.db")


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert store_location("sqlite://") == "sqlite://"
    assert store_location(str(tmp_path / "a.db")) == str(tmp_path / "a.db")
    monkeypatch.setenv("XAUTOLM_STORE", "postgresql://h/d")
    assert store_location() == "postgresql://h/d"
    monkeypatch.delenv("XAUTOLM_STORE")
    assert store_location().endswith("xautolm/experience.db")


def add_many(path: Path, experience: Experience, start: int) -> None:
    with ExperienceStore(path) as store:
        for number in range(start, start + 25):
            store.add([a_failure(experience, number)])


def test_several_processes_write_at_once(experience: Experience, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    starts = (0, 0, 25, 50)
    processes = [
        context.Process(target=add_many, args=(tmp_path / "s.db", experience, start))
        for start in starts
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with ExperienceStore(tmp_path / "s.db") as store:
        assert len(store) == 75
