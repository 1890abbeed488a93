"""A later start of a run with another test split, or without one: no score outlives the rows it was computed from."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from tests.played import play, table_for
from tests.test_merging import Noting
from xautolm import AutoLM
from xautolm.best_folder import read_results
from xautolm.data.stored import read_split, split_problem, write_split
from xautolm.errors import RunFolderError, SearchEndedError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.run_folder import RunFolder, RunInfo
from xautolm.session import Session
from xautolm.testing import FakeExecutor, success
from xautolm.vocabulary import Split

APPLES = pd.DataFrame(
    {"text": ["one apple", "two apples", "a plum"], "label": ["apple"] * 2 + ["plum"]}
)
PLUMS = pd.DataFrame(
    {"text": ["one plum", "two plums", "a pear"], "label": ["plum"] * 2 + ["pear"]}
)
LONGER = pd.concat([APPLES, PLUMS], ignore_index=True)

Start = Callable[..., tuple[RunFolder, list[str]]]


def apples_in(run: RunFolder) -> float:
    """Return what stands for a score: the share of test rows that are of one class."""
    labels = read_split(run.data, Split.TEST)["label"]
    return float((labels == "apple").mean())


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Begin a run, or go on with it; a function of the test rows stands for the child that scores the winner."""

    def score(session: Session, spec: TrialSpec, folder: Path, entry: str) -> TrialOutcome:
        folder.mkdir(exist_ok=True)
        return success(**dict.fromkeys(spec.metrics, apples_in(session.folder)))

    monkeypatch.setattr("xautolm.artifacts.outcome_of_child", score)

    def fit(
        test: pd.DataFrame | None, data: pd.DataFrame | None = None, **options: Any
    ) -> tuple[RunFolder, list[str]]:
        screen = Noting()
        settings = {"out": str(tmp_path / "run"), "trials": 1, **options}
        auto = AutoLM(sampler="random", models="minilm-l2", device="cpu", test=test, **settings)
        if data is None:
            data = table_for("text-classification")
        auto.fit(data, screen=screen, executor=FakeExecutor(play))
        return auto.run_, screen.notes

    return fit


def stated(run: RunFolder) -> tuple[float | None, bool]:
    """Return the test accuracy in a run's results, and whether its card states one."""
    results = read_results(run)
    assert results is not None and results.is_final
    card = (run.best / "README.md").read_text()
    accuracy = None if results.test is None else results.test["accuracy"]
    return accuracy, "| test accuracy |" in card


@pytest.mark.parametrize("other", [PLUMS, LONGER], ids=["as long", "longer"])
def test_another_test_split_is_scored_anew(start: Start, other: pd.DataFrame) -> None:
    run, _ = start(APPLES)
    assert stated(run) == (pytest.approx(2 / 3), True)
    run, notes = start(other)
    assert stated(run) == (pytest.approx(apples_in(run)), True)
    assert len(read_split(run.data, Split.TEST)) == len(other)
    assert any("test.parquet was written anew: it had " in note for note in notes)
    assert any("best/ is scored anew" in note for note in notes)


def test_without_a_test_split_no_score_of_an_earlier_one_is_stated(start: Start) -> None:
    start(APPLES)
    run, notes = start(None)
    assert stated(run) == (None, False)
    assert not run.split(Split.TEST).exists()
    assert any("the test score is left out" in note for note in notes)


