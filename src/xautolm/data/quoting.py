"""What a double quote means in a delimited file, and with that, how many records it has.

A file says nothing of its quoting. Its records are therefore counted twice: by the rules of RFC 4180, where a quoted
cell may hold line ends, and by its lines, each of which is a record where quotes are mere characters. Where the two
counts differ, the lines inside quoted cells decide, and what was decided is said.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

SEPARATORS = {
    ",": "comma",
    "\t": "tab",
    ";": "semicolon",
    "|": "bar",
    "^": "caret",
    "~": "tilde",
    ":": "colon",
    "\x01": "control character 1",
    "\x1f": "unit separator",
}
"""What stands between columns, and its name for people; the usual ones first."""
SEPARATORS_OF_PROSE = ",;:"
"""Separators that are usual inside texts too."""
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line ends at a carriage return, a line feed or both; whatever else Unicode calls a line end is part of a text."""
BACKSLASHES = re.compile(r'\\\\(?=")|\\"')
"""An escaped backslash at the end of a cell, or an escaped quote."""
QUOTED_SHARE = 0.5
"""Share of lines with a cell in quotes, from which on quotes are there to quote."""
WHOLE_LINE = re.compile(r'\s*"((?:[^"]|"")*)"\s*')
"""A line that is one cell in quotes."""
USUAL_COUNT = 2
"""Times that a value occurs in a column to be expected there again."""


class Quoting(StrEnum):
    """What a double quote means."""

    DOUBLED = "doubled"
    """It begins and ends a cell; inside it is doubled (RFC 4180)."""
    SPACED = "spaced"
    """The same, with spaces after separators."""
    ESCAPED = "escaped"
    """It begins and ends a cell; inside a backslash precedes it."""


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of a row and the lines on which it stands, the first being 1."""

    cells: list[str]
    first_line: int
    last_line: int


class MalformedError(Exception):
    """A line that cannot be read in some way: where, what is wrong, what stands there, what to do."""

    def __init__(self, line: int, problem: str, got: str, fix: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem
        self.got = got
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of a file, with their ends, and the number of the first of them."""

    texts: list[str]
    first: int

    def text(self, number: int) -> str:
        """Return a line by its number in the file, without its end."""
        return self.texts[number - self.first].rstrip("\r\n")


def lines_of(text: str, first: int = 1) -> Lines:
    """Return the lines of a text from the first on that is not blank.

    Args:
        text: Of a file, from some line on.
        first: The number of that line.
    """
    texts = LINE.findall(text)
    blank = 0
    while blank < len(texts) and not texts[blank].strip():
        blank += 1
    return Lines(texts=texts[blank:], first=first + blank)


def records_of(lines: Lines, separator: str) -> tuple[list[Record], list[str]]:
    """Return the records of a file, the header first, and what a person should know of how its quotes were read.

    Raises:
        MalformedError: A line does not fit, or two readings of a quote cannot be told apart.
    """
    # Python's own limit is 131,072 characters a cell; long documents have more.
    csv.field_size_limit(2**31 - 1)
    unwrapped = _unwrapped(lines, separator)
    if unwrapped is not None:
        records, further_notes = records_of(unwrapped, separator)
        return records, ["quotes around whole lines taken away", *further_notes]
    notes: list[str] = []
    try:
        records = _quoted_records(lines, separator, Quoting.DOUBLED)
    except MalformedError as error:
        return _despite_quotes(lines, separator, error)
    if _have_spaces_before_quotes(records):
        # By RFC 4180 such quotes are characters; programs that put a space after each separator do not mean them so.
        with suppress(MalformedError):
            spaced = _quoted_records(lines, separator, Quoting.SPACED)
            # Where the spaces are inside of quotes, nothing changes.
            if spaced != records:
                records = spaced
                notes.append(
                    "quotes behind spaces taken for those around cells: most rows have some"
                )
    spanning = _over_several_lines(records)
    # Where every record is a line, both counts agree.
    if not spanning:
        return records, notes
    unquoted = _unquoted_or_none(lines, separator)
    # Texts hardly ever hold tabs and bars: where each line is a row without quotes, that is no chance.
    needs_evidence = unquoted is None or separator in SEPARATORS_OF_PROSE
    swallowing = _swallowing(spanning, records, lines, separator, needs_evidence=needs_evidence)
    if swallowing is None:
        line_ends = sum(record.last_line - record.first_line for record in spanning)
        where = f"the first in line {spanning[0].first_line}"
        # All but the header.
        rows = len(records) - 1
        notes.append(f"{rows} rows; line ends inside quoted texts: {line_ends}, {where}")
        return records, notes
    if unquoted is None:
        raise _lone_quote(swallowing, lines)
    return unquoted, [_unquoted_note(swallowing.first_line)]


