"""The starter store: read besides the user's own, left out where it is not wanted, no trouble where it is broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from xautolm.experience import STARTER, export_experiences, with_starter
from xautolm.experience.starter import starter_experiences
from xautolm.records import Experience
from xautolm.settings import PACKAGED_STARTER, starter_file
from xautolm.testing import made_up_experience
from xautolm.vocabulary import TrialStatus

MEGABYTE = 2**20


def past_trial(number: int) -> Experience:
    """Make up a trial on data that have a fingerprint, as all that is imported must."""
    trial = made_up_experience(number)
    data = replace(trial.data, fingerprint="f" * 16, source_fingerprint="5" * 16)
    return replace(trial, data=data)


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a starter store of three trials, of which one is of another task."""
    trials = [past_trial(number) for number in range(3)]
    trials[2] = replace(trials[2], task="regression")
    path = tmp_path / "starter.parquet"
    export_experiences(trials, path)
    monkeypatch.setenv("XAUTOLM_STARTER", str(path))
    return path


def test_what_the_store_lacks_is_added(own_file: Path) -> None:
    said: list[str] = []
    stored = [past_trial(1), past_trial(7)]
    together = with_starter(stored, "text-classification", said.append)
    assert [experience.trial for experience in together] == [1, 7, 0]
    assert said == []


@pytest.mark.parametrize("word", ["off", "OFF ", " Off"])
def test_it_can_be_turned_off(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTOLM_STARTER", word)
    assert starter_file() is None
    assert with_starter([], "text-classification", print) == []


def test_without_the_variable_it_is_the_one_that_comes_with_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XAUTOLM_STARTER")
    assert starter_file() == PACKAGED_STARTER


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no Parquet"])
def test_a_file_that_cannot_be_read_is_said_and_the_search_goes_on(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "broken.parquet"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("XAUTOLM_STARTER", str(path))
    said: list[str] = []
    stored = [past_trial(1)]
    assert with_starter(stored, "text-classification", said.append) == stored
    (note,) = said
    assert note.startswith("the search goes on without the starter store: ")
    assert "broken.parquet" in note


def test_records_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "starter.jsonl"
    export_experiences([past_trial(0)], path)
    path.write_text(path.read_text() + '{"id": 3}\n{"no": "record"}\n')
    said: list[str] = []
    experiences = starter_experiences(path, said.append)
    assert [experience.trial for experience in experiences] == [0]
    (note,) = said
    assert note.startswith("2 records of the starter store were left out; the first: starter.jsonl")


@pytest.fixture(scope="module")
def packaged() -> list[Experience]:
    """Return what comes with the package."""
    said: list[str] = []
    experiences = starter_experiences(PACKAGED_STARTER, said.append)
    assert said == []
    return list(experiences)


def test_what_comes_with_the_package(packaged: list[Experience]) -> None:
    assert PACKAGED_STARTER.stat().st_size <= 3 * MEGABYTE
    assert {experience.provenance for experience in packaged} == {STARTER}
    data_sets = {experience.data.name for experience in packaged}
    assert len(data_sets) == 15
    assert {experience.task for experience in packaged} == {
        "text-classification",
        "question-answering",
    }
    # Failures teach too.
    statuses = {experience.outcome.status for experience in packaged}
    assert statuses >= {TrialStatus.COMPLETE, TrialStatus.FAILED}
    assert len({experience.id for experience in packaged}) == len(packaged)


def test_no_paths_and_no_texts_come_with_the_package(packaged: list[Experience]) -> None:
    for experience in packaged:
        failure = experience.outcome.failure
        assert "/" not in experience.data.name
        if failure is not None:
            assert failure.stderr_tail == ""
            assert "/" not in failure.message, failure.message
        # Nothing but numbers says what the data were like.
        for numbers in experience.features.values():
            assert all(isinstance(number, float | int) for number in numbers)
