"""One file: unpacked, decoded, and given to the reader of its kind."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xautolm.data.delimited import END_OF_FILE, INVISIBLE, fits_most_lines, read_delimited
from xautolm.data.encodings import decoded
from xautolm.data.frames import with_index_columns
from xautolm.data.hugging_face import with_stored_class_names
from xautolm.data.json_files import read_json
from xautolm.data.quoting import LINE, SEPARATORS
from xautolm.data.source import SAMPLE_OF_LINE, Source, check_column_names, lined_table
from xautolm.data.surrogates import repaired_table
from xautolm.data.unpacking import ARCHIVE, DECOMPRESSORS, unpacked
from xautolm.errors import DataError
from xautolm.vocabulary import Split

Tables = tuple[Mapping[str, pd.DataFrame], list[str]]
"""Tables by split, and notes."""

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1\x00\x00"
FEATHER_MAGIC = b"FEA1"
"""How the first version of Feather began; the second is an Arrow file."""
TAR_MAGIC, TAR_MAGIC_AT = (b"ustar\x00", b"ustar  \x00"), 257
"""What stands in the head of a tar archive, by POSIX and by GNU, and at which byte."""
FEWEST_ZEROS = 16
"""Zero bytes at the end of a file from which on it is cut short: texts end in three at most, in UTF-32."""
UNPACK = "Unpack it and give the file, or the folder with train.* in it."
GIT_LFS_MAGIC = b"version https://git-lfs"
NOT_DATA = {
    GIT_LFS_MAGIC: (
        "a Git LFS pointer; the data itself is not here",
        "Fetch it with `git lfs pull`.",
    ),
    b"<!DOCTYPE": ("a web page", "Download the file itself, not the page that shows it."),
    b"<!doctype": ("a web page", "Download the file itself, not the page that shows it."),
    b"<html": ("a web page", "Download the file itself, not the page that shows it."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV UTF-8."),
    b"PK\x03\x04": (
        "a zip archive or a workbook",
        "Name it .zip, or save the workbook's sheet as CSV UTF-8.",
    ),
    PARQUET_MAGIC: ("a Parquet file", "Name it .parquet."),
    ARROW_MAGIC: ("an Arrow file", "Name it .arrow."),
    b"SQLite format 3\x00": (
        "an SQLite database",
        "Write the table as CSV, JSON Lines or Parquet.",
    ),
    b"<?xml": ("an XML document", "Write its rows as CSV, JSON Lines or Parquet."),
    b"%PDF-": ("a PDF document", "Write its texts as CSV, JSON Lines or Parquet."),
    b"{\\rtf1": ("a document in Rich Text Format", "Save it as plain text, and its rows as CSV."),
    b"\x89PNG": ("a picture", "Give the file with the texts."),
    b"\xff\xd8\xff": ("a picture", "Give the file with the texts."),
    b"\x93NUMPY": ("an array of NumPy's", "Read it with NumPy and give the array to AutoLM."),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", UNPACK),
}
"""First bytes of files that are not what their name says: what they are, and what to do."""
SAVE_SHEET = "Save the sheet as CSV UTF-8, or read it with pandas and give the frame to AutoLM."
HINTS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb"), SAVE_SHEET),
    ".ods": "Save the sheet as CSV UTF-8.",
    ".numbers": "Export the sheet as CSV.",
    **dict.fromkeys((".tar", ".tgz", ".7z", ".rar", ".z"), UNPACK),
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"), "Write the table as CSV, JSON Lines or Parquet."
    ),
    ".pkl": "Pickles are never read, since they run code; write Parquet or JSON Lines.",
    ".pickle": "Pickles are never read, since they run code; write Parquet or JSON Lines.",
}
"""What to do with files that are not read."""
TAB = "\t"
FASTTEXT_LABEL = re.compile(r"(?:^|(?<=\s))__label__(\S+)\s*(?:,\s+)?")
"""A label in a line of fastText's, at its beginning or after a blank; its tutorials have a comma behind it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file, once unpacked."""

    data: bytes
    place: str
    """Where it is, for messages: the path, and the member of an archive."""
    encoding: str | None
    """The encoding that the user named."""
    every_row: bool = False
    """Whether rows that nothing can be learned from are rows too."""

    def text(self) -> tuple[str, list[str]]:
        """Return it as text, and notes on how it was decoded.

        Raises:
            DataError: It is no text, or in another encoding.
        """
        self.check_is_data()
        text, notes = decoded(self.data, self.place, self.encoding)
        return text, list(notes)

    def check_is_data(self) -> None:
        """Refuse what is not what the file's name says.

        Raises:
            DataError: With what it is, by its first bytes.
        """
        for magic, (kind, advice) in NOT_DATA.items():
            if self.data.startswith(magic):
                beginning = repr(self.data[:40])
                raise DataError(f"{self.place} is {kind}.", got=beginning, fix=advice)
        if self.data.startswith(TAR_MAGIC, TAR_MAGIC_AT):
            raise DataError(f"{self.place} is a tar archive.", fix=UNPACK)
        zeros = len(self.data) - len(self.data.rstrip(b"\x00"))
        if zeros >= FEWEST_ZEROS:
            raise DataError(
                f"{self.place} was not written to its end.",
                got=f"{zeros} zero bytes at the end of {len(self.data)}",
                fix="Fetch or write it again.",
            )


