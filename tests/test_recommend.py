"""Advice before any training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.test_memory import FIRST, SECOND, play
from xautolm import AutoLM
from xautolm.cli import main
from xautolm.report.screen import Quiet
from xautolm.testing import FakeExecutor


@pytest.fixture
def taught(tmp_path: Path) -> dict[str, str]:
    """Options with a store in which every MiniLM failed and every model from scratch worked."""
    options = {"store": str(tmp_path / "s.db"), "device": "cpu"}
    executor = FakeExecutor(play)
    auto = AutoLM(sampler="random", trials=40, out=str(tmp_path / "first"), **options)
    auto.fit(FIRST, screen=Quiet(), executor=executor)
    return options


def test_advice_follows_experience(taught: dict[str, str]) -> None:
    advice = AutoLM(**taught).recommend(SECOND)
    rows = advice["recommendations"]
    pairs = [(row["configuration"]["model"], row["configuration"]["method"]) for row in rows]
    assert len(set(pairs)) == len(rows) == 8  # diverse: at most one for each model and method
    assert {model for model, _ in pairs[:2]} == {"scratch-tiny", "scratch-small"}
    risk = {model: row["failure"] for (model, _), row in reversed(list(zip(pairs, rows, strict=True)))}
    assert risk["scratch-tiny"] < 0.3 < 0.7 < risk["minilm-l6"]
    assert all(row["seconds"] > 0 and row["memory"] > 5e8 for row in rows)
    assert any("data frame/" in reason for reason in rows[0]["because"])
    assert advice["tasks"].keys() == {"data frame"} and "Judged by 40 past trials" in advice["note"]


def test_far_from_everything_it_says_so(taught: dict[str, str]) -> None:
    other = {"text": [f"{i} " + "word " * 900 for i in range(60)], "label": ["yes", "no"] * 30}
    assert "nothing near" in AutoLM(**taught).recommend(other)["note"]


def test_without_experience_it_says_so(tmp_path: Path) -> None:
    advice = AutoLM(store=str(tmp_path / "empty.db"), device="cpu").recommend(SECOND)
    assert "no past trials" in advice["note"]
    assert advice["recommendations"] and advice["recommendations"][0]["because"] == []


def test_the_command(
    taught: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    SECOND.to_csv(tmp_path / "t.csv", index=False)
    command = ["xautolm", "recommend", str(tmp_path / "t.csv"), "--store", taught["store"], "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [*command, "--count", "3"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "because of" in shown and "nearest tasks: data frame" in shown
    monkeypatch.setattr(sys, "argv", [*command, "--json", "--hide", "data frame"])
    with pytest.raises(SystemExit):
        main()
    assert "no past trials" in json.loads(capsys.readouterr().out)["note"]
    assert not Path("runs").exists()
