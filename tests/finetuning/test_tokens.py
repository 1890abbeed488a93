"""Folders that trials share are whole or not there, whoever makes them and whatever goes wrong."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.finetuning.conftest import Order
from xautolm.data.stored import read_split
from xautolm.finetuning.forms import base
from xautolm.finetuning.forms.base import measured_targets
from xautolm.finetuning.tokens import load_tokenizer, loaded, nested_sample, once, tokenized
from xautolm.serialization import final_name
from xautolm.tasks import TASKS
from xautolm.testing import lookup_questions
from xautolm.vocabulary import Split


def questions(rows: int = 120) -> pd.DataFrame:
    """Make up questions of which every third has no answer, and every third has two."""
    table = lookup_questions(rows, seed=4)
    for row, answers in enumerate(table["answers"]):
        first = list(answers)[:1]
        table.at[row, "answers"] = ([], first, [*first, f"the {first[0]}"])[row % 3]
    return table


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for content in ("first", "second"):
        made = once(
            shared / "tokens", lambda path, content=content: (path / "file").write_text(content)
        )
        assert (made / "file").read_text() == "first"
    assert names(shared) == ["tokens"]


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        (path / "file").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    shared = tmp_path / "shared"
    with pytest.raises(OSError, match="No space left"):
        once(shared / "tokens", make)
    assert names(shared) == []


def test_who_comes_second_takes_what_is_there(tmp_path: Path) -> None:
    shared = tmp_path / "shared"

    def make(path: Path) -> None:
        (path / "file").write_text("second")
        another = shared / "tokens"
        another.mkdir()
        (another / "file").write_text("first")

    assert (once(shared / "tokens", make) / "file").read_text() == "first"
    assert names(shared) == ["tokens"]


def test_what_a_killed_process_of_the_same_number_has_left_is_in_nobodys_way(
    tmp_path: Path,
) -> None:
    left = tmp_path / f".tokens.{os.getpid()}"
    left.mkdir()
    assert once(tmp_path / "tokens", lambda path: (path / "file").touch()).is_dir()
    assert final_name(left) == "tokens" and names(tmp_path / "tokens") == ["file"]


def test_what_is_damaged_is_made_again_and_lack_of_memory_is_no_damage(tmp_path: Path) -> None:
    folder, made = tmp_path / "tokens", []

    def make(path: Path) -> None:
        made.append(path)
        (path / "file").write_text("whole")

    def load(path: Path) -> str:
        text = (path / "file").read_text()
        if text != "whole":
            raise ValueError(text)
        return text

    assert loaded(folder, make, load) == loaded(folder, make, load) == "whole" and len(made) == 1
    for spoil in (lambda: (folder / "file").write_text("ha"), lambda: (folder / "file").unlink()):
        spoil()
        assert loaded(folder, make, load) == "whole"
    assert len(made) == 3

    def load_too_much(path: Path) -> str:
        raise MemoryError

    with pytest.raises(MemoryError):
        loaded(folder, make, load_too_much)
    assert len(made) == 3 and (folder / "file").exists()


def test_smaller_shares_lie_within_larger_ones_in_proportion_to_the_classes() -> None:
    # 900 of the first class, 90 of the second, 10 of the third.
    strata = [("large",)] * 900 + [("small",)] * 90 + [("rare",)] * 10
    parts = [nested_sample(strata, share, seed=7) for share in (0.1, 0.3, 1.0)]
    assert [len(part) for part in parts] == [100, 300, 1000]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    counts = [Counter(strata[position][0] for position in part.tolist()) for part in parts]
    assert counts[0] == {"large": 90, "small": 9, "rare": 1} and counts[1] == {
        "large": 270,
        "small": 27,
        "rare": 3,
    }
    assert (
        parts[0].tolist()
        == nested_sample(strata, 0.1, seed=7).tolist()
        != nested_sample(strata, 0.1, seed=8).tolist()
    )


@pytest.mark.parametrize(
    "strata", [[("a", "b"), ("b",), ("a",), ()] * 50, [()] * 200], ids=["several", "none"]
)
def test_rows_in_several_strata_or_none_are_shared_out_as_well(
    strata: list[tuple[str, ...]],
) -> None:
    tenth, third = nested_sample(strata, 0.1, seed=0), nested_sample(strata, 0.3, seed=0)
    assert (len(tenth), len(third)) == (20, 60) and set(tenth) < set(third)
    # Drawn from all over the table, not from its beginning.
    assert third.max() > 150


@pytest.mark.parametrize("model", ["scratch-tiny", "scratch-decoder"])
def test_questions_may_have_no_answer_or_several(order: Order, model: str) -> None:
    spec = order(model, task="question-answering", table=questions())
    task = TASKS.get(spec.task)
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    tokens, settings = tokenized(spec, task, tokenizer)
    assert len(tokens["train"]) >= 90
    if settings.form == "extract":
        assert settings.may_be_empty


def test_what_answers_need_is_of_all_training_rows_whatever_their_order(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MOST_MEASURED", 10)
    table = questions()
    has_answer = table["answers"].map(bool)
    spec = order(
        task="question-answering", table=pd.concat([table[has_answer], table[~has_answer]])
    )
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    _, settings = tokenized(spec, TASKS.get(spec.task), tokenizer)
    assert settings.may_be_empty

    numbers = pd.DataFrame({"text": [f"word {row}" for row in range(100)], "label": range(100)})
    spec = order(task="text-regression", table=numbers)
    train = read_split(spec.data, Split.TRAIN)
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    _, settings = tokenized(spec, TASKS.get(spec.task), tokenizer)
    assert settings.mean == pytest.approx(train["label"].mean())
    assert settings.deviation == pytest.approx(train["label"].std(ddof=0))


def test_lengths_are_measured_of_a_part_that_is_drawn_from_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets = [str(number) for number in range(1_000)]
    assert measured_targets(targets) == targets
    monkeypatch.setattr(base, "MOST_MEASURED", 100)
    drawn = [int(target) for target in measured_targets(targets)]
    assert len(set(drawn)) == 100 and drawn == [int(target) for target in measured_targets(targets)]
    assert min(drawn) < 200 and max(drawn) > 800


def test_lists_of_a_stored_split_are_as_tasks_have_them(tmp_path: Path) -> None:
    lists = [["a", "b"], [], ["c"]]
    pd.DataFrame({"text": list("xyz"), "label": lists}).to_parquet(tmp_path / "train.parquet")
    table = read_split(tmp_path, Split.TRAIN)
    assert list(table["label"]) == [("a", "b"), (), ("c",)]
    assert list(table["text"]) == list("xyz")
