from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xautolm.errors import StoreError
from xautolm.experience import ExperienceStore, export_experiences, import_experiences
from xautolm.records import Experience, Failure, TrialOutcome, experience_id
from xautolm.serialization import to_plain
from xautolm.vocabulary import FailureKind, TrialStatus


@pytest.fixture
def honest(experience: Experience) -> list[Experience]:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="no <b>room</b>")
    failed = replace(
        experience, trial=4, outcome=TrialOutcome(status=TrialStatus.FAILED, failure=failure)
    )
    both = [replace(experience, features={"system-paper.v1": (1.0, 2.0)}), failed]
    return [replace(one, id=experience_id(one.run, one.trial, one.configuration)) for one in both]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_there_and_back(honest: list[Experience], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"shared{suffix}"
    assert export_experiences(honest, path) == 2
    read = import_experiences(path)
    assert read.skipped == []
    assert [replace(one, provenance="") for one in read.experiences] == honest
    assert read.experiences[0].provenance == path.name
    with ExperienceStore("sqlite://") as store:
        assert (store.add(honest), store.add(read.experiences)) == (2, 0)


def changed(experience: Experience, path: str, value: object) -> str:
    plain = to_plain(experience)
    *parents, last = path.split(".")
    place = plain
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("outcome.metrics", {"f1_macro": 1e300}, "out of bounds"),
        ("outcome.metrics", {"f1_macro": float("inf")}, "out of bounds"),
        ("outcome.metrics", {"f1_macro": "high"}, "f1_macro"),
        ("outcome.metrics", {}, "contradict"),
        ("outcome.evaluation_time", -1.0, "out of bounds"),
        ("outcome.status", "failed", "contradict"),
        ("outcome.status", "perfect", "status"),
        ("configuration.values", {"model": "m"}, "without model or method"),
        ("configuration.values", {"model": "m", "method": ["a"]}, "method"),
        ("created", "x" * 30_000, "30000 characters"),
        ("trial", 10**400, "out of bounds"),
        ("trial", None, "trial"),
    ],
)
def test_hostile_records_are_skipped_and_named_by_line(
    honest: list[Experience], tmp_path: Path, path: str, value: object, reason: str
) -> None:
    file = tmp_path / "hostile.jsonl"
    good = json.dumps(to_plain(honest[1]))
    file.write_text(f"{changed(honest[0], path, value)}\n{good}\n[1, 2\n{'[' * 100_000}\n")
    read = import_experiences(file)
    assert [one.id for one in read.experiences] == [honest[1].id]
    assert len(read.skipped) == 3
    assert read.skipped[0].startswith("hostile.jsonl, line 1: ") and reason in read.skipped[0]


def test_ids_from_outside_are_not_believed(honest: list[Experience], tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(changed(honest[0], "id", honest[1].id))
    assert import_experiences(file).experiences[0].id == honest[0].id


def test_scripts_in_texts_stay_texts(honest: list[Experience], tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        changed(honest[0], "configuration.values.model", "__import__('os').system('touch hacked')")
    )
    (found,) = import_experiences(file).experiences
    assert found.configuration.model.startswith("__import__") and not Path("hacked").exists()


def test_files_that_are_none(tmp_path: Path, honest: list[Experience]) -> None:
    with pytest.raises(StoreError, match="No such file"):
        import_experiences(tmp_path / "none.jsonl")
    (tmp_path / "a.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match="Not a Parquet file"):
        import_experiences(tmp_path / "a.parquet")
    for act in (import_experiences, lambda path: export_experiences(honest, path)):
        (tmp_path / "a.pickle").write_bytes(b"x")
        with pytest.raises(StoreError, match="Unknown file type"):
            act(tmp_path / "a.pickle")
