"""Records as JSON, and files that are either whole or not there."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from xautolm.errors import DamagedFileError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

T = TypeVar("T")
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value as a JSON document holds it."""

AT_FDCWD = -100
"""Linux: paths are relative to the working folder (fcntl.h)."""
RENAME_EXCHANGE = 2
"""Linux: two names change places (renameat2(2))."""
LONGEST_NAME = 200
"""Bytes of a file's name that stand in that of its temporary file."""
TEMPORARY = re.compile(r"\.(?P<name>.+)\.(\d+|[0-9a-f]{16})")
"""Names of what is being made; those of earlier versions ended with the number of the process."""


def to_plain(record: DataclassInstance) -> dict[str, Any]:
    """Return a record as dictionaries, lists and scalars."""
    return asdict(record)


def from_plain(kind: type[T], value: object) -> T:
    """Build a record of `kind` from dictionaries, lists and scalars, validated.

    Raises:
        pydantic.ValidationError: The value does not fit; the error lists every field.
    """
    record: T = validator(kind).validate_python(value)  # type: ignore[arg-type]  # a class is hashable
    return record


def from_json(kind: type[T], text: str) -> T:
    """Build a record of `kind` from a JSON document, validated, without making dictionaries first.

    Raises:
        pydantic.ValidationError: It is no JSON, or does not fit.
    """
    record: T = validator(kind).validate_json(text)  # type: ignore[arg-type]  # a class is hashable
    return record


