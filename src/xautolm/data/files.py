"""One file: unpacked, decoded, and given to the reader of its kind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from xautolm.data.delimited import read_delimited
from xautolm.data.encodings import decoded
from xautolm.data.hugging_face import with_stored_class_names
from xautolm.data.json_files import read_json
from xautolm.data.quoting import LINE
from xautolm.data.source import SAMPLE_OF_LINE, Source, check_column_names, lined_table
from xautolm.data.surrogates import repaired_table
from xautolm.errors import DataError
from xautolm.vocabulary import Split

Tables = tuple[Mapping[str, pd.DataFrame], list[str]]
"""Tables by split, and notes."""

DECOMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
ARCHIVE = ".zip"
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
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
}
"""First bytes of files that are not what their name says: what they are, and what to do."""
HINTS = {
    ".xlsx": "Save the sheet as CSV UTF-8, or read it with pandas and give the frame to AutoLM.",
    ".xls": "Save the sheet as CSV UTF-8, or read it with pandas and give the frame to AutoLM.",
    ".ods": "Save the sheet as CSV UTF-8.",
    ".zst": "Unpack it first: `zstd -d FILE`.",
    ".arrow": "Give the folder that `save_to_disk` wrote, or write it as Parquet.",
    ".pkl": "Pickles are never read, since they run code; write Parquet or JSON Lines.",
    ".pickle": "Pickles are never read, since they run code; write Parquet or JSON Lines.",
}
"""What to do with files that are not read."""
FASTTEXT_LABEL = re.compile(r"(?:^|(?<=\s))__label__(\S+)\s*")
"""A label in a line of fastText's, at its beginning or after a blank."""


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


def read_file(path: Path, encoding: str | None = None, *, every_row: bool = False) -> Source:
    """Return the tables of one file: CSV, TSV, JSON, JSON Lines, Parquet or fastText, compressed or not.

    Args:
        path: The file; its suffix says what it is.
        encoding: Of text files, where it is not UTF-8.
        every_row: Whether rows that nothing can be learned from, empty ones and repeated headers, are rows too.

    Raises:
        DataError: Unknown suffix, or something that cannot be read; lines and rows are named.
    """
    suffix = data_suffix(path)
    data, place = _unpacked(path)
    if suffix == ARCHIVE:
        # The file inside says what it is.
        suffix = PurePath(place).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        all_suffixes = ", ".join(sorted(READERS))
        advice = HINTS.get(suffix, f"Known: {all_suffixes}, also with .gz, .bz2, .xz or in a .zip.")
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


def data_suffix(path: PurePath) -> str:
    """Return the suffix that says what a file holds, in lower case: `.csv` for `train.CSV` and `train.csv.gz`."""
    if path.suffix.lower() in DECOMPRESSORS:
        path = path.with_suffix("")
    return path.suffix.lower()


def _unpacked(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file and its place, after decompression.

    Raises:
        DataError: It cannot be read, is damaged, or an archive does not hold one file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read.", got=error.strerror) from None
    suffix = path.suffix.lower()
    if suffix == ARCHIVE:
        return _from_archive(data, path)
    decompress = DECOMPRESSORS.get(suffix)
    if decompress is None and data.startswith(GZIP_MAGIC):
        # Compressed, though its name does not say so.
        decompress = gzip.decompress
    if decompress is None:
        return data, str(path)
    try:
        return decompress(data), str(path)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path} cannot be unpacked.",
            got=str(error),
            fix="Was it cut off? Fetch or write it again.",
        ) from None


def _from_archive(data: bytes, path: Path) -> tuple[bytes, str]:
    """Return the bytes of the only file in an archive, and its place.

    Raises:
        DataError: There are several or none, or it cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # macOS puts a folder of its own beside the files that it packs.
            names: list[str] = []
            for name in archive.namelist():
                is_folder = name.endswith("/")
                if not is_folder and "__MACOSX" not in name:
                    names.append(name)
            if len(names) != 1:
                first_names = ", ".join(names[:6])
                ellipsis = " ..." if len(names) > 6 else ""
                raise DataError(
                    f"{path} holds {len(names)} files, not one.",
                    got=first_names + ellipsis,
                    fix="Unpack it and give the file, or the folder with train.* in it.",
                )
            return archive.read(names[0]), str(path / names[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{path} cannot be unpacked.",
            got=str(error),
            fix="Was it cut off, or is it locked by a password?",
        ) from None


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
    """Return the table of a Parquet file; a column that pandas keeps as a named index is a column."""
    import pyarrow
    from pyarrow import parquet

    if content.data.startswith(GIT_LFS_MAGIC):
        content.check_is_data()
    try:
        table = pd.read_parquet(io.BytesIO(content.data))
        schema = parquet.read_schema(io.BytesIO(content.data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        raise DataError(
            f"{content.place} is not a readable Parquet file.",
            got=first_line,
            fix="Was it cut off? Fetch or write it again.",
        ) from None
    is_column = any(name is not None for name in table.index.names)
    if is_column:
        table = table.reset_index()
    table = table.reset_index(drop=True)
    named = with_stored_class_names(table, schema.metadata)
    return {Split.TRAIN: named}, []


def _plain_text(content: Content) -> Tables:
    """Return the table of fastText's lines, else that of columns with a separator.

    Raises:
        DataError: The text has no columns.
    """
    text, notes = content.text()
    numbers: list[int] = []
    lines: list[str] = []
    for number, line in enumerate(LINE.findall(text), start=1):
        if line.strip():
            numbers.append(number)
            lines.append(line.rstrip("\r\n"))
    # The first line decides: fastText's files have a label in each.
    if lines and FASTTEXT_LABEL.search(lines[0]):
        rows: list[dict[str, object]] = []
        for line in lines:
            words = FASTTEXT_LABEL.sub("", line)
            labels = FASTTEXT_LABEL.findall(line)
            rows.append({"text": words.strip(), "label": labels})
        return {Split.TRAIN: lined_table(rows, numbers)}, notes

    # Anything else can only be a table, with whatever separator.
    table, reading_notes = read_delimited(text, content.place, "\t")
    if len(table.columns) < 2:
        raise DataError(
            f"{content.place} has no columns: neither labels (__label__NAME) nor tabs, commas, semicolons or bars.",
            got=repr(lines[0][:SAMPLE_OF_LINE]),
            fix="Write a CSV, TSV or JSON Lines file with a column for texts and one for labels.",
        )
    return {Split.TRAIN: table}, [*notes, *reading_notes]


READERS: Mapping[str, Callable[[Content], Tables]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
    ".txt": _plain_text,
}
