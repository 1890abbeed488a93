"""What stays of a trial's log, for all amounts that it may print."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from xautolm.execution import logs
from xautolm.execution.logs import BoundedLog


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("HEAD_BYTES", 100), ("TAIL_BYTES", 200), ("CHUNK_BYTES", 50)):
        monkeypatch.setattr(logs, name, size)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(writer)


def numbered(count: int) -> bytes:
    return b"".join(b"%06d\n" % number for number in range(count))


@pytest.mark.parametrize("lines", [0, 1, 14, 15, 70, 80, 100, 1000, 9999])
def test_beginning_and_end_stay_and_the_line_between_counts_right(
    lines: int, small: None, pipe: tuple[int, int], tmp_path: Path
) -> None:
    reader, writer = pipe
    printed = numbered(lines)
    log = BoundedLog(tmp_path / "log", reader)
    for start in range(0, len(printed), 40):
        os.write(writer, printed[start : start + 40])
        assert log.copy()
        assert (tmp_path / "log").stat().st_size <= 100 + 2 * 200 + 2 * 50 + 50
    log.close()
    written = (tmp_path / "log").read_bytes()
    head, _, rest = written.partition(b"\n[... ")
    if not rest:
        assert written == printed
        return
    count, _, end = rest.partition(b" bytes left out here ...]\n")
    assert printed.startswith(head) and len(head) == 100
    assert printed.endswith(end) and len(end) >= 200
    assert len(head) + int(count) + len(end) == len(printed)


def test_a_log_that_cannot_be_written_is_dropped(pipe: tuple[int, int], tmp_path: Path) -> None:
    reader, writer = pipe
    log = BoundedLog(tmp_path / "no such folder" / "log", reader)
    os.write(writer, b"words")
    assert log.copy()
    log.close()
    assert not (tmp_path / "no such folder").exists()