@cache
def validator(kind: type[T]) -> TypeAdapter[T]:
    """Return what checks and builds records of a kind; made once for each."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def write_json(path: Path, value: object, *, durable: bool = True) -> None:
    """Write a JSON file so that a reader, or a crash, never meets half of it; as `write_text` does."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    write_text(path, text, durable=durable)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file so that a reader, or a crash, never meets half of it.

    Args:
        path: Where.
        text: What.
        durable: Wait until the disk has it: after a power cut, a file that was renamed but not synchronised may be
            empty. Costs some milliseconds; not worth it for what is written every second or can be had again.

    Raises:
        OSError: The disk is full, or the folder cannot be written to; the earlier file, if any, is whole.
    """
    with _fresh_file(path, durable=durable) as temporary:
        _write_utf8(temporary, text)


def write_named_text(path: Path, text: str) -> None:
    """Write a text file where a person wants it: as `named_file` does.

    Raises:
        OSError: As `named_file`, or the disk is full.
    """
    with named_file(path) as file:
        _write_utf8(file, text)


@contextlib.contextmanager
def named_file(path: Path) -> Iterator[Path]:
    """Yield the file to write so that the one a person names is there, whole, at the end of the block.

    That is a new file which then takes the place of the named one, or of that which a link leads to, with its mode.
    Devices and pipes, and files in folders that take no new ones, are written directly.

    Raises:
        OSError: It is a folder, or nothing can be written there. An earlier file that is not written directly is
            whole after any error of the block; of what comes after it, unless it must be written into.
    """
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # What is no file must not be replaced by one: as root, that would take `/dev/stdout` away.
    is_special = path.exists() and not path.is_file()
    # Of links that lead to each other, `resolve` raises what is no error of the system.
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if is_special or (target.exists() and not _takes_new_file_beside(target)):
        yield path
        return
    with _fresh_file(target, may_copy=True) as temporary:
        if target.exists():
            _copy_mode(target, temporary)
        yield temporary


@contextlib.contextmanager
def _fresh_file(path: Path, *, durable: bool = True, may_copy: bool = False) -> Iterator[Path]:
    """Yield an empty file that gets its name, in place of an earlier one, when the block ends without an error.

    Args:
        path: The name.
        durable: As of `write_text`.
        may_copy: Write into the earlier file where it cannot be replaced.
    """
    temporary = temporary_path(path)
    try:
        temporary.touch()
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        if may_copy:
            _take_place(temporary, path)
        else:
            temporary.replace(path)
    except BaseException:
        # Where the disk is full, a forgotten half would keep it so.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if durable:
        synchronise_folder(path.parent)


def _take_place(temporary: Path, path: Path) -> None:
    """Let a file take the place of an earlier one, or what is in it, where that one must stay."""
    if not _must_stay(path, temporary):
        # What is mounted by itself, as into a container, cannot be replaced, nor somebody else's file in /tmp.
        with contextlib.suppress(OSError):
            temporary.replace(path)
            return
    shutil.copyfile(temporary, path)
    temporary.unlink()


def _must_stay(path: Path, temporary: Path) -> bool:
    """Return whether a file has other names or another owner than a new one would have."""
    if not path.exists():
        return False
    earlier = path.stat()
    new = temporary.stat()
    is_of_others = (earlier.st_uid, earlier.st_gid) != (new.st_uid, new.st_gid)
    return is_of_others or earlier.st_nlink > 1


def temporary_path(path: Path) -> Path:
    """Return a hidden name beside a path that nobody else has, under which it is made before it is renamed.

    Not by the number of the process: in each container processes are numbered from 1, and a kill leaves what it made.
    """
    # Longer names than 255 bytes are refused.
    name = path.name.encode()[:LONGEST_NAME].decode(errors="ignore")
    return path.with_name(f".{name}.{secrets.token_hex(8)}")


def final_name(temporary: Path) -> str:
    """Return the name that was to be given to what a kill has left under a `temporary_path`; empty of other paths."""
    match = TEMPORARY.fullmatch(temporary.name)
    return match["name"] if match else ""


def _takes_new_file_beside(path: Path) -> bool:
    """Return whether a file can be replaced by a new one: its folder may take none."""
    temporary = temporary_path(path)
    # Tried, for rights alone do not say it: /proc, file systems that are read only, names that get too long.
    try:
        temporary.touch()
        temporary.unlink()
    except OSError:
        return False
    return True


def _copy_mode(source: Path, target: Path) -> None:
    """Give a file the mode of another, but let its owner write it."""
    mode = stat.S_IMODE(source.stat().st_mode) | stat.S_IWUSR
    # Some file systems have no modes.
    with contextlib.suppress(OSError):
        target.chmod(mode)


def _write_utf8(path: Path, text: str) -> None:
    """Write a text in UTF-8."""
    # Half a character of UTF-16, as tokenizers and logs may give, is written as its escape, which JSON reads back.
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def synchronise_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; file systems that cannot do that are left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_folder(fresh: Path, target: Path) -> None:
    """Put a folder in the place of another, which is deleted; a reader, or a crash, meets one of them whole.

    Linux exchanges two names in one step. Where it cannot (other systems, some file systems), the old folder is set
    aside first, and there is a moment without any; a crash in that moment leaves both under other names.

    Args:
        fresh: The new folder, in the same parent; its name is free again afterwards.
        target: The folder to replace; need not exist.

    Raises:
        OSError: The names cannot be changed.
    """
    if not target.exists():
        fresh.rename(target)
    elif not exchange_names(fresh, target):
        aside = target.with_name(f".{target.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        fresh.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
    synchronise_folder(target.parent)
    shutil.rmtree(fresh, ignore_errors=True)


def exchange_names(first: Path, second: Path) -> bool:
    """Let two paths change places in one step; returns whether that could be done."""
    # Python has no function for it (3.14): it is asked of the C library, which lacks it in old versions of musl.
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(library, "renameat2", None)
    if exchange is None:
        return False
    failed = exchange(
        AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), ctypes.c_uint(RENAME_EXCHANGE)
    )
    return not failed


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        DamagedFileError: The file is not there, is not UTF-8 or is not JSON; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DamagedFileError(path, "there is no such file") from None
    except OSError as error:
        raise DamagedFileError(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise DamagedFileError(path, "it is not text in UTF-8") from None
    if not text.strip():
        raise DamagedFileError(path, "it is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DamagedFileError(path, f"{error.msg} at {place}") from None
    except (RecursionError, ValueError) as error:
        # Thousands of brackets, or a whole number of thousands of digits: JSON, but not ours.
        raise DamagedFileError(path, str(error)) from None


def read_record(kind: type[T], path: Path) -> T:
    """Return the record of `kind` in a JSON file.

    Raises:
        DamagedFileError: The file cannot be read, or what it holds is no such record; the message names the field.
    """
    from pydantic import ValidationError

    value = read_json(path)
    try:
        return from_plain(kind, value)
    except ValidationError as error:
        # One of them is enough to find the place.
        first = error.errors(include_url=False)[0]
        steps = [str(step) for step in first["loc"]]
        field = ".".join(steps) or "the value"
        raise DamagedFileError(path, f"{field}: {first['msg']}") from None
