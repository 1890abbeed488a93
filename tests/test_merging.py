"""The winner's adapters are merged when the search ends, in a child; where that fails, they stay and are said to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from xautolm import AutoLM
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.run_folder import ADAPTERS, RunFolder
from xautolm.testing import FakeExecutor, success
from xautolm.vocabulary import TrialStatus

WEIGHTS = "model.safetensors"
OTHERS = {"accuracy": 0.5, "f1_weighted": 0.5, "mcc": 0.5}
"""Scores that do not matter here."""


class Noting(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Adapting(FakeExecutor):
    """Plays trials that leave adapters."""

    def _leave(self, spec: TrialSpec, folder: Path, outcome: TrialOutcome) -> None:
        super()._leave(spec, folder, outcome)
        (folder / "model" / ADAPTERS).write_text('{"base_model_name_or_path": "somewhere"}')


def play(spec: TrialSpec) -> TrialOutcome:
    distance = abs(spec.number - 1)
    return success(f1_macro=0.9 - distance / 10, **OTHERS)


def merge(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Stand for the child: put something in the place of the adapters of the trial that the order names."""
    model = RunFolder(Path(spec.data).parent).model(spec.number)
    (model / ADAPTERS).unlink()
    (model / WEIGHTS).write_text(f"whole model of trial {spec.number}")
    return TrialOutcome(status=TrialStatus.COMPLETE)


@pytest.fixture
def fit(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[AutoLM, list[str]]]:
    """Search with played trials, the second of which is the best, and an entry for the child."""

    def run(entry: str) -> tuple[AutoLM, list[str]]:
        monkeypatch.setattr("xautolm.artifacts.MERGE_ENTRY", entry)
        executor = Adapting(play)
        screen = Noting()
        auto = AutoLM(trials=3, sampler="random", device="cpu", out=str(tmp_path / "run"))
        auto.fit(tickets, screen=screen, executor=executor)
        return auto, screen.notes

    return run


def test_only_the_winner_is_merged_and_placed(fit: Callable, tmp_path: Path) -> None:
    auto, _ = fit("tests.test_merging:merge")
    assert auto.best_.trial == 1
    best = tmp_path / "run" / "best"
    assert (best / WEIGHTS).read_text() == "whole model of trial 1"
    assert not (best / ADAPTERS).exists()
    left = {
        path.parents[1].name for path in (tmp_path / "run" / "trials").glob(f"*/model/{ADAPTERS}")
    }
    assert "0001" not in left


def test_adapters_that_cannot_be_merged_stay_and_are_said_to(fit: Callable, tmp_path: Path) -> None:
    _, notes = fit("tests.test_merging:no_such_function")
    assert (tmp_path / "run" / "best" / ADAPTERS).is_file()
    assert any("the winner's adapters could not be merged" in note for note in notes)
