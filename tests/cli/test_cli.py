"""Usage: exit codes, messages, and options that reach the search."""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from xautolm import __version__
from xautolm.cli import GARBAGE_THRESHOLD, app, main
from xautolm.cli.fit import merged
from xautolm.data.demo import support_tickets
from xautolm.options import FitOptions


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["xautolm", *map(str, arguments)])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_python_looks_less_often_for_garbage_while_a_command_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, *before[1:])
        assert call(monkeypatch, "--version") == 0
        assert gc.get_threshold() == (GARBAGE_THRESHOLD, *before[1:])
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "No training data"),
        (["fit", "none.csv"], "No such file"),
        (["fit", "t.csv", "--budget", "soon"], "not a duration"),
        (["fit", "t.csv", "--config", "none.yaml"], "No such configuration file"),
        (["fit", "t.csv", "--text", "body"], "No column 'body'"),
        (["fit", "t.csv", "--validation", "none.csv"], "No such file"),
        (["predict", "nowhere", "a text"], "no run here"),
        (["report", "nowhere"], "no run here"),
        (["experience", "show", "ff"], "No such experience"),
        (["models", "show", "roberta-bass"], "Did you mean 'roberta-base'"),
        (["models", "space", "--space", "papr"], "Did you mean 'paper'"),
    ],
)
def test_bad_usage_exits_with_2_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    support_tickets(60).to_csv("t.csv", index=False)
    assert call(monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert not (tmp_path / "runs").exists()


def test_an_option_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "fit", "t.csv", "--bugdet", "3m") == 2


def test_lists_and_spaces_print(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "models", "list") == 0
    assert "answerdotai/ModernBERT-large" in capsys.readouterr().out
    assert call(monkeypatch, "models", "list", "--here") == 0
    assert "minilm-l2" in capsys.readouterr().out
    assert call(monkeypatch, "models", "space", "--models", "minilm-l6", "--methods", "lora") == 0
    assert "lora_r: 2..64 log  (default 8)" in capsys.readouterr().out
    assert call(monkeypatch, "models", "space", "--space", "paper", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "paper.v1"
    assert call(monkeypatch, "experience", "stats") == 0
    assert capsys.readouterr().out.startswith("0 experiences")
    assert call(monkeypatch, "--version") == 0


def test_every_option_of_fit_is_a_flag_and_the_other_way_round() -> None:
    import inspect

    from xautolm.cli.fit import fit

    flags = set(inspect.signature(fit).parameters) - {"data", "config", "quiet", "as_json"}
    assert flags == set(FitOptions.model_fields)


def test_flags_overrule_the_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: train.csv\nbudget: 5m\nseed: 3\n")
    given: dict[str, Any] = {
        "config": path,
        "data": None,
        "budget": "10m",
        "seed": None,
        "quiet": True,
        "as_json": False,
    }
    assert merged(given) == {"data": "train.csv", "budget": "10m", "seed": 3}


@pytest.mark.parametrize("value", [0, False])
def test_a_flag_of_0_overrules_the_configuration_file(tmp_path: Path, value: object) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 5\nexplain: true\n")
    flags = {"config": path, "quiet": False, "as_json": False, "seed": value, "explain": value}
    assert merged(flags) == {"seed": value, "explain": value}


@pytest.mark.parametrize("option", ["--parallel", "--trials", "--max-train", "--trial-time-limit", "--budget"])
def test_an_option_of_0_is_refused_and_never_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    support_tickets(60).to_csv("t.csv", index=False)
    assert call(monkeypatch, "fit", "t.csv", option, "0") == 2
    assert f"{option.removeprefix('--').replace('-', '_')}=" in capsys.readouterr().err


def test_help_of_fit_shows_every_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("TERMINAL_WIDTH", "240")
    assert call(monkeypatch, "fit", "--help") == 0
    page = capsys.readouterr().out
    shown = {line.split()[1]: line for line in page.splitlines() if "(default: " in line}
    defaults = {
        "--budget": "30m without --trials",
        "--objectives": "f1_macro,evaluation_time",
        "--models": "auto",
        "--families": "what the task suggests",
        "--methods": "all",
        "--space": "default",
        "--sampler": "xautolm",
        "--trial-time-limit": "a third of the budget",
        "--trial-memory-limit": "what the machine has",
        "--parallel": "1",
        "--device": "auto",
        "--seed": "0",
        "--out": "runs/<data>",
    }
    for option, default in defaults.items():
        assert f"(default: {default})" in shown[option]


def commands(app: typer.Typer, *path: str) -> list[tuple[str, ...]]:
    """Return the words that call each command of a program."""
    calls = []
    for info in app.registered_commands:
        assert info.callback is not None
        calls.append((*path, info.name or info.callback.__name__))
    for group in app.registered_groups:
        assert group.typer_instance is not None and group.name is not None
        calls += commands(group.typer_instance, *path, group.name)
    return calls


@pytest.mark.parametrize("words", commands(app), ids=" ".join)
def test_every_command_takes_verbosity_behind_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(logging.getLogger("xautolm"), "level", logging.NOTSET)
    assert call(monkeypatch, *words, "-h") == 0
    assert "--verbose" in capsys.readouterr().out


def test_verbosity_adds_up_before_and_after_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("xautolm")
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    assert call(monkeypatch, "models", "list", "--here") == 0
    assert logger.level == logging.WARNING
    assert call(monkeypatch, "models", "list", "--here", "-v") == 0
    assert logger.level == logging.INFO
    assert call(monkeypatch, "-vv", "models", "list", "--here") == 0
    assert logger.level == logging.DEBUG


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "xautolm", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, __version__, "")
