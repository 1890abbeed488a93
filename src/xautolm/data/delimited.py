"""Comma-separated files and their kin: which separator, where the header is, and which rows are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from xautolm.data.quoting import (
    SEPARATORS,
    USUAL_COUNT,
    Lines,
    MalformedError,
    Record,
    lines_of,
    records_of,
)
from xautolm.data.source import SAMPLE_OF_LINE, NotedTable, check_column_names, lined_table
from xautolm.errors import DataError

SEPARATOR_LINE = re.compile(r'"?sep=([^"])"?[,;]*\s*', re.IGNORECASE)
"""The line by which spreadsheets learn the separator."""
INVISIBLE = " \t\r\n\xa0\u200b\ufeff"
"""Characters around a column name that nobody sees."""
RULE = re.compile(r"[|+]?(?: *:?-{3,}:? *[|+])+(?: *:?-{3,}:? *)?\s*")
"""The line below the header of a table that is drawn with characters, as in Markdown and by database clients. Without a
sign between columns, dashes may be a row: a text or a label that is not there."""
ROW_COUNT = re.compile(r"\(\d+ rows?\)\s*")
"""The line below a table that PostgreSQL's client draws."""
RULE_NOTE = "the line of dashes below the header is no row"
SHOWN = 200
"""Characters of a list of column names that a message shows."""
END_OF_FILE = "\x1a"
"""What DOS wrote behind the last line of a file."""
WORDS_OF_PROSE = 3
"""Words from which on a column name looks like a text."""


def read_delimited(
    text: str, place: str, usual_separator: str, *, every_row: bool = False
) -> NotedTable:
    """Return the table of a delimited file and what a person should know of how it was read.

    Args:
        text: The whole file.
        place: Its name, for messages.
        usual_separator: The separator that the file's name suggests; another is taken where only that makes columns.
        every_row: Whether empty rows and repeated headers are rows too: a model is asked, and answers stand beside.

    Raises:
        DataError: The file is empty, or a line cannot be read; the message names it.
    """
    lines = lines_of(text.rstrip(END_OF_FILE))
    is_drawn = _has_rule(lines)
    if is_drawn:
        lines = _without_rule(lines)
    stated = SEPARATOR_LINE.fullmatch(lines.texts[0]) if lines.texts else None
    if stated is not None:
        # Such a line is no row, and what it says goes before the file's name.
        usual_separator = stated[1]
        lines = lines_of("".join(lines.texts[1:]), lines.first + 1)
    if not lines.texts:
        raise DataError(
            f"{place} is empty.", fix="It needs a line of column names and a line for each row."
        )

    try:
        records, separator, notes = _with_separator(lines, usual_separator)
    except MalformedError as error:
        problem = f"{place}, line {error.line}: {error.problem}"
        beginning = error.got[:SAMPLE_OF_LINE]
        raise DataError(problem, got=repr(beginning), fix=error.fix) from None
    if separator != usual_separator:
        notes.append(f"a {SEPARATORS[separator]} taken as what separates columns")
    if is_drawn:
        notes.append(RULE_NOTE)
        # The blanks beside the bars are drawn, too.
        records = _without_padding(records)
    table, row_notes = _as_table(records, place, every_row)
    return table, [*notes, *row_notes]


def _has_rule(lines: Lines) -> bool:
    """Return whether the second line only divides the header, column by column, from the rows."""
    if len(lines.texts) < 2 or not RULE.fullmatch(lines.texts[1]):
        return False
    header, rule = lines.texts[:2]
    return header.count("|") == rule.count("|") + rule.count("+")


def _without_padding(records: Sequence[Record]) -> list[Record]:
    """Return records without blanks at the ends of their cells."""
    bare: list[Record] = []
    for record in records:
        cells = [cell.strip() for cell in record.cells]
        bare.append(replace(record, cells=cells))
    return bare


def _without_rule(lines: Lines) -> Lines:
    """Return lines of which the second is blank, so that the others keep their numbers; a count of rows is left out."""
    header, _, *rows = lines.texts
    while rows and not rows[-1].strip():
        rows.pop()
    if rows and ROW_COUNT.fullmatch(rows[-1]):
        rows.pop()
    return Lines(texts=[header, "\n", *rows], first=lines.first)