def _unwrapped(lines: Lines, separator: str) -> Lines | None:
    """Return the lines of a file without quotes around each whole line; None where lines are no such cells.

    Spreadsheets write a row so that was pasted into one of their cells, and double the quotes of its own cells. The
    header may have been left as it was.
    """
    rows = [line for line in lines.texts[1:] if line.strip()]
    header = _without_quotes_around(lines.texts[0])
    # With one column, a line in quotes is its cell.
    if not rows or separator not in header:
        return None
    if not all(WHOLE_LINE.fullmatch(line) for line in rows):
        return None
    fields = len(next(csv.reader([header], delimiter=separator)))
    texts = [header]
    for line in lines.texts[1:]:
        text = _without_quotes_around(line)
        cells = next(csv.reader([text], delimiter=separator), [])
        if text.strip() and len(cells) != fields:
            return None
        texts.append(text)
    return Lines(texts=texts, first=lines.first)


def _without_quotes_around(line: str) -> str:
    """Return what is in a line that is one cell in quotes, with its line end; any other line as it is."""
    whole = WHOLE_LINE.fullmatch(line)
    if whole is None:
        return line
    content = whole[1].replace('""', '"')
    return f"{content}\n"


def _have_spaces_before_quotes(records: Sequence[Record]) -> bool:
    """Return whether most rows have a cell that is quoted behind a space."""
    rows = records[1:]
    spaced = 0
    for record in rows:
        for cell in record.cells:
            if not cell.startswith(" "):
                continue
            text = cell.strip()
            if len(text) > 1 and text[0] == text[-1] == '"':
                spaced += 1
                break
    return spaced > QUOTED_SHARE * len(rows)


def _over_several_lines(records: Sequence[Record]) -> list[Record]:
    spanning: list[Record] = []
    for record in records:
        if record.last_line > record.first_line:
            spanning.append(record)
    return spanning


def _despite_quotes(
    lines: Lines, separator: str, error: MalformedError
) -> tuple[list[Record], list[str]]:
    """Return the records of a file that does not follow RFC 4180, if there is another way to read it.

    Raises:
        MalformedError: There is none; the one given.
    """
    if not any('"' in line for line in lines.texts):
        raise error
    unquoted = _unquoted_or_none(lines, separator)
    if unquoted is not None:
        return unquoted, [_unquoted_note(error.line)]
    for quoting in (Quoting.SPACED, Quoting.ESCAPED):
        try:
            records = _quoted_records(lines, separator, quoting)
        except MalformedError:
            continue
        spanning = _over_several_lines(records)
        # A reading that would lose rows is worse than none.
        if _swallowing(spanning, records, lines, separator, needs_evidence=True) is not None:
            continue
        if quoting is Quoting.ESCAPED:
            return records, [
                f'quotes after a backslash (\\") taken as characters, as in line {error.line}'
            ]
        return records, []
    raise error


def _unquoted_note(line: int) -> str:
    return f"quotes taken as characters, because the one in line {line} is not closed where its cell ends"


def _quoted_records(lines: Lines, separator: str, quoting: Quoting) -> list[Record]:
    """Return the records, all with as many cells as the first.

    Raises:
        MalformedError: A quote is not closed where a cell ends, or a row has more or fewer cells.
    """
    texts = lines.texts
    if quoting is Quoting.ESCAPED:
        texts = [BACKSLASHES.sub(_doubled, line) for line in texts]
    has_spaces = quoting is Quoting.SPACED
    reader = csv.reader(texts, delimiter=separator, strict=True, skipinitialspace=has_spaces)
    records: list[Record] = []
    begin = lines.first
    try:
        for cells in reader:
            end = lines.first + reader.line_num - 1
            _append(records, Record(cells, begin, end), lines, separator)
            begin = end + 1
    except csv.Error:
        raise MalformedError(
            begin,
            "a quote opens a cell and is not closed where a cell ends.",
            lines.text(begin),
            'Put quotes around the whole cell and double those inside (""), or leave all quotes out.',
        ) from None
    return records


def _doubled(escape: re.Match[str]) -> str:
    return '""' if escape[0] == '\\"' else "\\"


def _unquoted_or_none(lines: Lines, separator: str) -> list[Record] | None:
    """Return each line as a record, if all have as many cells as the first and their quotes are not there to quote."""
    records: list[Record] = []
    for number, line in enumerate(lines.texts, start=lines.first):
        bare = line.rstrip("\r\n")
        cells = bare.split(separator) if bare else []
        try:
            _append(records, Record(cells, number, number), lines, separator)
        except MalformedError:
            return None
    if _quotes_quote(records):
        return None
    return records


