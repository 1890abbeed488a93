"""Where tables and sentences are printed, and the only place that does it: text from outside is made harmless here."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from xautolm.printable import printable, printable_line

PIPE_WIDTH = 240
"""Characters; enough to cut nothing."""


def table_console() -> Console:
    """Return standard output: as wide as the terminal, or wide enough to cut nothing when it is a pipe or file."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def cell(text: object) -> Text:
    """Return the cell of a table, in one line: neither terminal escapes nor rich's markup work in it."""
    return Text(printable_line(str(text)))


def sentence(text: str, style: str = "") -> Text:
    """Return a text of one or more lines for a rich console, in which neither escapes nor markup work."""
    return Text(printable(text), style=style)


def for_output(text: str) -> str:
    """Return a text as standard output should get it: made harmless for a terminal, as it is for files and pipes."""
    return printable(text) if sys.stdout.isatty() else text


def say(text: str, *, is_error: bool = False) -> None:
    """Print a text to standard output, or to standard error."""
    print(printable(text), file=sys.stderr if is_error else sys.stdout, flush=True)
