"""Usage: exit codes, messages, and options that reach the search."""

from __future__ import annotations

import gc
import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from xautolm import __version__
from xautolm.__main__ import main as run_program
from xautolm.cli import GARBAGE_THRESHOLD, app, main
from xautolm.cli.choices import names_declared_in
from xautolm.cli.fit import fit, merged, write_config
from xautolm.data.demo import support_tickets
from xautolm.errors import UsageError
from xautolm.methods import METHODS
from xautolm.options import FitOptions, Group, shown
from xautolm.registry import Registry
from xautolm.search import SAMPLERS
from xautolm.tasks import TASKS
from xautolm.trackers import TRACKERS
from xautolm.zoo import ZOO, find_models


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["xautolm", *map(str, arguments)])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_ctrl_c_while_modules_load_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        """Stands for a person who presses Ctrl-C while the command line is imported."""

        def find_spec(self, name: str, *rest: object) -> None:
            if name == "xautolm.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "xautolm.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as stopped:
        run_program()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted before anything began\n"


def test_python_looks_less_often_for_garbage_while_a_command_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
        (["push", "nowhere", "me/tickets"], "no run here"),
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


def test_an_option_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "fit", "t.csv", "--bugdet", "3m") == 2


def test_lists_and_spaces_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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


@pytest.mark.parametrize("spelling", ["minilm-l6", "MiniLM-L6", "minilm_l6"])
def test_a_model_is_shown_by_the_names_that_a_search_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spelling: str
) -> None:
    assert call(monkeypatch, "models", "show", spelling) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "minilm-l6"


def test_a_model_in_a_folder_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (packaged,) = find_models(["minilm-l6"], ZOO.things)
    assert call(monkeypatch, "models", "show", packaged.path) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(Path(packaged.path).resolve())


OPTIONS = """
task text label columns encoding validation test max_train unlabelled
objectives models families methods space export sampler warm_start warm_start_options hide starter pruning rungs
refit seed budget trials trial_time_limit trial_memory_limit parallel devices_per_trial device executor address
explain report_to store out
"""
"""Of a search, in the order of `--help`. A new one is a promise for years: this list is the place to think of it."""


def test_the_list_of_options_is_frozen() -> None:
    assert list(FitOptions.model_fields) == OPTIONS.split()


def test_every_option_of_fit_is_a_flag_and_the_other_way_round() -> None:
    own = {"data", "config", "save_config", "quiet", "as_json"}
    flags = set(inspect.signature(fit).parameters) - own
    assert flags == set(FitOptions.model_fields)


@pytest.mark.parametrize("name", FitOptions.model_fields)
def test_every_option_has_a_text_and_a_group(name: str) -> None:
    assert FitOptions.model_fields[name].description
    assert shown(name).group in Group


@pytest.mark.parametrize(
    ("home", "registry"),
    [
        ("xautolm.tasks:TASK", TASKS),
        ("xautolm.methods:METHOD", METHODS),
        ("xautolm.search.strategies:STRATEGIES", SAMPLERS),
        ("xautolm.trackers:TRACKER", TRACKERS),
    ],
)
def test_choices_are_the_names_of_the_registries(home: str, registry: Registry[Any]) -> None:
    assert names_declared_in(home) == registry.names()
    assert home in {shown(name).choices for name in FitOptions.model_fields}


def test_the_configuration_that_is_saved_is_read_back(tmp_path: Path) -> None:
    given = {
        "budget": "1h30m",
        "columns": "question=q",
        "models": "a,b",
        "unlabelled": "none",
        "seed": 3,
        "max_train": 9,
    }
    options = FitOptions.parse(
        {**given, "trial_memory_limit": "8GB", "pruning": False, "hide": "self"}
    )
    path = tmp_path / "run.yaml"
    write_config(path, "train.csv", options)
    assert merged(path, None, {}) == ("train.csv", options)
    with pytest.raises(UsageError, match="cannot be written"):
        write_config(tmp_path / "none" / "run.yaml", "train.csv", options)


def test_flags_overrule_the_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: train.csv\nbudget: 5m\nseed: 3\n")
    data, options = merged(path, None, {"budget": "10m"})
    assert (data, options.budget, options.seed) == ("train.csv", 600.0, 3)
    assert merged(path, "other.csv", {})[0] == "other.csv"


def test_a_flag_of_0_overrules_the_configuration_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: none.csv\nseed: 5\nexplain: true\npruning: true\n")
    saved = tmp_path / "saved.yaml"
    flags = ["--seed", "0", "--no-explain", "--no-pruning"]
    assert call(monkeypatch, "fit", "--config", path, *flags, "--save-config", saved) == 2
    assert "No such file" in capsys.readouterr().err
    _, options = merged(saved, None, {})
    assert (options.seed, options.explain, options.pruning) == (0, False, False)


@pytest.mark.parametrize(
    "option", ["--parallel", "--trials", "--max-train", "--trial-time-limit", "--budget"]
)
def test_an_option_of_0_is_refused_and_never_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    support_tickets(60).to_csv("t.csv", index=False)
    assert call(monkeypatch, "fit", "t.csv", option, "0") == 2
    assert f"{option.removeprefix('--').replace('-', '_')}=" in capsys.readouterr().err


def test_help_of_fit_shows_every_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    monkeypatch.setenv("TERMINAL_WIDTH", "600")
    assert call(monkeypatch, "fit", "--help") == 0
    page = capsys.readouterr().out
    lines = {line.split()[1]: line for line in page.splitlines() if "(default: " in line}
    defaults = {
        "--budget": "30m without --trials",
        "--objectives": "the first metric,evaluation_time",
        "--models": "auto",
        "--families": "what the task suggests",
        "--methods": "all",
        "--space": "default",
        "--sampler": "xautolm",
        "--trial-time-limit": "a third of the budget",
        "--trial-memory-limit": "what the machine has",
        "--parallel": "auto, one on each GPU",
        "--device": "auto",
        "--seed": "0",
        "--out": "runs/<name of the data>",
    }
    for option, default in defaults.items():
        assert f"(default: {default})" in lines[option]
    groups = [line for line in page.splitlines() if line.startswith("╭─")]
    assert [group for group in Group if any(f" {group.value} " in line for line in groups)] == list(
        Group
    )
    assert "One of: gp, nsga2, pge, random, tpe, xautolm." in lines["--sampler"]
    assert page.rstrip().splitlines()[-1].strip().startswith("Example: xautolm fit train.csv")


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
    done = subprocess.run(
        [sys.executable, "-m", "xautolm", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, __version__, "")