def read_file(path: Path, encoding: str | None = None, *, every_row: bool = False) -> Source:
    """Return the tables of one file: CSV, TSV, JSON, JSON Lines, Parquet, Arrow or fastText, compressed or not.

    Args:
        path: The file; its suffix says what it is.
        encoding: Of text files, where it is not UTF-8.
        every_row: Whether rows that nothing can be learned from, empty ones and repeated headers, are rows too.

    Raises:
        DataError: Unknown suffix, or something that cannot be read; lines and rows are named.
    """
    # Of a workbook beside a table in an archive, nobody knows which one is meant.
    data, place, suffix = unpacked(path, {*READERS, *HINTS, ARCHIVE})
    reader = READERS.get(suffix)
    if reader is None:
        all_suffixes = ", ".join(sorted(READERS))
        packings = ", ".join(DECOMPRESSORS)
        advice = HINTS.get(
            suffix, f"Known: {all_suffixes}, also with {packings} or in a {ARCHIVE}."
        )
        raise DataError("Unknown file type.", got=place, fix=advice)
    content = Content(data, place, encoding, every_row)
    tables, notes = reader(content)
    splits: dict[str, pd.DataFrame] = {}
    for split, table in tables.items():
        if table.empty:
            got = f"split {str(split)!r}" if len(tables) > 1 else None
            raise DataError(f"{place} has no rows.", got=got)
        check_column_names(table, place)
        splits[split], repairs = repaired_table(table, place)
        notes.extend(repairs)

    named_notes: list[str] = []
    for note in notes:
        # Some notes begin with the whole path, which is too long for a list of notes.
        bare = note.removeprefix(place).lstrip(": ")
        named_notes.append(f"{path.name}: {bare}")
    return Source(path.name, splits, tuple(named_notes))


def _delimited(separator: str) -> Callable[[Content], Tables]:
    def read(content: Content) -> Tables:
        text, notes = content.text()
        table, reading_notes = read_delimited(
            text, content.place, separator, every_row=content.every_row
        )
        return {Split.TRAIN: table}, [*notes, *reading_notes]

    return read


def _json(content: Content) -> Tables:
    text, notes = content.text()
    return read_json(text, content.place, has_lines=False), notes


def _json_lines(content: Content) -> Tables:
    text, notes = content.text()
    return read_json(text, content.place, has_lines=True), notes


