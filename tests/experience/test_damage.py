"""What is damaged or means nothing is left out, counted, and can be looked at and deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.poison import CHANGES, EXTREMES, KINDS, poison, record_of
from xautolm.errors import StoreError
from xautolm.experience import ExperienceStore, export_experiences, import_experiences
from xautolm.experience.validation import least_values, named_fingerprint, read_record
from xautolm.records import Experience
from xautolm.serialization import to_plain


@pytest.fixture
def path(experience: Experience, tmp_path: Path) -> Path:
    """A store with one sound experience."""
    path = tmp_path / "s.db"
    with ExperienceStore(path) as store:
        store.add([experience])
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_is_left_out_counted_and_deleted(
    kind: str, path: Path, experience: Experience
) -> None:
    (damaged,) = poison(path, experience, (kind,))
    with ExperienceStore(path) as store:
        assert store.notes == ()
        assert store.experiences() == store.experiences(limit=1) == [experience]
        assert "1 damaged record" in store.notes[0] and "list --damaged" in store.notes[0]
        (row,) = [row for row in store.rows() if row.experience is None]
        assert row.id == damaged and row.problem and len(row.problem) < 400
        assert store.counts()["status"].total() == 1
        with pytest.raises(StoreError, match=rf"is damaged(.|\n)*experience delete {damaged}"):
            store.get(damaged)
        assert store.delete([damaged]) == 1
        assert len(store) == 1


@pytest.mark.parametrize("kind", EXTREMES)
def test_what_is_only_odd_is_let_in(kind: str, path: Path, experience: Experience) -> None:
    poison(path, experience, (kind,))
    with ExperienceStore(path) as store:
        assert len(store.experiences()) == 2 and store.notes == ()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "an id that is another's"])
def test_import_refuses_what_the_store_leaves_out(
    kind: str, tmp_path: Path, experience: Experience
) -> None:
    record = record_of(kind, experience)
    text = record.decode("latin-1") if isinstance(record, bytes) else record or '""'
    (tmp_path / "shared.jsonl").write_text(
        f"{text}\n{json.dumps(to_plain(experience))}\n", encoding="utf-8"
    )
    read = import_experiences(tmp_path / "shared.jsonl")
    assert len(read.experiences) == 1 and len(read.skipped) == 1
    assert read.skipped[0].startswith("shared.jsonl, line 1: ") and len(read.skipped[0]) < 400


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_what_is_let_in_can_be_exported_and_imported(
    suffix: str, path: Path, experience: Experience
) -> None:
    poison(path, experience, tuple(EXTREMES))
    with ExperienceStore(path) as store:
        experiences = store.experiences()
    shared = path.with_name(f"shared{suffix}")
    assert export_experiences(experiences, shared) == 1 + len(EXTREMES)
    read = import_experiences(shared)
    assert read.skipped == [] and len(read.experiences) == 1 + len(EXTREMES)


def test_the_problem_names_place_and_value(experience: Experience) -> None:
    problems = {}
    for kind in (
        "a fingerprint that is a path",
        "epochs of 0",
        "no training examples",
        "a time of 1e-300",
    ):
        with pytest.raises(ValueError) as caught:
            read_record(record_of(kind, experience))
        problems[kind] = str(caught.value)
    assert (
        problems["a fingerprint that is a path"]
        == "data.fingerprint is '../../x', which is not hexadecimal"
    )
    assert problems["epochs of 0"] == "epochs is 0, and must be more than 0"
    assert problems["no training examples"] == "data.train_examples is 0"
    assert problems["a time of 1e-300"].startswith(
        "outcome.evaluation_time is 1e-300, out of bounds"
    )


def test_zero_is_nothing_only_where_a_quantity_is_positive_by_nature(
    experience: Experience,
) -> None:
    assert least_values()["learning_rate"] > 0 and least_values()["dropout"] == 0
    for name in ("dropout", "weight_decay", "warmup_steps", "lora_dropout"):
        values = {**experience.configuration.values, name: 0}
        sound = replace(experience, configuration=replace(experience.configuration, values=values))
        assert read_record(json.dumps(to_plain(sound))) == sound


def test_searches_of_other_things_need_no_texts(experience: Experience) -> None:
    bare = replace(
        experience,
        task="optuna",
        data=replace(
            experience.data,
            train_examples=0,
            validation_examples=0,
            classes=0,
            tokens_mean=0,
            tokens_max=0,
        ),
        system=replace(experience.system, physical_cores=0, logical_cores=0, memory=0, device=""),
        configuration=replace(experience.configuration, values={"rate": 0.1}),
        objectives=("objective_0",),
        minimized=("objective_0",),
        outcome=replace(experience.outcome, metrics={"objective_0": 3.0}, evaluation_time=None),
    )
    assert read_record(json.dumps(to_plain(bare))) == bare
    # Earlier versions wrote the direction before the name, and had no list of what is minimised.
    earlier = to_plain(replace(bare, objectives=("-objective_0",)))
    del earlier["minimized"]
    assert read_record(json.dumps(earlier)) == bare
    strange = to_plain(replace(bare, minimized=("objective_1",)))
    with pytest.raises(ValueError, match="which are no objectives"):
        read_record(json.dumps(strange))


def test_fingerprints_of_earlier_imports_are_still_read(experience: Experience) -> None:
    earlier = replace(
        experience,
        data=replace(
            experience.data, fingerprint="autogoal-liar", source_fingerprint="autogoal-liar"
        ),
    )
    data = read_record(json.dumps(to_plain(earlier))).data
    assert data.fingerprint == data.source_fingerprint == named_fingerprint("liar")
    assert data.fingerprint != named_fingerprint("../../x")


def test_every_change_is_one(experience: Experience) -> None:
    sound = json.dumps(to_plain(experience))
    assert read_record(sound) == experience
    assert all(record_of(kind, experience) != sound for kind in [*CHANGES, *EXTREMES])
