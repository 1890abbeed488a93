"""What 0.1.0 left behind opens as before: its store, the folder of a run, and a configuration file."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xautolm import AutoLM, ExperienceStore
from xautolm.cli import main
from xautolm.errors import RunFolderError
from xautolm.options import read_config
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.testing import FakeExecutor, success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, TrialStatus

RECORDED = Path(__file__).parent / "fixtures" / "recorded_0_1_0"
RECORDED_ROOT = "/home/someone/run"
"""Where the run lay, as the orders of its trials say."""
STATUSES = [*(TrialStatus.TRUNCATED,) * 2, TrialStatus.FAILED, *(TrialStatus.TRUNCATED,) * 2]
STATUSES += [TrialStatus.COMPLETE]
"""How its trials ended, by number."""
BEST, BEST_SCORE = 5, 0.8240100565681961
"""The winner and its macro F1, as `results.json` has them."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, in which the recorded files lie as on the day on which they were written."""
    place = Path.cwd()
    shutil.copytree(RECORDED, place, dirs_exist_ok=True)
    for order in place.glob("run/trials/*/spec.json"):
        text = order.read_text(encoding="utf-8")
        assert RECORDED_ROOT in text
        order.write_text(text.replace(RECORDED_ROOT, str(place / "run")), encoding="utf-8")
    return place


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Run a command as a user does; it must succeed."""
    monkeypatch.setattr(sys, "argv", ["xautolm", *map(str, arguments)])
    try:
        main()
    except SystemExit as stopped:
        assert not stopped.code


def options_of(place: Path, **changes: Any) -> tuple[str, dict[str, Any]]:
    """Return the data and the options of the recorded configuration, some of them changed."""
    options = read_config(place / "fit.yaml") | changes
    return options.pop("data"), options


def play(spec: TrialSpec) -> TrialOutcome:
    """Play a trial that is worse than the recorded winner."""
    return success(seconds=5.0, f1_macro=0.5, accuracy=0.5, f1_weighted=0.5, mcc=0.0)


def test_the_store_is_read_whole(place: Path) -> None:
    with ExperienceStore("experience.db") as store:
        assert [row.problem for row in store.rows()] == [""] * 6
        experiences = sorted(store.experiences(), key=lambda experience: experience.trial)
    assert [experience.outcome.status for experience in experiences] == STATUSES
    assert {experience.objectives for experience in experiences} == {
        ("f1_macro", "evaluation_time")
    }
    assert experiences[BEST].outcome.metrics["f1_macro"] == BEST_SCORE
    failure = experiences[2].outcome.failure
    assert failure is not None and failure.kind is FailureKind.DIVERGED
    # The folder says the same of every trial, but for the second in which its file was written.
    for ours, theirs in zip(RunFolder(place / "run").experiences(), experiences, strict=True):
        assert ours.id == theirs.id and ours.configuration == theirs.configuration
        assert ours.outcome == theirs.outcome and ours.limits == theirs.limits


def test_the_store_is_listed_and_exported(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "experience", "list", "--store", "experience.db")
    listed = capsys.readouterr().out
    assert listed.count("scratch-tiny") == 6 and "diverged" in listed and "0.8240" in listed
    call(monkeypatch, "experience", "export", "all.jsonl", "--store", "experience.db")
    call(monkeypatch, "experience", "import", "all.jsonl", "--store", "again.db")
    with ExperienceStore("experience.db") as first, ExperienceStore("again.db") as again:
        imported = [replace(experience, provenance="") for experience in again.experiences()]
        by_id = {experience.id: experience for experience in imported}
        assert by_id == {experience.id: experience for experience in first.experiences()}


def test_advice_from_the_store(place: Path) -> None:
    source, options = options_of(place)
    advice = AutoLM(**options).recommend(source).to_plain()
    assert "Judged by 6 past trials" in advice["note"] and "opinions.csv" in advice["tasks"]
    (row,) = advice["recommendations"]
    # Which of the six are nearest depends on this machine, too.
    assert row["because"]
    assert all(reason.startswith("opinions.csv/") for reason in row["because"])


def test_a_search_is_warm_started_from_the_store(place: Path) -> None:
    source, options = options_of(place, out="new", trials=2)
    executor = FakeExecutor(play)
    AutoLM(**options).fit(source, screen=Quiet(), executor=executor)
    warm_start = json.loads((place / "new" / "warm_start.json").read_text(encoding="utf-8"))
    assert len(warm_start["influences"]) == 6
    assert len(executor.specs) == 2
    with ExperienceStore("experience.db") as store:
        assert len(store.experiences()) == 8


def test_a_finished_run_is_shown_again_and_reported(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (place / "run" / "results.json").read_text(encoding="utf-8")
    call(monkeypatch, "fit", "--config", "fit.yaml", "--refit", "never", "--json")
    *_, last = capsys.readouterr().out.splitlines()
    shown = json.loads(last)
    assert shown["event"] == "done" and shown["best"]["trial"] == BEST
    assert json.loads((place / "run" / "results.json").read_text())["best"] == BEST
    assert json.loads(before)["validation"]["f1_macro"] == BEST_SCORE
    call(monkeypatch, "report", "run")
    page = (place / "run" / "report.html").read_text(encoding="utf-8")
    assert "0.8240" in page and "diverged" in page
    with (place / "run" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in sorted(rows, key=lambda row: int(row["trial"]))] == STATUSES


def test_a_run_is_resumed_where_it_ended(place: Path) -> None:
    before = {path: path.read_bytes() for path in place.glob("run/trials/*/*.json*")}
    source, options = options_of(place, trials=8)
    executor = FakeExecutor(play)
    auto = AutoLM(**options).fit(source, screen=Quiet(), executor=executor)
    assert [spec.number for spec in executor.specs] == [6, 7]
    assert [row.trial for row in RunFolder(place / "run").experiences()] == list(range(8))
    assert auto.best_.trial == BEST
    assert {path: path.read_bytes() for path in before} == before


def test_what_was_killed_on_the_way_is_run_again(place: Path) -> None:
    # As a kill in the middle of the last trial would have left it, but for the study, which is made anew.
    shutil.rmtree(place / "run" / "best")
    for name in ("pareto.json", "results.json", "leaderboard.csv", "study.db"):
        (place / "run" / name).unlink()
    (place / "run" / "trials" / "0005" / "result.json").unlink()
    source, options = options_of(place, store=str(place / "none.db"), trials=7)
    executor = FakeExecutor(play)
    AutoLM(**options).fit(source, screen=Quiet(), executor=executor)
    interrupted = TrialFolder(place / "run" / "trials" / "0005").read_outcome()
    assert interrupted.failure is not None
    assert interrupted.failure.kind is FailureKind.INTERRUPTED
    recorded = json.loads((RECORDED / "run/trials/0005/spec.json").read_text(encoding="utf-8"))
    assert executor.specs[0].configuration.values == recorded["configuration"]["values"]


def test_another_search_does_not_take_the_folder(place: Path) -> None:
    source, options = options_of(place, seed=1)
    with pytest.raises(RunFolderError, match="holds another run") as raised:
        AutoLM(**options).fit(source, screen=Quiet(), executor=FakeExecutor(play))
    assert "seed: 2 there, 1 now" in str(raised.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_winner_answers(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    # The weights were not recorded: random ones of the recorded shape stand for them.
    best = place / "run" / "best"
    config = AutoConfig.from_pretrained(str(best))
    model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(str(best))
    call(monkeypatch, "predict", "run", "The baker loves a paper lamp.", "--json")
    *_, last = capsys.readouterr().out.splitlines()
    answer = json.loads(last)
    assert answer["prediction"] in {"content", "cross"}
