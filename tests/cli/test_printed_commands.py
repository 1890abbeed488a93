"""Every command line that is printed or documented names commands and options that there are."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from rich.console import Console
from typer.testing import CliRunner

import xautolm
from tests.played import FakePredictor, fake_predictor, played
from xautolm.cli import app
from xautolm.report.result import print_result
from xautolm.tasks import TASKS

__all__ = ["fake_predictor"]
ROOT = Path(xautolm.__file__).parent
SOURCES = [
    *sorted(ROOT.rglob("*.py")),
    *sorted((ROOT.parents[1] / "docs").rglob("*.md")),
    ROOT.parents[1] / "README.md",
]
QUOTED = re.compile(r"`xautolm ([a-z][^`{]*)`")
IN_BLOCK = re.compile(r"^xautolm ([a-z][^#\n]*)", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Return what follows the program's name, with the file that says it."""
    lines = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for pattern in (QUOTED, IN_BLOCK):
            lines.extend((path.name, line.strip()) for line in pattern.findall(text))
    return lines


def test_there_are_commands_to_look_at() -> None:
    assert len(commands()) > 20


@pytest.mark.parametrize(("name", "line"), commands())
def test_commands_and_options_exist(name: str, line: str) -> None:
    command = typer.main.get_command(app)
    options = {"--help", "-h"}
    for word in line.replace("|", " ").split():
        subcommands = getattr(command, "commands", {})
        if word in subcommands:
            command = subcommands[word]
        options |= {option for parameter in command.params for option in parameter.opts}
        if word.startswith("--"):
            assert word.partition("=")[0].rstrip(",.;") in options, f"{name}: {line}"
    assert command is not typer.main.get_command(app), f"{name}: {line}"


@pytest.mark.parametrize("task", sorted(TASKS.things))
@pytest.mark.parametrize("width", [30, 240])
def test_the_next_command_after_a_search_runs_as_it_was_printed(
    tmp_path: Path, task: str, width: int, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "a long name of a folder" / "my run", task)
    console = Console(file=io.StringIO(), width=width)
    inputs = tuple(TASKS.get(task).inputs)
    print_result(
        auto.run_, auto.best_, auto.pareto_front_, {"score": 0.4321}, inputs, console=console
    )
    printed = console.file.getvalue()
    assert "0.4321" in printed and "once more" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    program, *arguments = shlex.split(line.removeprefix("next: "))
    result = CliRunner().invoke(app, arguments)
    assert program == "xautolm" and result.exit_code == 0, result.exception
    assert len(result.stdout.splitlines()) == 1 and fake_predictor.rows == 1
