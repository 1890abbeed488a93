"""Where tables and sentences are printed, and the only place that does it: text from outside is made harmless here."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from xautolm.printable import printable, printable_line

PIPE_WIDTH = 240
"""Characters; enough to cut nothing."""


def table_console() -> Console:
    """Return standard output: as wide as the terminal, or wide enough to cut nothing when it is a pipe or file."""
    if sys.stdout.isatty():
        return Console()
    return Console(width=PIPE_WIDTH)


def add_columns(table: Table, headings: Iterable[str], numbers: Collection[str] = ()) -> None:
    """Add columns to a table.

    Args:
        table: The table, without rows.
        headings: What stands above the columns.
        numbers: Headings of the columns of numbers, which are aligned at the right.
    """
    for heading in headings:
        side: Literal["left", "right"] = "left"
        if heading in numbers:
            side = "right"
        # A cell, for the names of metrics of somebody's own are headings too.
        table.add_column(cell(heading), justify=side)


def add_cells(table: Table, values: Iterable[object], style: str = "") -> None:
    """Add a row to a table; values that are no texts stand there as `str` writes them."""
    cells = []
    for value in values:
        cells.append(cell(value))
    table.add_row(*cells, style=style)


def cell(text: object) -> Text:
    """Return the cell of a table, in one line: neither terminal escapes nor rich's markup work in it."""
    line = printable_line(str(text))
    return Text(line)


def sentence(text: str, style: str = "") -> Text:
    """Return a text of one or more lines for a rich console, in which neither escapes nor markup work."""
    harmless = printable(text)
    return Text(harmless, style=style)


def for_output(text: str) -> str:
    """Return a text as standard output should get it: made harmless for a terminal, as it is for files and pipes."""
    if sys.stdout.isatty():
        return printable(text)
    return text


def say(text: str, *, is_error: bool = False) -> None:
    """Print a text to standard output, or to standard error."""
    stream = sys.stderr if is_error else sys.stdout
    # Flushed: both streams stand in one terminal, and what is said first must come first.
    print(printable(text), file=stream, flush=True)
