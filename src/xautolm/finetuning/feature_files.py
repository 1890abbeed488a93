"""Features of texts on the disk of a run: as many as it has room for, read without loading them whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from xautolm.vocabulary import Layers, Pooling

DISK_SHARE = 0.1
"""Largest share of the free space that the features of one body may take: models and checkpoints need the rest."""
LARGEST_FILES = 4 * 1024**3
"""Most bytes for the features of one body, however large the disk is: the mean and the first token of a million rows of
width 512 in float32."""
IN_HALF = "features kept in float16: the disk has no room for float32"
NOT_KEPT = "features not kept on the disk, which has no room for them: each probe runs the body again"


@dataclass(frozen=True, slots=True)
class Readout:
    """Which of a body's numbers are the features of a text."""

    pooling: Pooling
    layers: Layers = Layers.LAST

    def __str__(self) -> str:
        """Return a name for files."""
        return f"{self.pooling}-{self.layers}"


Batch = tuple[list[int], Mapping[Readout, np.ndarray]]
"""Positions of rows in their split, and their features of shape (rows, width) by readout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFeatures:
    """Features of rows of a split, in the order in which the body read them: those of like length together."""

    values: np.ndarray
    """Shape (rows, width), float32 or float16; may be memory-mapped."""
    rows: np.ndarray
    """Positions of the rows in their split, shape (rows,)."""


def stored_type(folder: Path, count: int) -> type[np.floating[Any]] | None:
    """Return the number format in which so many numbers fit on the disk; None where they do not fit at all.

    Args:
        folder: On that disk; exists.
        count: Of the numbers.
    """
    room = min(LARGEST_FILES, DISK_SHARE * shutil.disk_usage(folder).free)
    for number in (np.float32, np.float16):
        if count * np.dtype(number).itemsize <= room:
            return number
    return None


def write_features(
    folder: Path, split: str, batches: Iterable[Batch], count: int, number: type[np.floating[Any]]
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
    with ExitStack() as stack:
        for positions, by_readout in batches:
            order += positions
            for readout, features in by_readout.items():
                if readout not in files:
                    files[readout] = stack.enter_context((folder / f"{split}-{readout}.npy").open("wb"))
                    _write_header(files[readout], (count, features.shape[1]), number)
                files[readout].write(_in_format(features, number).tobytes())
    np.save(folder / f"{split}-rows.npy", np.asarray(order))


def read_features(folder: Path, split: str, readout: Readout) -> RowFeatures:
    """Return what `write_features` wrote, memory-mapped."""
    values = np.load(folder / f"{split}-{readout}.npy", mmap_mode="r", allow_pickle=False)
    rows = np.load(folder / f"{split}-rows.npy", allow_pickle=False)
    return RowFeatures(values=values, rows=rows)


def features_in_memory(batches: Iterable[Batch], readout: Readout) -> RowFeatures:
    """Return the features of one readout in float16."""
    order: list[int] = []
    parts: list[np.ndarray] = []
    for positions, by_readout in batches:
        order += positions
        parts.append(_in_format(by_readout[readout], np.float16))
    return RowFeatures(values=np.concatenate(parts), rows=np.asarray(order))


def _in_format(features: np.ndarray, number: type[np.floating[Any]]) -> np.ndarray:
    # Between the layers of decoders single features reach 1e5; float16 ends at 65,504.
    largest = np.finfo(number).max
    return np.asarray(np.clip(features, -largest, largest), dtype=number)


def _write_header(file: IO[bytes], shape: tuple[int, int], number: type[np.floating[Any]]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(number)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