def _parquet(content: Content) -> Tables:
    """Return the table of a Parquet file."""
    import pyarrow
    from pyarrow import parquet

    if content.data.startswith((GIT_LFS_MAGIC, ARROW_MAGIC)):
        content.check_is_data()
    try:
        schema = parquet.read_schema(io.BytesIO(content.data))
        # pandas would speak of a damaged file where two columns have one name.
        check_column_names(pd.DataFrame(columns=schema.names), content.place)
        arrow = parquet.read_table(io.BytesIO(content.data))
        # Beside a gap, whole numbers would become floats, in which two large ids may be one.
        table = arrow.to_pandas(integer_object_nulls=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _not_readable("Parquet", content.place, error) from None
    return _table_of_arrow(table, schema.metadata), []


def _arrow(content: Content) -> Tables:
    """Return the table of an Arrow or Feather file, or of a stream of record batches, as `datasets` writes it."""
    import pyarrow
    from pyarrow import feather, ipc

    if content.data.startswith((GIT_LFS_MAGIC, PARQUET_MAGIC)):
        content.check_is_data()
    buffer = pyarrow.BufferReader(content.data)
    try:
        if content.data.startswith((ARROW_MAGIC, FEATHER_MAGIC)):
            arrow = feather.read_table(buffer)
        else:
            arrow = ipc.open_stream(buffer).read_all()
        check_column_names(pd.DataFrame(columns=arrow.column_names), content.place)
        # What pandas notes in a file may be damaged, too.
        table = arrow.to_pandas(integer_object_nulls=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _not_readable("Arrow", content.place, error) from None
    return _table_of_arrow(table, arrow.schema.metadata), []


def _not_readable(kind: str, place: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    lines = str(error).splitlines()
    return DataError(
        f"{place} is not a readable {kind} file.",
        got=lines[0] if lines else type(error).__name__,
        fix="Was it cut off? Fetch or write it again.",
    )


def _table_of_arrow(
    table: pd.DataFrame, metadata: Mapping[bytes, bytes] | None
) -> Mapping[str, pd.DataFrame]:
    """Return a table that Arrow has read; a column that pandas keeps as a named index is a column."""
    table = with_index_columns(table).reset_index(drop=True)
    return {Split.TRAIN: with_stored_class_names(table, metadata)}


def _plain_text(content: Content) -> Tables:
    """Return the table of fastText's lines, else that of columns with a separator.

    Raises:
        DataError: The text has no columns.
    """
    text, notes = content.text()
    lines = [line.rstrip("\r\n") for line in LINE.findall(text.rstrip(END_OF_FILE))]
    # Blank lines at the end are no rows, whoever asks for every row.
    while lines and not lines[-1].strip():
        lines.pop()
    first_line = next((line for line in lines if line.strip()), "")
    # The first line decides: fastText's files have a label in each.
    if FASTTEXT_LABEL.search(first_line):
        numbers: list[int] = []
        rows: list[dict[str, object]] = []
        for number, line in enumerate(lines, start=1):
            if not (line.strip() or content.every_row):
                continue
            words = FASTTEXT_LABEL.sub("", line)
            labels = FASTTEXT_LABEL.findall(line)
            numbers.append(number)
            rows.append({"text": words.strip(), "label": labels})
        return {Split.TRAIN: lined_table(rows, numbers)}, notes

    # Anything else can only be a table, with whatever separator.
    table, reading_notes = read_delimited(text, content.place, "\t", every_row=content.every_row)
    if len(table.columns) < 2:
        raise DataError(
            f"{content.place} has no columns: neither labels (__label__NAME) nor tabs, commas, semicolons or bars.",
            got=repr(first_line[:SAMPLE_OF_LINE]),
            fix="Write a CSV, TSV or JSON Lines file with a column for texts and one for labels.",
        )
    return {Split.TRAIN: table}, [*notes, *reading_notes]


def is_table(text: str, inputs: Sequence[Collection[str]], target: Collection[str]) -> bool:
    """Return whether a plain text is a table, as `fit` reads it, rather than a text in each line.

    It is one if its first line has a label of fastText's, or names a column for each input, and most others have as
    many columns. Signs that stand in prose, too, separate columns only if one of them is the target.

    Args:
        text: Of the whole file.
        inputs: The names that the column of each input may have.
        target: Those that the target's may have.
    """
    lines = [line for line in LINE.findall(text) if line.strip()]
    if not lines:
        return False
    if FASTTEXT_LABEL.search(lines[0]):
        return True
    for separator in SEPARATORS:
        header = {name.strip(INVISIBLE).casefold() for name in lines[0].split(separator)}
        names_of_columns = [*inputs] if separator == TAB else [*inputs, target]
        has_columns = all(
            not header.isdisjoint(map(str.casefold, names)) for names in names_of_columns
        )
        if len(header) > 1 and has_columns and fits_most_lines(lines, separator):
            return True
    return False


READERS: Mapping[str, Callable[[Content], Tables]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".jsonlines": _json_lines,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".psv": _delimited("|"),
    ".txt": _plain_text,
}
