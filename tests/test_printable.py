"""Nothing that is printed commands a terminal, wherever its text came from."""

from __future__ import annotations

import ast
import io
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import xautolm
from xautolm.cli.verbosity import PrintableFormatter
from xautolm.errors import NoModelError, TrialError, UnknownNameError, UsageError
from xautolm.objectives import Objective
from xautolm.printable import printable, printable_json, printable_line
from xautolm.records import Configuration, Experience
from xautolm.report.advice import advice_table
from xautolm.report.experiences import damaged_table, experience_table
from xautolm.report.screen import LiveTable, Plain, Standing
from xautolm.run_folder import RunFolder
from xautolm.vocabulary import FailureKind

ROOT = Path(xautolm.__file__).parent
HOSTILE = "a\x1b[2Jb\x1b]0;owned\x07c\x9b31md\x1b]8;;http://x\x1b\\e\rf\x08g\x7fh\u202ei\ud800j"
HARMLESS = "abcdefghi\ufffdj"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (HOSTILE, HARMLESS),
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("Ärger, 東京, שלום, 👩‍🔬", "Ärger, 東京, שלום, 👩‍🔬"),
        ("windows\r\nlines", "windows\nlines"),
        ("\x1b[38;2;1;2;3mcolour\x1b[0m", "colour"),
        ("\x1b]52;c;Y2xpcGJvYXJk\x1b\\clipboard", "clipboard"),
        ("\x1bPq\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("\x1b(0charset", "charset"),
        ("unfinished \x1b]0;title", "unfinished 0;title"),
        ("at the end \x1b", "at the end "),
        ("\x1b[", ""),
        ("\x9d0;8 bits\x9c!", "!"),
        ("\x1b\x1b[31mnested", "nested"),
    ],
)
def test_escapes_and_controls_go_and_everything_else_stays(text: str, plain: str) -> None:
    assert printable(text) == plain
    assert printable(printable(text)) == printable(text)


def test_stripping_leaves_no_new_escape() -> None:
    # What is left when the inner escape goes must not be one itself.
    for text in ("\x1b\x1b[m[2J", "\x1b\x07[2J", "\x1b]\x1b[m0;x\x07", "\x9b\x1b[m2J"):
        assert not set(printable(text)) & set(map(chr, [*range(9), 27, *range(127, 160)]))


def test_a_line_is_one_line() -> None:
    assert printable_line("a\nb\tc\u2028d\r\ne") == "a b c d e"


def test_json_says_the_same_and_can_be_printed() -> None:
    text = printable_json({"name": HOSTILE, "city": "東京"})
    assert json.loads(text) == {"name": HOSTILE, "city": "東京"} and "東京" in text
    assert printable(text) == text


@pytest.mark.parametrize(
    "error",
    [
        UsageError(HOSTILE, got=HOSTILE, fix=HOSTILE),
        UnknownNameError("thing", HOSTILE, [HOSTILE]),
        NoModelError(HOSTILE),
        TrialError(FailureKind.CRASH, HOSTILE),
    ],
)
def test_errors(error: Exception) -> None:
    assert printable(str(error)) == str(error)


def test_the_log() -> None:
    record = logging.LogRecord("xautolm", logging.WARNING, "f", 1, "about %s", (HOSTILE,), None)
    assert PrintableFormatter("%(message)s").format(record) == f"about {HARMLESS}"


@pytest.fixture
def hostile(experience: Experience) -> Experience:
    values = {"model": HOSTILE, "method": HOSTILE, HOSTILE: HOSTILE}
    return replace(
        experience,
        data=replace(experience.data, name=HOSTILE),
        configuration=Configuration(values=values, space="s"),
        proposal=HOSTILE,
    )


def test_tables_and_notes(hostile: Experience, tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=400, force_terminal=False)
    console.print(experience_table([hostile]))
    console.print(damaged_table([(HOSTILE, HOSTILE, HOSTILE, HOSTILE)]))
    values = {"model": HOSTILE, "method": "[red]markup[/red]", "rate": HOSTILE}
    row = {"configuration": values, "quality": 0.0, "seconds": 1.0, "memory": 1e9, "failure": 0.1}
    row |= {"seconds_interval": [0.5, 2.0], "memory_interval": [5e8, 2e9]}
    console.print(advice_table([row | {"because": [HOSTILE], "origin": HOSTILE}]))
    Plain(stream).note(HOSTILE)
    live = LiveTable(console)
    live.note(HOSTILE)
    live.update(
        Standing(lead=Objective(name="f1_macro"), folder=RunFolder(tmp_path), experiences=[hostile])
    )
    live.close()
    shown = stream.getvalue()
    assert HARMLESS in shown and "[red]markup[/red]" in shown
    assert printable(shown) == shown


def test_text_for_rich_is_made_in_one_place() -> None:
    makers = set()
    for path in ROOT.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        # Blocks of a run's page have a `Text` of their own, which a template escapes.
        if "from rich" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Text"
            ):
                makers.add(path.relative_to(ROOT).as_posix())
    assert makers - {"experience/schema.py"} == {"report/console.py"}
