"""Halves of characters: text that no file, tokenizer or database can take.

JSON can write one half of a pair (`"\\ud83d"`), as programs do that cut texts by UTF-16 units; arguments and standard
input bring them for bytes that are not valid UTF-8.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pandas as pd

from xautolm.data.source import place_of
from xautolm.errors import DataError


def has_surrogate(text: str) -> bool:
    """Return whether a text holds half a character."""
    # Known at once: Python notes of each text whether it is ASCII.
    if text.isascii():
        return False
    # Halves of characters are all that UTF-8 cannot say; asking of each character takes twenty times as long.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def whole_characters(text: str) -> str:
    """Return a text whose halves of characters are joined to pairs where they fit, else replaced by U+FFFD."""
    if not has_surrogate(text):
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def repaired_cell(cell: object) -> object:
    """Return a cell with whole characters only, looking into lists and mappings."""
    if isinstance(cell, str):
        return whole_characters(cell)
    if isinstance(cell, list | tuple):
        return [repaired_cell(part) for part in cell]
    if isinstance(cell, dict):
        repaired: dict[object, object] = {}
        for key, part in cell.items():
            repaired[repaired_cell(key)] = repaired_cell(part)
        return repaired
    return cell


def repaired_table(table: pd.DataFrame, place: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table with whole characters only, and a note that counts and places what was replaced.

    Args:
        table: Its index says where a row stands.
        place: Where the table comes from, for the note.

    Raises:
        DataError: Lists or mappings stand inside each other more deeply than Python can follow.
    """
    changed_columns: dict[str, list[object]] = {}
    # A mapping keeps the order in which rows were met, and counts a row with two damaged cells once.
    damaged_rows: dict[Hashable, None] = {}
    for column in table.columns:
        series = table[column]
        may_hold_texts = series.dtype == object or pd.api.types.is_string_dtype(series)
        # Numbers and dates hold no characters.
        if not may_hold_texts:
            continue
        cells = list(series)
        for position, cell in enumerate(cells):
            try:
                is_damaged = _is_damaged(cell)
            except RecursionError:
                row = place_of(table, table.index[position])
                raise DataError(
                    f"{place}, {row}, column {str(column)!r}: objects or lists inside each other too deeply.",
                    fix="Remove this column, or write what it holds as text.",
                ) from None
            if not is_damaged:
                continue
            cells[position] = repaired_cell(cell)
            place_of_row = table.index[position]
            damaged_rows[place_of_row] = None
            changed_columns[column] = cells
    if not changed_columns:
        return table, ()

    repaired = table.copy()
    for column, cells in changed_columns.items():
        repaired[column] = pd.Series(cells, index=table.index, dtype=object)
    count = len(damaged_rows)
    rows = "row" if count == 1 else "rows"
    first_place = next(iter(damaged_rows))
    first = place_of(table, first_place)
    note = f"{place}: half characters (lone surrogates) in {count} {rows} replaced, the first in {first}"
    return repaired, (note,)


def _is_damaged(cell: object) -> bool:
    if isinstance(cell, str):
        return has_surrogate(cell)
    if isinstance(cell, list | tuple):
        return any(_is_damaged(part) for part in cell)
    if isinstance(cell, dict):
        parts = [*cell.keys(), *cell.values()]
        return any(_is_damaged(part) for part in parts)
    return False


def repaired_texts(texts: Sequence[str]) -> tuple[list[str], int]:
    """Return texts with whole characters only, and how many of them were changed."""
    repaired: list[str] = []
    changed = 0
    for text in texts:
        whole = whole_characters(text)
        repaired.append(whole)
        if whole != text:
            changed += 1
    return repaired, changed
