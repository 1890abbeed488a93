"""The page of a real run answers what a reader asks, and each recorded file costs itself only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.questions import text_of, unanswered
from xautolm.artifacts import page_content, write_report
from xautolm.data.demo import support_tickets
from xautolm.operations import fit_run
from xautolm.options import FitOptions
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.vocabulary import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


NO_ANSWERS = "The answers of the winner were not recorded"
LOSSES = {
    "test/assessment.json": NO_ANSWERS,
    "test/predictions.parquet": NO_ANSWERS,
    "data/test.parquet": NO_ANSWERS,
    "warm_start.json": "this search began from zero",
    "timeline.jsonl": "when start-up and scoring began was not recorded",
    "fit.yaml": "with the options of the first start",
}
"""Files that the page is made from, and what it says without them. Of the last two, half is better than nothing."""


def searched(place: Path, name: str, seed: int) -> RunFolder:
    """Return a run of four trials on generated tickets, after those that the store has."""
    tickets = support_tickets(260, seed=seed)
    train = place / f"{name}.csv"
    test = place / f"{name}_unseen.csv"
    tickets[:160].to_csv(train, index=False)
    tickets[160:].to_csv(test, index=False)
    options = FitOptions.parse(
        {
            "task": "text-classification",
            "models": ["minilm-l2"],
            "test": str(test),
            "trials": 4,
            "budget": "10m",
            "trial_time_limit": "60s",
            "store": str(place / "store.db"),
            "out": str(place / "runs" / name),
        }
    )
    return fit_run(str(train), None, options, screen=Quiet())


def test_a_stranger_finds_twelve_answers_in_a_real_run(tmp_path: Path) -> None:
    searched(tmp_path, "last_year", seed=2)
    folder = searched(tmp_path, "this_year", seed=3)
    stages = [mark.stage for mark in folder.marks()]
    assert stages == [Stage.START_UP, Stage.SEARCH, Stage.REFIT, Stage.SCORING, Stage.END]
    page = write_report(folder).read_text(encoding="utf-8")
    content = page_content(folder)
    assert unanswered(content, page) == {}
    text = text_of(page)
    assert "last_year" in text and "this_year.csv" in text
    assert "It was trained once more at the end, on the rows of validation, too" in text

    # As an old version left it, or a disk that lost it: the page does without, and says so.
    for name, sentence in LOSSES.items():
        path = folder.root / name
        content_of_file = path.read_bytes()
        path.unlink()
        assert sentence in text_of(write_report(folder).read_text(encoding="utf-8")), name
        # As a full disk leaves it.
        path.write_bytes(content_of_file[: len(content_of_file) // 2])
        text = text_of(write_report(folder).read_text(encoding="utf-8"))
        assert "The answer" in text and (sentence in text or path.suffix in (".jsonl", ".yaml")), (
            name
        )
        path.write_bytes(content_of_file)
