"""The log of a trial, bounded: its beginning and its end stay, however much the trial prints."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

HEAD_BYTES = 512 * 1024
"""Bytes kept from the beginning: versions, warnings and the first error."""
TAIL_BYTES = 512 * 1024
"""Bytes kept at least from the end; the file is cut back to them when there is twice as much after the beginning."""
CHUNK_BYTES = 64 * 1024
"""Bytes read at once: what a pipe of Linux holds."""
DRAIN_CHUNKS = 64
"""How much is still read from a pipe whose trial has ended: 4 MB, more than any pipe holds."""


class BoundedLog:
    """Copies what comes out of a pipe to a file that never grows beyond the beginning and two ends.

    A full disk costs the log, not the trial: what cannot be written is dropped.

    Args:
        path: The file; what was in it is lost.
        pipe: The reading end, which does not block; closed with the log.
    """

    def __init__(self, path: Path, pipe: int) -> None:
        self.pipe = pipe
        self.size = 0
        self.omitted = 0
        os.set_blocking(pipe, False)
        try:
            self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError:
            # The pipe has to be read all the same, or the trial would wait for room in it.
            self.file = os.open(os.devnull, os.O_RDWR)

    def copy(self) -> bool:
        """Copy what is in the pipe, up to a chunk; False when nothing more can come."""
        try:
            chunk = os.read(self.pipe, CHUNK_BYTES)
        except BlockingIOError:
            # Nothing is in it now, but something may come.
            return True
        # Nothing at all can be read only when the last writer has closed its end.
        if not chunk:
            return False
        with suppress(OSError):
            self._append(chunk)
        return True

    def close(self) -> None:
        """Copy what is still in the pipe, and close both ends."""
        # Bounded, because whoever still has the other end may go on writing.
        for _ in range(DRAIN_CHUNKS):
            before = self.size
            may_go_on = self.copy()
            has_grown = self.size != before
            if not may_go_on or not has_grown:
                break
        self.forget()

    def forget(self) -> None:
        """Close both ends and leave what is in the pipe to others."""
        os.close(self.pipe)
        os.close(self.file)

    def _append(self, chunk: bytes) -> None:
        written = os.pwrite(self.file, chunk, self.size)
        self.size += written
        # Cut at twice the end's size, so that the end is copied once for each half megabyte and not for each line.
        longest = HEAD_BYTES + 2 * TAIL_BYTES + CHUNK_BYTES
        if self.size > longest:
            self._cut()

    def _cut(self) -> None:
        """Leave the beginning, a line that says how much is missing, and the end."""
        tail_start = self.size - TAIL_BYTES
        tail = os.pread(self.file, TAIL_BYTES, tail_start)
        # The line of an earlier cut is no output of the trial's, so it does not count as left out.
        note_size = len(self._note()) if self.omitted else 0
        self.omitted += tail_start - HEAD_BYTES - note_size
        rest = self._note() + tail
        os.ftruncate(self.file, HEAD_BYTES)
        # Should the disk be full, the log goes on behind the beginning.
        self.size = HEAD_BYTES
        self.size += os.pwrite(self.file, rest, HEAD_BYTES)

    def _note(self) -> bytes:
        return f"\n[... {self.omitted} bytes left out here ...]\n".encode()
