"""From a file on disk to the bytes of the table in it: decompressed, and taken out of an archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePath
from typing import BinaryIO, TypeAlias, cast

import psutil

from xautolm.cells import listed
from xautolm.errors import DataError

ARCHIVE = ".zip"
MOST_LAYERS = 4
"""Layers of compression and archives that are taken off: `data.zip` with a `train.csv.gz` has two."""
SHOWN_MEMBERS = 6
"""Members of an archive that a message lists."""
PIECE = 1 << 24
"""Bytes that are unpacked before the next look at how many there are."""
MEMORY_SHARE = 0.5
"""Share of the free memory that an unpacked file may fill: its text needs as much again, and then its table."""

Opener: TypeAlias = Callable[[BinaryIO], BinaryIO]
"""Makes of a compressed stream the stream of what is in it."""


def _zstandard(stream: BinaryIO) -> BinaryIO:
    """Return the stream of what zstd has compressed; Arrow, which reads Parquet here, knows how."""
    import pyarrow

    return cast(BinaryIO, pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, "r"), "zstd"))


def _gzip(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream))


def _bzip2(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(stream))


def _lzma(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(stream))


DECOMPRESSORS: Mapping[str, Opener] = {
    ".gz": _gzip,
    ".bz2": _bzip2,
    ".xz": _lzma,
    ".lzma": _lzma,
    ".zst": _zstandard,
}
"""How a compressed file is unpacked, by the last suffix of its name."""
MAGIC: Mapping[bytes, str] = {
    b"\x1f\x8b": ".gz",
    # A level from 1 to 9, and the first digits of pi.
    **{b"BZh%d1AY&SY" % level: ".bz2" for level in range(1, 10)},
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}
"""First bytes of compressed files, and the suffix that such a file has."""
DAMAGES_OF_ARCHIVES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    # Of bzip2.
    OSError,
    # A place before the beginning, as where a part is missing, or a name that is no text.
    ValueError,
    struct.error,
    # A password, and a compression that Python does not know.
    RuntimeError,
    NotImplementedError,
)
"""What reading a member of an archive raises."""


def data_suffix(path: PurePath) -> str:
    """Return the suffix that says what a file holds, in lower case: `.csv` for `train.CSV` and `train.csv.gz`."""
    if path.suffix.lower() in DECOMPRESSORS:
        path = path.with_suffix("")
    return path.suffix.lower()


def unpacked(path: Path, known: Collection[str]) -> tuple[bytes, str, str]:
    """Return the bytes of the table in a file, its place for messages, and the suffix that says what it is.

    Args:
        path: The file, compressed or not, or an archive.
        known: Suffixes of data; of several members of an archive, the only one with such a suffix is taken.

    Raises:
        DataError: It cannot be read, is damaged, is too large, or an archive does not hold one file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read.", got=error.strerror) from None
    place: PurePath = path
    name: PurePath = path
    for _ in range(MOST_LAYERS):
        suffix = name.suffix.lower()
        is_member = place != path
        if suffix == ARCHIVE and is_member and not _is_archive(data):
            # pandas before 1.5 called the member as the archive: `train.csv.zip` held a table of that name.
            name = name.with_suffix("")
            continue
        if suffix == ARCHIVE:
            data, member = _from_archive(data, place, known)
            place = place / member
            name = PurePath(member)
            continue
        is_named_so = suffix in DECOMPRESSORS
        # Compressed otherwise than its name says, without its saying so, or more than once.
        packing = _suffix_by_magic(data)
        if is_named_so:
            name = name.with_suffix("")
            packing = packing or suffix
        if not packing:
            break
        data = _decompressed(data, packing, place)
    return data, str(place), name.suffix.lower()


def _suffix_by_magic(data: bytes) -> str:
    """Return the suffix that a compressed file should have, by its first bytes; empty for any other file."""
    for magic, suffix in MAGIC.items():
        if data.startswith(magic):
            return suffix
    return ""


def _decompressed(data: bytes, suffix: str, place: PurePath) -> bytes:
    """Return what is in a compressed file.

    Raises:
        DataError: It is damaged, or there is too much in it.
    """
    try:
        with DECOMPRESSORS[suffix](io.BytesIO(data)) as stream:
            return _all_of(stream, place)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        fix = "Was it cut off? Fetch or write it again."
        if data and _suffix_by_magic(data) != suffix:
            # Browsers unpack some of what they fetch, and leave its name.
            fix = "Was it cut off, or is it unpacked already? "
            fix += f"Fetch or write it again, or take {suffix} off its name."
        raise DataError(f"{place} cannot be unpacked.", got=str(error), fix=fix) from None


def _all_of(stream: BinaryIO, place: PurePath) -> bytes:
    """Return what can be read from a stream.

    Raises:
        DataError: It does not fit in memory: a few kilobytes can be unpacked to many gigabytes.
    """
    most = int(psutil.virtual_memory().available * MEMORY_SHARE)
    content = io.BytesIO()
    size = 0
    try:
        while piece := stream.read(PIECE):
            content.write(piece)
            size += len(piece)
            if size > most:
                raise _too_large(place, size)
    except MemoryError:
        # A limit of the process is lower than what is free.
        raise _too_large(place, size) from None
    return content.getvalue()


def _too_large(place: PurePath, size: int) -> DataError:
    return DataError(
        f"{place} is too large for this machine's memory when it is unpacked.",
        got=f"{size / 2**20:,.0f} MB, and there is more",
        fix="Is it the right file? If so, give a part of it.",
    )


def _from_archive(data: bytes, place: PurePath, known: Collection[str]) -> tuple[bytes, str]:
    """Return the bytes of the only table in an archive, and its name there.

    Raises:
        DataError: There are several or none, or it cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if _is_content(name)]
            tables = [name for name in names if data_suffix(PurePath(name)) in known]
            if len(tables) == 1:
                # Beside it a licence or a description, at most.
                names = tables
            if len(names) != 1:
                raise DataError(
                    f"{place} holds {len(names)} files, not one.",
                    got=listed(names, SHOWN_MEMBERS) or "an empty archive",
                    fix="Unpack it and give the file, or the folder with train.* in it.",
                )
            with archive.open(names[0]) as stream:
                return _all_of(cast(BinaryIO, stream), place / names[0]), names[0]
    except DAMAGES_OF_ARCHIVES as error:
        raise DataError(
            f"{place} cannot be unpacked.",
            got=str(error),
            fix="Was it cut off, or is it locked by a password? If neither, unpack it and give the file.",
        ) from None


def _is_archive(data: bytes) -> bool:
    """Return whether bytes are a zip archive, were it only its beginning."""
    return data.startswith(b"PK")


def _is_content(name: str) -> bool:
    """Return whether a member of an archive is a file that somebody put there."""
    # macOS packs a folder and hidden files of its own beside them.
    is_of_system = "__MACOSX" in name or PurePath(name).name.startswith(".")
    return not name.endswith("/") and not is_of_system