def _with_separator(lines: Lines, usual: str) -> tuple[list[Record], str, list[str]]:
    """Return records, separator and notes for the separator that makes columns, the usual one first.

    Raises:
        MalformedError: With none of them can the file be read.
    """
    failures: dict[str, MalformedError] = {}
    single_column: tuple[list[Record], str, list[str]] | None = None
    further = [separator for separator in SEPARATORS if separator != usual]
    for separator in [usual, *further]:
        try:
            records, notes = records_of(lines, separator)
        except MalformedError as error:
            failures[separator] = error
            continue
        if len(records[0].cells) > 1:
            return records, separator, notes
        # One column is what any separator makes of a file that does not hold it: the last resort.
        if separator == usual:
            single_column = records, separator, notes
    # The separator was right and a line was wrong, if most lines have as many cells as the header.
    header = lines.texts[0]
    for separator, failure in failures.items():
        if separator in header and fits_most_lines(lines.texts, separator):
            raise failure
    if single_column is None:
        raise failures[usual]
    return single_column


def fits_most_lines(lines: Sequence[str], separator: str) -> bool:
    """Return whether more than half of the lines have a separator as often as the first, the header."""
    expected = lines[0].count(separator)
    fitting = 0
    for line in lines:
        if line.count(separator) == expected:
            fitting += 1
    return fitting > len(lines) / 2


def _as_table(records: Sequence[Record], place: str, every_row: bool) -> NotedTable:
    """Return the rows below the header as a table, and notes on those that are left out.

    Raises:
        DataError: No row, two columns of one name, or a first line that is a row.
    """
    header = records[0].cells
    # Each of several files that were put one below the other may begin with a byte order mark.
    names = [name.strip(INVISIBLE) for name in header]
    rows: list[Record] = []
    empty: list[Record] = []
    repeated: list[Record] = []
    for record in records[1:]:
        if every_row:
            rows.append(record)
        elif not any(cell.strip() for cell in record.cells):
            empty.append(record)
        elif [cell.strip(INVISIBLE) for cell in record.cells] == names:
            # Files that were put one below the other have the header of each.
            repeated.append(record)
        else:
            rows.append(record)
    notes = []
    if empty:
        first = empty[0].first_line
        notes.append(f"rows without any content left out: {len(empty)}, the first in line {first}")
    if repeated:
        first = repeated[0].first_line
        notes.append(
            f"repetitions of the header left out: {len(repeated)}, the first in line {first}"
        )
    if not rows:
        quoted_names = ", ".join(map(repr, header))
        raise DataError(f"{place} has no rows.", got=f"only column names: {quoted_names[:SHOWN]}")

    header_place = f"{place}, line {records[0].first_line}"
    _check_header(header, rows, header_place)
    # Messages name a row by the line on which it begins.
    cells = [record.cells for record in rows]
    first_lines = [record.first_line for record in rows]
    table = lined_table(cells, first_lines)
    table, name_notes = _named_columns(table, header)
    notes.extend(name_notes)
    check_column_names(table, header_place)
    return table, notes


def _named_columns(table: pd.DataFrame, header: Sequence[str]) -> NotedTable:
    """Return the table with its header, without spaces around names, and a note on these.

    A column with neither a name nor a cell is left out, as spreadsheets add them; one with cells but no name is called
    by its position.
    """
    names: list[str] = []
    positions: list[int] = []
    spaced: list[str] = []
    for position, name in enumerate(header):
        bare = name.strip(INVISIBLE)
        if not bare:
            cells = table.iloc[:, position]
            if not any(cell.strip() for cell in cells):
                continue
            # People count from 1.
            bare = f"column {position + 1}"
        elif bare != name:
            spaced.append(repr(name))
        positions.append(position)
        names.append(bare)
    named = table.iloc[:, positions]
    named.columns = pd.Index(names, dtype=object)
    notes = []
    if spaced:
        notes.append(f"spaces around column names taken away: {', '.join(spaced)}")
    return named, notes


def _check_header(header: Sequence[str], rows: Sequence[Record], place: str) -> None:
    """Refuse a first line that is a row: a text beside a value that occurs again and again below it.

    Raises:
        DataError: There is no header.
    """
    word_counts = [len(name.split()) for name in header]
    longest_name = max(word_counts, default=0)
    # A first line of short words may be names, whatever stands below it.
    if longest_name < WORDS_OF_PROSE:
        return
    for position, name in enumerate(header):
        repetitions = sum(record.cells[position] == name for record in rows)
        if name.strip() and repetitions >= USUAL_COUNT:
            raise DataError(
                f"{place}: a row stands where the column names must be.",
                got=f"{name!r}, which {repetitions} rows below it have in the same column",
                fix="Put a line of column names above it, such as text,label.",
            )
