"""Files in a trial's folder that nobody has asked for (profiles, caches, dumps), bounded in size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from xautolm.trial_folder import MEMBERS

RUNNING_BYTES = 1_000_000_000
"""What a running trial may write besides; one that writes more is stopped, since it may go on for ever."""
ENDED_BYTES = 16_000_000
"""What stays of it when the trial has ended: enough for a person to look into."""
BLOCK_BYTES = 512
"""Unit in which the system says what a file takes on the disk; holes in it take nothing."""


def stray_bytes(folder: Path) -> int:
    """Return what the unexpected files in a trial's folder take on the disk, in bytes."""
    sizes = [size for size, _ in _strays(folder)]
    return sum(sizes)


def remove_strays(folder: Path) -> None:
    """Delete unexpected files, the largest first, until what is left is small."""
    files = list(_strays(folder))
    files.sort(key=lambda file: file[0])
    sizes = [size for size, _ in files]
    total = sum(sizes)
    while total > ENDED_BYTES:
        size, path = files.pop()
        with suppress(OSError):
            path.unlink()
        total -= size


def _strays(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield size and path of every unexpected file; links are not followed."""
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            # Logs have bounds of their own, weights go when they are not needed.
            if entry.name not in MEMBERS:
                yield from _files(entry)


def _files(path: Path) -> Iterator[tuple[int, Path]]:
    if path.is_dir() and not path.is_symlink():
        for parent, _, names in os.walk(path):
            folder = Path(parent)
            for name in names:
                yield from _files(folder / name)
        return
    # Files come and go while a trial runs.
    with suppress(OSError):
        blocks = path.lstat().st_blocks
        yield blocks * BLOCK_BYTES, path
