"""Features of texts on the disk of a run: as many as it has room for, read without loading them whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from xautolm.errors import DamagedFileError
from xautolm.serialization import read_json, write_json
from xautolm.vocabulary import Layers, Pooling, Split

DISK_SHARE = 0.1
"""Largest share of the free space that the features of one body may take: models and checkpoints need the rest."""
LARGEST_FILES = 4 * 1024**3
"""Most bytes for the features of one body, however large the disk is: the mean and the first token of a million rows of
width 512 in float32."""
SECONDS = "seconds.json"
"""The file that says what computing the features took."""
IN_HALF = "features kept in float16: the disk has no room for float32"
NOT_KEPT = (
    "features not kept on the disk, which has no room for them: each probe runs the body again"
)


@dataclass(frozen=True, slots=True)
class Readout:
    """Which of a body's numbers are the features of a text."""

    pooling: Pooling
    layers: Layers = Layers.LAST
    depth: int | None = None
    """Layers of the body that are looked at, the lowest ones; None for all that it has."""

    def __str__(self) -> str:
        """Return a name for files."""
        name = f"{self.pooling}-{self.layers}"
        return name if self.depth is None else f"{name}-of-{self.depth}"


Number: TypeAlias = type[np.float32] | type[np.float16]
"""A number format of features on the disk."""

Batch: TypeAlias = tuple[list[int], Mapping[Readout, np.ndarray]]
"""Positions of rows in their split, and their features of shape (rows, width) by readout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFeatures:
    """Features of rows of a split, in the order in which the body read them: those of like length together."""

    values: np.ndarray
    """Shape (rows, width), float32 or float16; may be memory-mapped."""
    rows: np.ndarray
    """Positions of the rows in their split, shape (rows,)."""


def stored_type(folder: Path, count: int) -> Number | None:
    """Return the most exact number format in which features fit on the disk; None where they do not fit at all.

    Args:
        folder: On that disk; exists.
        count: How many numbers the features have in all.
    """
    free_bytes = shutil.disk_usage(folder).free
    room = min(LARGEST_FILES, DISK_SHARE * free_bytes)
    # The most exact first.
    formats: tuple[Number, ...] = (np.float32, np.float16)
    for number in formats:
        bytes_of_number = np.dtype(number).itemsize
        if count * bytes_of_number <= room:
            return number
    return None


def write_features(
    folder: Path, split: Split, batches: Iterable[Batch], count: int, number: Number
) -> None:
    """Write the features of a split to a file for each readout, and the order of its rows to another.

    Args:
        folder: Exists.
        split: Its name.
        batches: Features, batch by batch.
        count: Of the rows.
        number: The format.

    Raises:
        OSError: The disk is full. (A memory-mapped file would end the process with a bus error instead.)
    """
    order: list[int] = []
    files: dict[Readout, IO[bytes]] = {}
    # Batch by batch, so that the features of a million rows are never all in memory.
    with ExitStack() as open_files:
        for positions, by_readout in batches:
            order += positions
            for readout, features in by_readout.items():
                if readout not in files:
                    # Only now is the width known, which the header of the file names.
                    width = features.shape[1]
                    path = _features_path(folder, split, readout)
                    files[readout] = open_files.enter_context(path.open("wb"))
                    _write_header(files[readout], (count, width), number)
                numbers = _in_format(features, number)
                files[readout].write(numbers.tobytes())
    # Which row of the split each row of the files is.
    rows_path = _rows_path(folder, split)
    np.save(rows_path, np.asarray(order))


def read_features(folder: Path, split: Split, readout: Readout) -> RowFeatures:
    """Return what `write_features` wrote, memory-mapped."""
    features_path = _features_path(folder, split, readout)
    rows_path = _rows_path(folder, split)
    # Mapped, because features of a million rows are larger than many machines' memory.
    values = np.load(features_path, mmap_mode="r", allow_pickle=False)
    # Without pickles, which can run code.
    rows = np.load(rows_path, allow_pickle=False)
    return RowFeatures(values=values, rows=rows)


def write_seconds(folder: Path, seconds: float, depth: int | None = None) -> None:
    """Note beside features what computing them took, for all layers or for the lowest."""
    write_json(_seconds_path(folder, depth), seconds)


def read_seconds(folder: Path, depth: int | None = None) -> float:
    """Return what computing the features of a folder took, in seconds; 0 where it does not say that."""
    try:
        seconds = read_json(_seconds_path(folder, depth))
    except DamagedFileError:
        # A run of an earlier version.
        return 0.0
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _seconds_path(folder: Path, depth: int | None) -> Path:
    """Return where it lies what computing features took."""
    name = SECONDS if depth is None else f"of-{depth}-{SECONDS}"
    return folder / name


def _features_path(folder: Path, split: str, readout: Readout) -> Path:
    """Return where the features of a split lie."""
    return folder / f"{split}-{readout}.npy"


def _rows_path(folder: Path, split: str) -> Path:
    """Return where the positions of the rows of a split lie."""
    return folder / f"{split}-rows.npy"


def features_in_memory(batches: Iterable[Batch], readout: Readout) -> RowFeatures:
    """Return the features of one readout, in float16."""
    order: list[int] = []
    parts: list[np.ndarray] = []
    for positions, by_readout in batches:
        order += positions
        features = by_readout[readout]
        # Half of what float32 takes: all of them are in memory at once.
        numbers = _in_format(features, np.float16)
        parts.append(numbers)
    values = np.concatenate(parts)
    rows = np.asarray(order)
    return RowFeatures(values=values, rows=rows)


def _in_format(features: np.ndarray, number: Number) -> np.ndarray:
    """Return features in a number format, none of them infinite."""
    # Between the layers of decoders single features reach 1e5; float16 ends at 65,504.
    largest = np.finfo(number).max
    clipped = np.clip(features, -largest, largest)
    return np.asarray(clipped, dtype=number)


def _write_header(file: IO[bytes], shape: tuple[int, int], number: Number) -> None:
    """Begin a file of numpy whose rows are still to come."""
    dtype = np.dtype(number)
    description = np.lib.format.dtype_to_descr(dtype)
    # Not in Fortran's order, that is row after row, as batches come.
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
