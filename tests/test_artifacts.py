"""What the page of a run is made from: recorded answers belong to the winner and the rows that lie beside them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.report.pages import assessment
from tests.report.questions import text_of
from tests.test_recorded import BEST, RECORDED
from xautolm.artifacts import page_content, write_report
from xautolm.data.stored import read_split
from xautolm.records import Budget
from xautolm.run_folder import RunFolder
from xautolm.trial_folder import EXPLANATION, TrialFolder
from xautolm.vocabulary import Split, Stage


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return the folder of a recorded run, whose version kept no answers."""
    shutil.copytree(RECORDED / "run", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def record_answers(run: RunFolder, trial: int = BEST, *, left_out: int = 0) -> None:
    """Write answers as the child that scores a winner does.

    Args:
        run: The folder.
        trial: Whose answers they are.
        left_out: Rows that have none.
    """
    child = TrialFolder(run.test)
    child.root.mkdir(exist_ok=True)
    spec = TrialFolder(run.trial(trial)).read_spec()
    child.write_spec(spec)
    rows = len(read_split(run.data, Split.VALIDATION)) - left_out
    predictions = pd.DataFrame({"prediction": [spec.labels[0]] * rows, "confidence": [0.9] * rows})
    measured = replace(assessment(Split.VALIDATION, rows), interval=(0.7, 0.9))
    child.write_assessment(measured, predictions)


def test_an_old_run_has_no_answers(run: RunFolder) -> None:
    content = page_content(run)
    assert content.answers is None and content.marks == [] and content.options == ""
    assert content.winner is not None and content.winner.trial == BEST
    text = text_of(write_report(run).read_text(encoding="utf-8"))
    assert "The answers of the winner were not recorded" in text
    assert "There is no test split: these rows also chose the winner" in text


def test_answers_are_shown_beside_their_rows(run: RunFolder) -> None:
    record_answers(run)
    content = page_content(run)
    assert content.answers is not None
    validation = read_split(run.data, Split.VALIDATION)
    assert list(content.answers.rows["text"]) == list(validation["text"])
    assert list(content.answers.rows["target"]) == list(validation["label"])
    text = text_of(write_report(run).read_text(encoding="utf-8"))
    assert "of the validation split. No trial was trained on them" in text
    assert "0.700 to 0.900 (95 % interval)" in text and "Worst errors" in text


@pytest.mark.parametrize(("trial", "left_out"), [(BEST - 1, 0), (BEST, 1)])
def test_answers_of_another_trial_or_to_other_rows_are_not_shown(
    run: RunFolder, trial: int, left_out: int
) -> None:
    record_answers(run, trial, left_out=left_out)
    assert page_content(run).answers is None


@pytest.mark.parametrize("content", ["", '{"origin": "pri', "[1]", "\x00"])
def test_an_explanation_that_is_damaged_is_none(run: RunFolder, content: str) -> None:
    TrialFolder(run.trial(0)).write_explanation({"origin": "prior"})
    TrialFolder(run.trial(1)).write_explanation({"origin": "default"})
    (run.trial(1) / EXPLANATION).write_text(content)
    assert page_content(run).explanations == {0: {"origin": "prior"}}


def test_stages_are_read_back_also_beside_a_line_that_a_kill_has_cut(run: RunFolder) -> None:
    run.mark(Stage.START_UP, seconds_ago=30, budget=Budget(seconds=60.0, trials=None))
    run.mark(Stage.SEARCH)
    content = run.timeline.read_bytes()
    run.timeline.write_bytes(content[:-20])
    run.mark(Stage.START_UP)
    marks = run.marks()
    assert [mark.stage for mark in marks] == [Stage.START_UP, Stage.START_UP]
    assert marks[0].budget == Budget(seconds=60.0, trials=None)
    assert marks[0].time < marks[1].time
    assert "The search had not ended" in text_of(write_report(run).read_text(encoding="utf-8"))
