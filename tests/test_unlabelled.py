"""Rows without labels and labels unknown to training, from `fit` to `evaluate`, with trials that are played."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.played import ROWS, FakePredictor, fake_predictor, played, table_for
from xautolm import AutoLM
from xautolm.cli import main
from xautolm.errors import DataError, UsageError

__all__ = ["fake_predictor"]

ANSWERS = ["42" if row % 3 else "" for row in range(ROWS)]


def test_what_was_left_out_stands_in_the_run(tmp_path: Path) -> None:
    table = table_for("text-classification")
    labels = table["label"].astype(object)
    labels[::10] = None
    auto = played(tmp_path / "run", data=table.assign(label=labels))
    (note,) = [note for note in auto.info_.notes if "left out" in note]
    assert note.startswith(f"3 of {ROWS} rows of the train split left out")
    assert auto.info_.data.train_examples + auto.info_.data.validation_examples == ROWS - 3


def test_a_class_of_the_test_split_alone_is_found_before_any_trial(tmp_path: Path) -> None:
    table = table_for("text-classification")
    strange = table.assign(text=table["text"] + "?", label="quince")
    with pytest.raises(DataError, match=r"quince; training has apple, pear, plum"):
        played(tmp_path / "run", data=table, test=strange)
    assert not (tmp_path / "run").exists()


def test_scoring_says_what_it_leaves_out(
    tmp_path: Path, fake_predictor: type[FakePredictor], caplog: pytest.LogCaptureFixture
) -> None:
    auto = played(tmp_path / "run")
    table = table_for("text-classification")
    labels = table["label"].astype(object)
    labels[:5] = ""
    auto.evaluate(table.assign(label=labels))
    assert fake_predictor.rows == ROWS - 5
    assert f"5 of {ROWS} rows of the data left out" in caplog.text
    strict = AutoLM.load(tmp_path / "run", unlabelled="error")
    with pytest.raises(DataError, match=f"5 of {ROWS} rows of the data have no label"):
        strict.evaluate(table.assign(label=labels))
    with pytest.raises(DataError, match="No row has a label to compare with"):
        auto.evaluate(table.assign(label=""))
    with pytest.raises(DataError, match="'Apple' where training has 'apple'"):
        auto.evaluate(table.assign(label=table["label"].str.title()))


def test_rows_without_an_answer_are_scored_as_such_where_that_is_said(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    table = table_for("question-answering").assign(answers=ANSWERS)
    task = "question-answering"
    auto = played(tmp_path / "run", task, data=table, unlabelled="none", models="minilm-l2")
    assert auto.info_.data.train_examples + auto.info_.data.validation_examples == ROWS
    AutoLM.load(tmp_path / "run", unlabelled="none").evaluate(table)
    assert fake_predictor.rows == ROWS
    with pytest.raises(UsageError, match="Every row of this task has a label"):
        played(tmp_path / "other", unlabelled="none")


def test_columns_of_0_and_1_are_found_again(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    table = pd.DataFrame({"text": [f"text {row} on the apple" for row in range(ROWS)]})
    table = table.assign(
        apple=[row % 2 for row in range(ROWS)], pear=[(row + 1) % 2 for row in range(ROWS)]
    )
    auto = played(tmp_path / "run", "multilabel-classification", data=table, label="apple,pear")
    assert tuple(auto.classes_) == ("apple", "pear")
    scores = AutoLM.load(tmp_path / "run").evaluate(table)
    assert scores["accuracy"] == pytest.approx(0.5)
    assert fake_predictor.rows == ROWS


@pytest.mark.parametrize("command", ["describe", "fit"])
def test_the_option_on_the_command_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table_for("text-classification").to_csv("train.csv", index=False)
    with Path("train.csv").open("a") as file:
        file.write("a text without a label,\n")
    monkeypatch.setattr(sys, "argv", ["xautolm", command, "train.csv", "--unlabelled", "error"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert (
        f"1 of {ROWS + 1} rows" in message
        and f"line {ROWS + 2}" in message
        and "--unlabelled drop" in message
    )


def test_a_description_says_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = table_for("text-classification")
    AutoLM(device="cpu").describe(
        pd.concat([table, pd.DataFrame({"text": ["more"], "label": [None]})])
    )
    assert f"1 of {ROWS + 1} rows of the train split left out" in caplog.text