def _append(records: list[Record], record: Record, lines: Lines, separator: str) -> None:
    """Add a record, unless its line is blank; in a file of one column that is an empty cell.

    Raises:
        MalformedError: It has more or fewer cells than the first.
    """
    fields = len(record.cells)
    columns = len(records[0].cells) if records else fields
    line = lines.text(record.first_line)
    if fields < 2 and not line.strip():
        if records and columns == 1:
            records.append(Record([""], record.first_line, record.last_line))
        return
    if fields != columns:
        raise MalformedError(
            record.first_line,
            f"{fields} fields where the header has {columns}.",
            line,
            _advice_on_fields(lines, separator, columns),
        )
    records.append(record)


def _advice_on_fields(lines: Lines, separator: str, columns: int) -> str:
    """Return what to do about a line with more or fewer fields than the header."""
    # Separators in quotes are parts of texts.
    rows = csv.reader(lines.texts[1:], delimiter=separator)
    fields_of_lines = Counter(len(cells) for cells in rows if cells)
    usual_fields, count = fields_of_lines.most_common(1)[0]
    # Where most rows agree with each other and not with the header, it is the header that is wrong.
    if usual_fields != columns and count > sum(fields_of_lines.values()) / 2:
        return (
            f"Most lines have {usual_fields} fields: line {lines.first} must name each of them. "
            "Remove what stands above the column names, or add the names that are missing."
        )
    name = SEPARATORS.get(separator, repr(separator))
    return f"Put quotes around texts that hold the separator, which is a {name}, or a line end."


def _quotes_quote(records: Sequence[Record]) -> bool:
    """Return whether a file whose lines are records uses quotes to quote, and not as characters of its texts."""
    lines_in_quotes = 0
    for number, record in enumerate(records):
        quoted: list[str] = []
        for cell in record.cells:
            if len(cell) > 1 and cell[0] == cell[-1] == '"':
                quoted.append(cell[1:-1])
        # Only a program that quotes doubles a quote inside quotes, or puts a column name in quotes.
        if any('""' in text for text in quoted):
            return True
        if quoted and number == 0:
            return True
        if quoted:
            lines_in_quotes += 1
    return lines_in_quotes > QUOTED_SHARE * len(records)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is to be expected in a column."""

    values: frozenset[str]
    are_numbers: bool

    def fits(self, value: str) -> bool:
        """Return whether a value is no surprise."""
        if value in self.values:
            return True
        return self.are_numbers and _is_number(value)


def _swallowing(
    spanning: Sequence[Record],
    records: Sequence[Record],
    lines: Lines,
    separator: str,
    *,
    needs_evidence: bool,
) -> Record | None:
    """Return the first record over several lines that has swallowed rows, if any has.

    Its lines must be whole rows by themselves. That can be chance, where texts hold separators; the evidence is that
    what is usual in a column (a class, a number) stands there in each of the lines.
    """
    columns = len(records[0].cells)
    if columns < 2:
        return None
    # Rows that stand on one line are surely whole; they show what is usual.
    single_lines = [record for record in records[1:] if record.first_line == record.last_line]
    usual: list[_Usual] = []
    for column in range(columns):
        values = [record.cells[column] for record in single_lines]
        usual.append(_usual(values))

    for record in spanning:
        rows: list[list[str]] = []
        for number in range(record.first_line, record.last_line + 1):
            text = lines.text(number)
            if text.strip():
                rows.append(text.split(separator))
        # A line with more or fewer cells is no row: the quoted text really has several lines.
        if any(len(row) != columns for row in rows):
            continue
        if not needs_evidence:
            return record
        for column in range(columns):
            expected = usual[column]
            if all(expected.fits(row[column]) for row in rows):
                return record
    return None


def _usual(values: Sequence[str]) -> _Usual:
    """Return what is to be expected in a column, by the values of rows that are surely whole."""
    counts = Counter(values)
    frequent: set[str] = set()
    for value, count in counts.items():
        # That cells are empty is no evidence.
        if value and count >= USUAL_COUNT:
            frequent.add(value)
    are_numbers = all(_is_number(value) for value in counts)
    # Of no value at all, nothing is to be expected.
    return _Usual(frozenset(frequent), are_numbers and bool(counts))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def _lone_quote(record: Record, lines: Lines) -> MalformedError:
    return MalformedError(
        record.first_line,
        f"a quote opens a cell here and is closed in line {record.last_line} only; the lines between are rows.",
        lines.text(record.first_line),
        'Put quotes around the whole cell and double those inside (""), or save the data as JSON Lines or Parquet.',
    )