def test_the_same_rows_in_another_order_keep_their_score(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(APPLES)
    monkeypatch.delattr("xautolm.artifacts.outcome_of_child")
    run, notes = start(APPLES.iloc[::-1])
    assert stated(run) == (pytest.approx(2 / 3), True)
    assert not any("anew" in note for note in notes)


def test_a_score_from_before_its_rows_were_noted_is_of_the_split_in_the_folder(
    start: Start,
) -> None:
    run, _ = start(APPLES)
    results = json.loads(run.results.read_text())
    del results["test_data"]
    results["test"]["accuracy"] = 0.1
    run.results.write_text(json.dumps(results))
    run, notes = start(APPLES)
    assert stated(run) == (0.1, True) and not any("scored anew" in note for note in notes)

    run.results.write_text(json.dumps(results))
    run, _ = start(PLUMS)
    assert stated(run) == (0.0, True)


def test_a_start_that_is_ended_early_states_no_score_of_another_split(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start(APPLES)
    monkeypatch.setattr(FakeExecutor, "finished", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        start(PLUMS, trials=2)
    results = read_results(run)
    assert results is not None and results.test is None and not results.is_final
    assert "test accuracy" not in (run.best / "README.md").read_text()
    assert not run.test.exists()


def _interrupt(executor: FakeExecutor, timeout: float) -> list[tuple[int, TrialOutcome]]:
    raise KeyboardInterrupt


def test_runs_on_tables_in_memory_are_told_apart_by_their_test_splits(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tests = (None, APPLES, PLUMS, APPLES)
    roots = [start(test, out=None)[0].root for test in tests]
    assert len(set(roots)) == 3 and roots[1] == roots[3]


def relabelled(start: Start, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """End a start before its run has begun; return other labels of the same rows, for the next one."""

    def end(folder: RunFolder, info: RunInfo) -> None:
        (folder.root / ".run.json.4711").write_text("{")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_info", end)
        with pytest.raises(KeyboardInterrupt):
            start(None)
    data = table_for("text-classification")
    names = sorted(data["label"].unique())
    following = dict(zip(names, [*names[1:], names[0]], strict=True))
    return data.assign(label=data["label"].map(following))


def test_a_start_that_was_ended_before_its_run_began_leaves_nothing_to_learn_from(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = relabelled(start, monkeypatch)
    label_of = dict(zip(data["text"], data["label"], strict=True))
    run, _ = start(None, data=data)
    for split in (Split.TRAIN, Split.VALIDATION):
        rows = read_split(run.data, split)
        assert list(rows["label"]) == [label_of[text] for text in rows["text"]]


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_a_split_of_other_rows_is_written_anew_and_what_came_of_it_is_forgotten(
    start: Start, split: Split
) -> None:
    run, _ = start(None)
    rows = read_split(run.data, split)
    rows.assign(label=rows["label"].iloc[0]).to_parquet(run.split(split))
    (run.tokens / "tokens-of-others").mkdir()
    run, notes = start(None)
    assert f"{split}.parquet was written anew: it had other rows" in notes
    assert read_split(run.data, split).equals(rows)
    assert list(run.tokens.iterdir()) == []
    run, notes = start(None)
    assert not any("anew" in note for note in notes)


@pytest.mark.parametrize("has_lock", [True, False])
def test_a_start_that_a_full_disk_has_ended_can_be_made_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_lock: bool
) -> None:
    def write_or_fail(path: Path, table: pd.DataFrame) -> None:
        if path.name == "validation.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_split(path, table)

    with monkeypatch.context() as patch:
        patch.setattr("xautolm.resuming.write_split", write_or_fail)
        with pytest.raises(SearchEndedError, match="disk is full"):
            start(None)
    # Some versions of filelock remove it when it is let go.
    lock = tmp_path / "run" / ".lock"
    lock.touch()
    if not has_lock:
        lock.unlink()
    run, _ = start(None)
    assert len(run.experiences()) == 1


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("data/train.parquet", []),
        ("data/train.parquet", ["tokens"]),
        ("data/train.csv", ["tokens", "trials"]),
        ("trials/0000/spec.json", ["data", "tokens"]),
        ("tokens/train.parquet", ["data", "trials"]),
    ],
)
def test_files_that_no_ended_start_can_have_left_are_not_taken_for_its_own(
    tmp_path: Path, name: str, folders: list[str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(RunFolderError, match="not empty and holds no run"):
        RunFolder(tmp_path).check_place()


def test_a_split_with_a_damaged_body_is_written_anew(start: Start) -> None:
    run, _ = start(None)
    path = run.split(Split.TRAIN)
    rows = read_split(run.data, Split.TRAIN)
    content = bytearray(path.read_bytes())
    # The footer, at the end, stays whole, and says how many rows there are.
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    run, notes = start(None)
    assert any("train.parquet was written anew: it could not be read (" in note for note in notes)
    assert read_split(run.data, Split.TRAIN).equals(rows)


def test_a_kill_while_a_split_is_written_anew_leaves_no_tokens_of_the_earlier_rows(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start(None)
    rows = read_split(run.data, Split.TRAIN)
    rows.assign(label=rows["label"].iloc[0]).to_parquet(run.split(Split.TRAIN))
    (run.tokens / "tokens-of-others").mkdir()

    def write_and_end(path: Path, table: pd.DataFrame) -> None:
        write_split(path, table)
        raise KeyboardInterrupt

    monkeypatch.setattr("xautolm.resuming.write_split", write_and_end)
    with pytest.raises(KeyboardInterrupt):
        start(None)
    assert list(run.tokens.iterdir()) == []


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "b"],
        [("a",), ("b", "a")],
        [1.5, 2.0],
        [("yes",), ()],
        [(0.123456789012, 1.0), (0.123456789999, 1.0)],
        [tuple(range(2000)), (*range(1000), 7, *range(1001, 2000))],
        [((1, 2), (3,)), ((1, 2), (4,))],
        ["a", None],
    ],
    ids=["names", "lists", "numbers", "nothing", "digits", "long lists", "nested lists", "gap"],
)
def test_a_stored_split_is_known_by_its_content(tmp_path: Path, cells: list[Any]) -> None:
    path = tmp_path / "test.parquet"
    table = pd.DataFrame({"text": ["one", "two"], "label": cells})
    write_split(path, table)
    assert split_problem(path, table) == ""
    assert split_problem(path, table.iloc[::-1]) == ""
    assert split_problem(path, table[["label", "text"]]) == ""
    swapped = table.assign(label=cells[::-1])
    assert split_problem(path, swapped) == "it had other rows"
    renamed = table.rename(columns={"label": "labels"})
    assert split_problem(path, renamed) == "it had other columns"
    longer = pd.concat([table, table])
    assert split_problem(path, longer) == "it had 2 rows instead of 4"


@pytest.mark.parametrize("kind", ["string", "large_string"])
def test_texts_that_another_version_of_pandas_has_written_are_no_other_rows(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "test.parquet"
    texts = ["one", None]
    stored = pyarrow.table({"text": pyarrow.array(texts, kind), "label": [1, 2]})
    parquet.write_table(stored, path)
    assert split_problem(path, pd.DataFrame({"text": texts, "label": [1, 2]})) == ""
