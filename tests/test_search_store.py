"""The store as a search uses it: what it cannot take stops no search, and is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xautolm.records import Experience
from xautolm.search_store import SearchStore


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
