"""What all trackers are told, by one that is made up: the queue, errors, a server that hangs, searches that go on."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

from tests.trackers.searches import FAILING, fit
from xautolm.callbacks import TrialEvaluated, TrialFinished, TrialStarted
from xautolm.errors import NoModelError, UnknownNameError, UsageError
from xautolm.report.screen import Quiet
from xautolm.serialization import read_json
from xautolm.trackers import TRACKERS, TrackedRun, Tracker, reporter
from xautolm.trackers.base import SearchEnded


class Notes(Quiet):
    """A screen that keeps what is said once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


class Book:
    """A tracker in memory."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.lines: list[tuple[str, int]] = []
        self.ending: SearchEnded | None = None
        self.threads: set[str] = set()

    def started(self, event: TrialStarted) -> None:
        self.threads.add(threading.current_thread().name)
        self.lines.append(("started", event.trial))

    def evaluated(self, event: TrialEvaluated) -> None:
        self.lines.append(("evaluated", event.trial))

    def finished(self, event: TrialFinished) -> None:
        self.lines.append(("finished", event.trial))

    def ended(self, event: SearchEnded) -> None:
        self.ending = event


class Shelf:
    """Registers a made-up tracker, and keeps the books that searches open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.books: list[Book] = []
        self.kind: type[Book] = Book
        tracker = Tracker(name="book", module="json", begin=self.open)
        monkeypatch.setitem(TRACKERS.things, "book", tracker)

    def open(self, run: TrackedRun) -> Book:
        book = self.kind(run)
        self.books.append(book)
        return book


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


def test_a_tracker_is_told_everything_in_a_thread_of_its_own(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    auto = fit(tmp_path / "run", tickets, "book")
    (book,) = shelf.books
    whole = [("started", 0), *[("evaluated", 0)] * 3, ("finished", 0)]
    assert book.lines[:5] == whole
    assert book.lines[5:7] == [("started", FAILING), ("finished", FAILING)]
    assert book.threads == {"the tracker book"}
    assert book.run.id == auto.info_.id and book.run.parameters["task"] == auto.info_.task
    assert book.ending is not None and not book.ending.is_early
    assert book.ending.best is not None and book.ending.best.trial == auto.best_.trial
    assert set(book.ending.models) == {experience.trial for experience in auto.pareto_front_}
    names = {path.name for path in book.ending.files}
    assert names == {"leaderboard.csv", "pareto.json", "results.json"}
    assert read_json(auto.run_.reported("book")) == [0, 1, 2]


def test_a_search_that_goes_on_tells_what_the_tracker_lacks(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    fit(tmp_path / "run", tickets, "", trials=2)
    fit(tmp_path / "run", tickets, "book", trials=3)
    fit(tmp_path / "run", tickets, "book", trials=4)
    first, second = shelf.books
    # Trials of before are read from their folders, with all their evaluations, in the order of their numbers.
    assert first.lines[:5] == [("started", 0), *[("evaluated", 0)] * 3, ("finished", 0)]
    assert [trial for event, trial in first.lines if event == "finished"] == [0, 1, 2]
    assert [trial for event, trial in second.lines if event == "finished"] == [3]
    assert first.run.id == second.run.id


def test_a_tracker_that_fails_is_told_once_and_is_told_again_later(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    class Torn(Book):
        def finished(self, event: TrialFinished) -> None:
            super().finished(event)
            if event.trial == 0:
                raise ConnectionError("the page is torn\nand more")

    shelf.kind = Torn
    notes = Notes()
    auto = fit(tmp_path / "run", tickets, "book", screen=notes)
    told = [text for text in notes.texts if "the page is torn" in text]
    assert len(told) == 1 and "the tracker book failed" in told[0] and "\n" not in told[0]
    assert len(auto.experiences_) == 3
    assert read_json(auto.run_.reported("book")) == [1, 2]
    shelf.kind = Book
    fit(tmp_path / "run", tickets, "book")
    assert [trial for event, trial in shelf.books[-1].lines if event == "finished"] == [0]


def test_a_tracker_that_refuses_at_the_start_ends_the_command_before_a_trial(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    class Locked(Book):
        def __init__(self, run: TrackedRun) -> None:
            raise PermissionError("the book is locked")

    shelf.kind = Locked
    with pytest.raises(UsageError, match="The tracker book cannot be used") as caught:
        fit(tmp_path / "run", tickets, "book")
    assert "the book is locked" in str(caught.value)
    assert not list((tmp_path / "run" / "trials").iterdir())


def test_a_tracker_that_hangs_holds_up_no_search(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "OPENING_SECONDS", 0.05)
    monkeypatch.setattr(reporter, "MESSAGE_SECONDS", 0.2)
    answer = threading.Event()

    class Slow(Book):
        def __init__(self, run: TrackedRun) -> None:
            answer.wait(60)
            super().__init__(run)

    shelf.kind = Slow
    notes = Notes()
    try:
        auto = fit(tmp_path / "run", tickets, "book", screen=notes)
        was_told = auto.run_.reported("book").exists()
    finally:
        answer.set()
    assert len(auto.experiences_) == 3 and not was_told
    assert "the tracker book has not answered yet" in notes.texts[-2]
    assert "has not taken everything; the same command tells it the rest" in notes.texts[-1]


def test_a_search_that_is_ended_from_outside_closes_its_trials(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    class Impatient:
        def evaluated(self, event: TrialEvaluated) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", tickets, "book", callbacks=(Impatient(),))
    (book,) = shelf.books
    assert book.lines[-1] == ("finished", 0)
    assert book.ending is not None and book.ending.is_early and not book.ending.models


def test_a_search_without_a_model_is_ended_too(
    shelf: Shelf, tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.trackers.searches.FAILING", 0)
    with pytest.raises(NoModelError):
        fit(tmp_path / "run", tickets, "book", trials=1)
    (book,) = shelf.books
    assert book.lines == [("started", 0), ("finished", 0)]
    assert book.ending is not None and book.ending.best is None


@pytest.mark.parametrize(
    ("report_to", "error", "message"),
    [
        ("mlfow", UnknownNameError, "Did you mean 'mlflow'"),
        ("nowhere", UsageError, r"pip install 'xautolm\[nowhere\]'"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(
    report_to: str,
    error: type[Exception],
    message: str,
    tmp_path: Path,
    tickets: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = Tracker(name="nowhere", module="no_such_client", begin=Book)
    monkeypatch.setitem(TRACKERS.things, "nowhere", absent)
    with pytest.raises(error, match=message):
        fit(tmp_path / "run", tickets, report_to)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_the_name_of_a_client_is_no_client(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # wandb itself makes a folder `wandb` where it is used.
    (tmp_path / "somewhere" / "folder_client").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "somewhere"))
    absent = Tracker(name="nowhere", module="folder_client", begin=Book)
    monkeypatch.setitem(TRACKERS.things, "nowhere", absent)
    with pytest.raises(UsageError, match="is not installed"):
        fit(tmp_path / "run", tickets, "nowhere")
