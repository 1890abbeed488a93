"""Folders on their way to another machine: which files, and their bytes in chunks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 2**25
"""Bytes (32 MiB) that travel at once: small enough for several in an object store of 200 MB, the least that is used."""

Chunk = Awaitable[bytes]
"""A reference to bytes in an object store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A folder of the machine that a search runs on, as references to its content."""

    path: str
    """Where it lies there."""
    chunks: Mapping[str, tuple[Chunk, ...]]
    """Content of each file, by its path inside the folder."""


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the size of every file in a folder, in bytes, by its path inside; links count as what they lead to."""
    sizes: dict[str, int] = {}
    # The hub's cache has links only, to files that are called by their digests.
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes


def holds(folder: Path, sizes: Mapping[str, int]) -> bool:
    """Return whether a folder has these files in these sizes."""
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return False
    return True


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def packed(folder: Path, put: Callable[[bytes], Chunk]) -> Parcel:
    """Return a folder as a parcel.

    Args:
        folder: On this machine.
        put: Takes bytes into the object store.
    """
    chunks: dict[str, tuple[Chunk, ...]] = {}
    for name in sizes_of(folder):
        chunks[name] = tuple(put(chunk) for chunk in chunks_of(folder / name))
    return Parcel(path=str(folder), chunks=chunks)


async def unpack(parcel: Parcel, target: Path) -> None:
    """Write the content of a parcel to a folder, which is there when it is whole."""
    fresh = target.with_name(f"{target.name}.partial")
    # What an attempt has left whose chunks were lost.
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, chunks in parcel.chunks.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(await chunk)
    fresh.replace(target)
