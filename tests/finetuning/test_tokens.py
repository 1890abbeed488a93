"""Folders that trials share are whole or not there, whoever makes them and whatever goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from xautolm.finetuning.tokens import once


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for content in ("first", "second"):
        made = once(shared / "tokens", lambda path, content=content: (path / "file").write_text(content))
        assert (made / "file").read_text() == "first"
    assert names(shared) == ["tokens"]


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        (path / "file").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    shared = tmp_path / "shared"
    with pytest.raises(OSError, match="No space left"):
        once(shared / "tokens", make)
    assert names(shared) == []


def test_who_comes_second_takes_what_is_there(tmp_path: Path) -> None:
    shared = tmp_path / "shared"

    def make(path: Path) -> None:
        (path / "file").write_text("second")
        another = shared / "tokens"
        another.mkdir()
        (another / "file").write_text("first")

    assert (once(shared / "tokens", make) / "file").read_text() == "first"
    assert names(shared) == ["tokens"]
