"""What a run's folder survives: damaged files, crashes at any write, full disks, a store that fails, an odd place."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import place_in
from xautolm import AutoLM, ExperienceStore
from xautolm.data.demo import support_tickets
from xautolm.errors import NoModelError, RunFolderError, SearchEndedError, StoreError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.serialization import temporary_path
from xautolm.testing import FakeExecutor, success

TRIALS = 3
TICKETS = support_tickets(80, seed=1)


class Heard(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def play(spec: TrialSpec) -> TrialOutcome:
    """The first trial is the best and the slowest; the others are on the front for their speed."""
    return success(
        seconds=100.0 - spec.number, **dict.fromkeys(spec.metrics, 0.9 - 0.1 * spec.number)
    )


def fitted(
    folder: Path,
    how: Callable[[TrialSpec], TrialOutcome] = play,
    executor: FakeExecutor | None = None,
    data: pd.DataFrame = TICKETS,
    **options: Any,
) -> tuple[AutoLM, FakeExecutor, list[str]]:
    """Search, or go on searching, in a folder."""
    executor, screen = executor or FakeExecutor(how), Heard()
    settings = {
        "out": str(folder),
        "device": "cpu",
        "trials": TRIALS,
        "models": "minilm-l2",
        "methods": "head,lora",
    }
    auto = AutoLM(**{**settings, **options})
    auto.fit(data, screen=screen, executor=executor)
    return auto, executor, screen.said


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, with all its files."""
    folder = tmp_path_factory.mktemp("finished")
    with place_in(folder):
        auto, _, _ = fitted(folder / "run")
        auto.report()
    return folder / "run"


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # not in place: best/ and the trial share their files
    path.write_bytes(content[: len(content) // 2])


def garble(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"\x00\xff{garbage]\x93" * 40)


NAMED = {
    "run.json": 1,
    "study.db": 1,
    "clock.json": 1,
    "warm_start.json": 1,
    "results.json": 1,
    "data/train.parquet": 1,
    "data/validation.parquet": 1,
    "trials/0001/result.json": 1,
    "trials/0001/spec.json": 1,
    "trials/0000/result.json": 1,
    "best/xautolm.json": 1,
}
"""Files whose damage is said."""
QUIET = (
    "data/run.json",
    "pareto.json",
    "leaderboard.csv",
    "report.html",
    "timeline.jsonl",
    "best/README.md",
    ".lock",
)
"""Files that are only written, or have a copy, or of which nobody can say what is right."""
UNSEEN_WHEN_DELETED = {
    "warm_start.json",
    "results.json",
    "trials/0000/result.json",
    "trials/0001/result.json",
}
"""Files that a run may lack for other reasons."""


def test_what_a_kill_left_half_made_is_removed_at_the_next_start(
    finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    split = temporary_path(run / "data" / "train.parquet")
    split.write_bytes(b"half")
    features = temporary_path(run / "tokens" / "features-0")
    features.mkdir(parents=True)
    (features / "train.npy").write_bytes(b"half")
    # As versions from before named them, by the number of the process.
    of_before = run / "tokens" / ".tokens-0.4242"
    of_before.mkdir()
    whole = run / "tokens" / "tokens-0"
    whole.mkdir()

    fitted(run)

    assert not split.exists() and not features.exists() and not of_before.exists()
    assert whole.is_dir()


@pytest.mark.parametrize("spoil", [delete, empty, halve, garble], ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("name", [*NAMED, *QUIET])
def test_a_damaged_file_costs_itself_only(
    finished: Path, tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    spoil(run / name)
    before = {path: path.read_bytes() for path in run.glob("trials/*/*.json") if path != run / name}
    AutoLM.load(run).report(tmp_path / "page.html")
    assert all(path.read_bytes() == content for path, content in before.items())

    auto, executor, said = fitted(run)

    cost = 1 if name.startswith("trials") else 0
    spoiled = {
        run / name,
        *(path for path in before if path.parent == (run / name).parent and cost),
    }
    assert all(
        path.read_bytes() == content for path, content in before.items() if path not in spoiled
    )
    assert [spec.number for spec in executor.specs] == [TRIALS] * cost
    evidence = [
        experience.trial for experience in auto.experiences_ if experience.outcome.is_evidence
    ]
    assert len(evidence) == TRIALS and len(set(evidence)) == TRIALS
    assert (run / "best" / "xautolm.json").stat().st_size and (
        run / "best" / "README.md"
    ).stat().st_size
    is_said = any(Path(name).name in line or name.partition("/")[2] in line for line in said)
    if name in NAMED and not (spoil is delete and name in UNSEEN_WHEN_DELETED):
        assert is_said, said
    if spoil is not empty:
        return  # once for each file will do
    auto, executor, said = fitted(run)
    assert executor.specs == [] and not any(
        "cannot be read" in line or "study.db" in line for line in said
    ), said


def test_what_a_run_is_about_is_refused_where_both_copies_are_damaged(
    finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "run.json").write_text("{")
    (run / "data" / "run.json").unlink()
    for attempt in (lambda: fitted(run), lambda: AutoLM.load(run)):
        with pytest.raises(RunFolderError, match=r"run\.json: .*line 1") as caught:
            attempt()
        assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "[]",
        '{"status": "complete"}',
        '{"status": "complete", "metrics": {"f1_macro": NaN}, "evaluation_time": 1.0}',
        '{"status": "complete", "metrics": {"f1_macro": 0.9}}',
        '{"status": "failed"}',
        '{"status": "failed", "failure": {"kind": "of another version", "message": ""}}',
    ],
)
def test_a_result_that_says_less_than_it_must_is_damaged(
    finished: Path, tmp_path: Path, content: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "trials" / "0001" / "result.json").write_text(content)
    assert [experience.trial for experience in AutoLM.load(run).experiences_] == [0, 2]
    _, executor, said = fitted(run)
    assert [spec.number for spec in executor.specs] == [3]
    assert any("trials/0001/result.json" in line and "interrupted" in line for line in said)
    assert (run / "trials" / "0001" / "result.json.damaged").read_text() == content


def test_folders_that_are_no_trials_are_left_alone(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    strange = {
        "0003": "notes.txt",
        "0004.bak": "spec.json",
        "7": "result.json",
        "abc": "x",
        "0012": "y",
    }
    for name, file in strange.items():
        (run / "trials" / name).mkdir()
        (run / "trials" / name / file).write_text("mine")
    (run / "trials" / "0005").write_text("a file in a folder's place")
    _, executor, _ = fitted(run, trials=TRIALS + 3)
    assert [spec.number for spec in executor.specs] == [4, 6, 7]
    assert all(
        (run / "trials" / name / file).read_text() == "mine" for name, file in strange.items()
    )
    auto, _, _ = fitted(run, trials=TRIALS + 3)
    assert [experience.trial for experience in auto.experiences_] == [0, 1, 2, 4, 6, 7]


def falling(spec: TrialSpec) -> TrialOutcome:
    """Each trial is worse and slower than the one before."""
    return success(
        seconds=1.0 + spec.number, **dict.fromkeys(spec.metrics, 0.9 - 0.1 * spec.number)
    )


def test_a_lost_result_is_had_from_the_store(tmp_path: Path) -> None:
    run = tmp_path / "run"
    before, _, _ = fitted(run)
    (run / "trials" / "0000" / "result.json").unlink()
    (run / "trials" / "0001" / "result.json").write_text("{")
    auto, executor, said = fitted(run)
    assert executor.specs == []
    assert [e.outcome for e in auto.experiences_] == [e.outcome for e in before.experiences_]
    assert sum("from the experience store" in line for line in said) == 2


def test_best_stays_where_it_is_better_than_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fitted(run, falling)
    (run / "trials" / "0000" / "result.json").unlink()
    monkeypatch.setenv("XAUTOLM_STORE", str(tmp_path / "another.db"))
    auto, executor, said = fitted(run, falling)
    assert [spec.number for spec in executor.specs] == [3]
    assert any("best/ stays the model of trial 0" in line for line in said)
    assert json.loads((run / "results.json").read_text())["best"] == 0
    assert auto.best_.trial == 1
    shutil.rmtree(run / "best")
    fitted(run, falling)
    assert (
        json.loads((run / "results.json").read_text())["best"] == 3
    )  # the weights of trials 1 and 2 are gone
    for model in run.glob("trials/*/model"):
        shutil.rmtree(model)
    shutil.rmtree(run / "best")
    with pytest.raises(NoModelError, match="weights of all trials"):
        fitted(run, falling)


class Crash(BaseException):
    """The process is killed."""


def test_a_crash_at_any_write_loses_no_trial_and_uses_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    writes = 0
    crash_at = 0

    def replace(path: Path, target: Path) -> Path:
        nonlocal writes
        writes += 1
        if writes == crash_at:
            raise Crash
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    crashes = 0
    while True:
        crash_at += 1
        writes = 0
        run = tmp_path / f"run{crash_at}"
        try:
            fitted(run, trials=2)
        except Crash:
            crashes += 1
        else:
            break
        results = {path: path.read_bytes() for path in run.glob("trials/*/result.json")}
        begun = {int(path.name) for path in run.glob("trials/*")}
        writes = -1_000_000
        auto, executor, _ = fitted(run, trials=2)
        assert all(path.read_bytes() == content for path, content in results.items())
        assert not begun & {spec.number for spec in executor.specs}
        assert sum(experience.outcome.is_evidence for experience in auto.experiences_) == 2
        assert auto.best_.outcome.metrics["f1_macro"] == max(
            e.outcome.metrics.get("f1_macro", 0) for e in auto.experiences_
        )
    assert crashes >= 8  # orders, results, weights, tables, what is kept of the run


class FullDisk:
    """Makes every write that must reach the disk fail, while it is full."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self.synchronise = os.fsync
        patch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor: int) -> None:
        if self.is_full:
            raise OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC), os.readlink(f"/proc/self/fd/{descriptor}")
            )
        self.synchronise(descriptor)


@pytest.mark.parametrize("stays_full", [True, False])
def test_a_full_disk_ends_the_search_in_a_sentence_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays_full: bool
) -> None:
    disk = FullDisk(monkeypatch)

    class Filling(FakeExecutor):
        def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
            disk.is_full = len(self.specs) == 2
            return super().finished(timeout)

        def close(self) -> None:
            disk.is_full = disk.is_full and stays_full
            super().close()

    with pytest.raises(
        SearchEndedError, match="The disk is full, so the search ends here"
    ) as caught:
        fitted(tmp_path / "run", executor=Filling(play))
    assert "No space left" in str(caught.value) and len(str(caught.value).splitlines()) == 3
    disk.is_full = False
    if not stays_full:
        assert json.loads((tmp_path / "run" / "results.json").read_text())["best"] == 0
    auto, executor, _ = fitted(tmp_path / "run")
    assert [spec.number for spec in executor.specs] == [2, 3]
    assert sum(experience.outcome.is_evidence for experience in auto.experiences_) == TRIALS
    assert (tmp_path / "run" / "best" / "README.md").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB, where whoever runs the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    def fill(spec: TrialSpec) -> TrialOutcome:
        if spec.number == 1:
            with (small_disk / "something else").open("wb", buffering=0) as file:
                for size in (2**16, 2**12, 1):
                    try:
                        while True:
                            file.write(b"0" * size)
                    except OSError:
                        continue
        return play(spec)

    with pytest.raises(SearchEndedError, match=r"(?s)ends here.*(No space left|disk is full)"):
        fitted(small_disk / "run", fill)
    (small_disk / "something else").unlink()
    auto, executor, _ = fitted(small_disk / "run")
    assert min(spec.number for spec in executor.specs) >= 1
    assert sum(experience.outcome.is_evidence for experience in auto.experiences_) == TRIALS


def test_trials_that_all_end_from_outside_end_the_search(tmp_path: Path) -> None:
    def unlucky(spec: TrialSpec) -> TrialOutcome:
        if spec.number > 1:
            raise OSError(errno.EIO, "Input/output error")
        return play(spec)

    executor = FakeExecutor(unlucky)
    with pytest.raises(
        SearchEndedError, match=r"(?s)5 trials in a row.*infrastructure: .*Input/output error"
    ) as caught:
        fitted(tmp_path / "run", executor=executor, trials=50)
    assert (
        "the best model so far (trial 0, validation f1_macro 0.9000) is in "
        in caught.value.__notes__[0]
    )
    assert len(executor.specs) == 7
    assert (
        executor.specs[3].configuration == executor.specs[2].configuration
    )  # once more, in case it was bad luck
    assert executor.specs[4].configuration != executor.specs[2].configuration
    assert json.loads((tmp_path / "run" / "results.json").read_text())["best"] == 0


def test_trouble_with_the_store_is_said_once_and_what_it_lacks_is_added_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def refuse(self: ExperienceStore, experiences: Any) -> int:
        if experiences:
            attempts.append(experiences)
            raise StoreError(
                "Another program has kept the store locked.", got="store.db: database is locked"
            )
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(ExperienceStore, "add", refuse)
        auto, executor, said = fitted(tmp_path / "run")
    assert len(executor.specs) == TRIALS == len(auto.experiences_)
    # The first; the next would be five minutes later, and the last is made at the end.
    assert len(attempts) == 2
    assert len([line for line in said if "goes on without the experience store" in line]) == 1
    with ExperienceStore() as store:
        assert len(store) == 0
    fitted(tmp_path / "run")
    with ExperienceStore() as store:
        assert {experience.trial for experience in store.experiences()} == {0, 1, 2}


def test_a_run_goes_on_without_its_store_but_does_not_begin_without_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    impossible = str(tmp_path / "file" / "store.db")
    with pytest.raises(StoreError):
        fitted(tmp_path / "run", store=impossible)
    fitted(tmp_path / "run")
    auto, executor, said = fitted(tmp_path / "run", store=impossible, trials=TRIALS + 1)
    assert [spec.number for spec in executor.specs] == [TRIALS] and len(
        auto.experiences_
    ) == TRIALS + 1
    assert sum("goes on without the experience store" in line for line in said) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file/run", "file is a file"),
        ("file", "file is a file"),
        ("file/deeper/and/deeper", "file is a file"),
        ("n" * 300, "name too long"),
        ("dangling/run", "cannot be made|No such file"),
        ("half \udce9 name", "not text in UTF-8"),
    ],
)
def test_a_place_where_no_folder_can_be_made_is_refused(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "else")

    def never(spec: TrialSpec) -> TrialOutcome:
        raise AssertionError("a trial was started")

    with pytest.raises(RunFolderError, match=f"(?i){reason}") as caught:
        fitted(tmp_path / name, never)
    assert "--out" in str(caught.value) and len(str(caught.value).splitlines()) == 3
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_may_not_be_written_to_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != closed and allowed(path, mode)
    )
    monkeypatch.setattr("xautolm.session.make_scenario", None)
    with pytest.raises(RunFolderError, match=r"closed cannot be written to"):
        fitted(closed / "run")


def test_nothing_is_asked_for_when_no_time_is_left_for_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xautolm.budget import Clock
    from xautolm.search.study import SearchStudy

    asked = []
    ask = SearchStudy.ask

    def noted(self: SearchStudy, *arguments: Any) -> Any:
        found = ask(self, *arguments)
        asked.append(found)
        return found

    def quick(spec: TrialSpec) -> TrialOutcome:
        return success(seconds=0.05, **dict.fromkeys(spec.metrics, 0.5))

    left = iter([100.0] * 12)
    monkeypatch.setattr(Clock, "left", property(lambda self: next(left, 0.5)))
    monkeypatch.setattr(SearchStudy, "ask", noted)
    _, executor, _ = fitted(tmp_path / "run", quick, trials=50, budget=100)
    assert 0 < len(executor.specs) < 12
    assert None not in asked


def test_a_run_that_may_only_be_read_is_reported_elsewhere(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.open

    def closed(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.is_relative_to(finished) and "w" in arguments:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", closed)
    assert AutoLM.load(finished).report(tmp_path / "page.html").stat().st_size > 10_000
    for place in (None, finished / "page.html", tmp_path / "none" / "page.html", tmp_path):
        with pytest.raises(RunFolderError, match="The page cannot be written there"):
            AutoLM.load(finished).report(place)
