"""Files are whole or not there, and what is damaged is said by name."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from xautolm.errors import DamagedFileError
from xautolm.records import Limits
from xautolm.serialization import (
    final_name,
    named_file,
    read_json,
    read_record,
    temporary_path,
    write_json,
    write_named_text,
    write_text,
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b'{"a": 1', "Expecting ',' delimiter at line 1, column 8"),
        (b"\x00\x93\xff\xfe", "it is not text in UTF-8"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_files_name(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and reason in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


def test_a_folder_in_a_files_place_and_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for name, reason in (("folder.json", "Is a directory"), ("none.json", "no such file")):
        with pytest.raises(DamagedFileError, match=reason):
            read_json(tmp_path / name)


@pytest.mark.parametrize("value", [None, [], "text", 3, {"seconds": "many"}, {"memory": 1.5}])
def test_json_that_is_no_such_record_is_damaged_too(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "limits.json", value)
    with pytest.raises(DamagedFileError, match=r"limits\.json"):
        read_record(Limits, tmp_path / "limits.json")


def test_half_a_character_is_written_and_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"text": "ok \ud83d"})
    assert read_json(tmp_path / "a.json") == {"text": "ok \ud83d"}


def test_a_full_disk_leaves_the_earlier_file_whole_and_no_half_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, 2)
    assert read_json(path) == 1
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.json"]


def test_what_is_durable_is_synchronised_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    synchronise, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(
            "folder" if os.path.isdir(os.readlink(f"/proc/self/fd/{descriptor}")) else "file"
        )
        synchronise(descriptor)

    def replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(tmp_path / "a", "text")
    assert steps == ["file", "rename", "folder"]
    write_text(tmp_path / "a", "text", durable=False)
    assert steps[3:] == ["rename"]


@pytest.mark.parametrize("name", ["run.json", "tokens-1a", "model.safetensors"])
def test_what_is_being_made_has_a_name_of_its_own_by_which_it_is_known(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    own_names = {temporary_path(path) for _ in range(9)}
    assert len(own_names) == 9 and {final_name(temporary) for temporary in own_names} == {name}
    assert final_name(path) == final_name(tmp_path / ".lock") == ""


def test_what_a_person_names_is_written_where_it_leads(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    write_named_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_named_text(pipe, "through")
        assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    finally:
        os.close(reader)
    for folder in (tmp_path, Path("."), Path("/"), Path("")):
        with pytest.raises(IsADirectoryError):
            write_named_text(folder, "text")


def refuse_new_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder take no new files, as one without the right to write, which root would have."""
    touch = Path.touch

    def refusing_touch(path: Path, *arguments: Any, **keywords: Any) -> None:
        if path.parent == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        touch(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "touch", refusing_touch)


def test_an_error_in_the_block_leaves_the_earlier_file_and_nothing_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), named_file(path) as file:
        file.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_that_a_person_names_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    path.chmod(mode)
    with named_file(path) as file:
        assert file.stat().st_mode & 0o777 == mode
        file.write_text("new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == mode


def test_where_no_new_file_is_taken_an_earlier_one_is_written_and_another_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    refuse_new_files(tmp_path, monkeypatch)
    write_named_text(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(PermissionError), named_file(tmp_path / "b.txt"):
        pytest.fail("the block began")


def test_a_file_with_another_name_or_owner_is_written_into(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    other_name = tmp_path / "b.txt"
    other_name.hardlink_to(path)
    write_named_text(path, "new")
    assert other_name.read_text() == "new" and path.samefile(other_name)
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["a.txt", "b.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_stays_theirs(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    os.chown(path, 1000, 1000)
    write_named_text(path, "new")
    assert path.read_text() == "new" and path.stat().st_uid == 1000


def test_links_that_lead_to_each_other_are_an_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "loop.txt"
    path.symlink_to(path)
    with pytest.raises(OSError, match="levels of symbolic links"), named_file(path):
        pytest.fail("the block began")


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * (250 // len(letter.encode())) + ".txt")
    write_named_text(path, "new")
    assert path.read_text() == "new"


def test_what_cannot_be_replaced_is_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def busy(path: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "replace", busy)
    write_named_text(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.txt"]
