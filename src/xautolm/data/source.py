"""What reading gives: raw tables by split, and what a person should know of how they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from xautolm.errors import DataError

NotedTable: TypeAlias = tuple[pd.DataFrame, list[str]]
"""A table, and what a person should know of how it was made, a note each."""
SAMPLE_OF_LINE = 60
"""Characters of a wrong line or value that a message shows."""
LINE, ROW, FILE = "line", "row", "file"
"""Names of a table's index, by what it counts: lines of a text file, rows, or rows of several files."""


@dataclass(frozen=True, slots=True)
class Source:
    """Raw tables by split, before any column is chosen.

    The index of each table says where a row stands: the line for text files, the row otherwise.
    """

    name: str
    splits: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    """What was done while reading, for people."""


def lined_table(rows: Sequence[object], lines: Sequence[int]) -> pd.DataFrame:
    """Return rows as a table of plain Python values whose index is the line on which each begins."""
    index = pd.Index(lines, name=LINE, dtype=int)
    # Told the type, pandas leaves the cells as they were read.
    return pd.DataFrame(rows, index=index, dtype=object)


def check_column_names(table: pd.DataFrame, place: str) -> None:
    """Refuse two columns of one name: which of them is meant cannot be known.

    Args:
        table: Any table.
        place: Where it comes from, for the message.

    Raises:
        DataError: A name that occurs twice, with the places of both.
    """
    positions: dict[str, int] = {}
    for position, column in enumerate(table.columns, start=1):
        name = str(column)
        if name in positions:
            earlier = positions[name]
            total = len(table.columns)
            raise DataError(
                f"{place}: two columns have the name {name!r}.",
                got=f"columns {earlier} and {position} of {total}",
                fix="Rename or remove one of them.",
            )
        positions[name] = position


def with_columns(table: pd.DataFrame, columns: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """Return a table with further columns, or others of the same names, of plain Python values."""
    extended = table.copy()
    for name, cells in columns.items():
        # Told the type, pandas does not turn whole numbers beside an empty cell into floats.
        column = pd.Series(list(cells), index=table.index, dtype=object)
        extended[name] = column
    return extended


def place_of(table: pd.DataFrame, place: object) -> str:
    """Return where a row stands, by its value in the index: `line 7`, or `row 5`."""
    counted = counted_by(table)
    return f"{counted} {place}"


def counted_by(table: pd.DataFrame) -> str:
    """Return what the index of a table counts: lines of a file, or rows."""
    # An index without a name counts rows.
    name = table.index.name or ROW
    return str(name)
