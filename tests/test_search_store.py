"""The store as a search uses it: what it cannot take stops no search, and is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text

from xautolm.experience import ExperienceStore
from xautolm.records import Experience
from xautolm.search_store import SearchStore
from xautolm.testing import made_up_experience


def test_trials_that_could_not_be_read_again_are_said_once_and_keep_no_other_out(
    experience: Experience, tmp_path: Path
) -> None:
    notes: list[str] = []
    outcome = replace(experience.outcome, metrics={"f1_macro": float("nan")})
    store = SearchStore(str(tmp_path / "s.db"), notes.append, must_open=True)
    for number in range(1, 3):
        store.add([replace(experience, id=f"{number:024}", trial=number, outcome=outcome)])
    store.add([experience])
    assert store.experiences(experience.task) == [experience]
    store.close()
    (note,) = notes
    assert "trial 1 is not added to the experience store" in note and "'f1_macro' is nan" in note


def test_trials_are_added_to_a_store_whose_records_may_not_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    notes: list[str] = []
    store = SearchStore(str(path), notes.append, must_open=True)
    whole = replace(made_up_experience(1), features={"data.v1": (1.0,)})
    bare = replace(whole, features={})
    store.add([bare])
    # As on a server that lets a process select and insert only.
    refusal = "CREATE TRIGGER refusal BEFORE UPDATE ON experiences BEGIN SELECT RAISE(ABORT, 'permission denied'); END"
    with create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(text(refusal))
    store.add([whole])
    store.add([whole, made_up_experience(2)])
    assert store.waiting == [] and store.count(whole.task) == 2
    assert len(notes) == 1 and "stay without their meta-features" in notes[0]
    with create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(text("DROP TRIGGER refusal"))
    # What was refused for a while only, as of a database that was locked, is tried once more at the end.
    store.close()
    with ExperienceStore(str(path)) as after:
        assert whole in after.experiences(task=whole.task)
