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
from xautolm.data.source import Source, check_column_names, lined_table
from xautolm.data.split_names import TRAIN
from xautolm.data.surrogates import repaired_table
from xautolm.errors import DataError

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
NOT_DATA = {
    b"version https://git-lfs": ("a Git LFS pointer; the data itself is not here", "Fetch it with `git lfs pull`."),
    b"<!DOCTYPE": ("a web page", "Download the file itself, not the page that shows it."),
    b"<!doctype": ("a web page", "Download the file itself, not the page that shows it."),
    b"<html": ("a web page", "Download the file itself, not the page that shows it."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV UTF-8."),
    b"PK\x03\x04": ("a zip archive or a workbook", "Name it .zip, or save the workbook's sheet as CSV UTF-8."),
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
        for magic, (what, cure) in NOT_DATA.items():
            if self.data.startswith(magic):
                raise DataError(f"{self.place} is {what}.", got=repr(self.data[:40]), fix=cure)
        text, notes = decoded(self.data, self.place, self.encoding)
        return text, list(notes)


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
        suffix = PurePath(place).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        cure = HINTS.get(suffix, f"Known: {', '.join(sorted(READERS))}, also with .gz, .bz2, .xz or in a .zip.")
        raise DataError("Unknown file type.", got=place, fix=cure)
    tables, notes = reader(Content(data, place, encoding, every_row))
    splits: dict[str, pd.DataFrame] = {}
    for split, table in tables.items():
        if table.empty:
            raise DataError(f"{place} has no rows.", got=f"split {split!r}" if len(tables) > 1 else None)
        check_column_names(table, place)
        splits[split], repairs = repaired_table(table, place)
        notes.extend(repairs)
    named = tuple(f"{path.name}: {note.removeprefix(place).lstrip(': ')}" for note in notes)
    return Source(path.name, splits, named)


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
    if path.suffix.lower() == ARCHIVE:
        return _from_archive(data, path)
    decompress = DECOMPRESSORS.get(path.suffix.lower())
    if decompress is None and data.startswith(GZIP_MAGIC):
        decompress = gzip.decompress
    if decompress is None:
        return data, str(path)
    try:
        return decompress(data), str(path)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path} cannot be unpacked.", got=str(error), fix="Was it cut off? Fetch or write it again."
        ) from None


def _from_archive(data: bytes, path: Path) -> tuple[bytes, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            if len(names) != 1:
                shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
                raise DataError(
                    f"{path} holds {len(names)} files, not one.",
                    got=shown,
                    fix="Unpack it and give the file, or the folder with train.* in it.",
                )
            return archive.read(names[0]), str(path / names[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{path} cannot be unpacked.", got=str(error), fix="Was it cut off, or is it locked by a password?"
        ) from None


def _delimited(separator: str) -> Callable[[Content], Tables]:
    def read(content: Content) -> Tables:
        text, notes = content.text()
        table, reading_notes = read_delimited(text, content.place, separator, every_row=content.every_row)
        return {TRAIN: table}, [*notes, *reading_notes]

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

    if content.data.startswith(b"version https://git-lfs"):
        content.text()
    try:
        table = pd.read_parquet(io.BytesIO(content.data))
        metadata = parquet.read_schema(io.BytesIO(content.data)).metadata
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{content.place} is not a readable Parquet file.",
            got=str(error).splitlines()[0],
            fix="Was it cut off? Fetch or write it again.",
        ) from None
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    table = with_stored_class_names(table.reset_index(drop=True), metadata)
    return {TRAIN: table}, []


def _plain_text(content: Content) -> Tables:
    """Return the table of fastText's lines, else that of columns with a separator.

    Raises:
        DataError: The text has no columns.
    """
    text, notes = content.text()
    lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(LINE.findall(text), start=1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if lines and FASTTEXT_LABEL.search(lines[0][1]):
        rows = [
            {"text": FASTTEXT_LABEL.sub("", line).strip(), "label": FASTTEXT_LABEL.findall(line)} for _, line in lines
        ]
        return {TRAIN: lined_table(rows, [number for number, _ in lines])}, notes
    table, reading_notes = read_delimited(text, content.place, "\t")
    if len(table.columns) < 2:
        raise DataError(
            f"{content.place} has no columns: neither labels (__label__NAME) nor tabs, commas, semicolons or bars.",
            got=repr(lines[0][1][:60]),
            fix="Write a CSV, TSV or JSON Lines file with a column for texts and one for labels.",
        )
    return {TRAIN: table}, [*notes, *reading_notes]


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
