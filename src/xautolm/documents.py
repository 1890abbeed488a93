"""Records as JSON, and files that are either whole or not there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def to_plain(record: Any) -> dict[str, Any]:
    """A record as dictionaries, lists and scalars."""
    return asdict(record)


def from_plain(kind: type[T], value: Any) -> T:
    """A record of `kind` from dictionaries, lists and scalars, validated.

    Raises:
        pydantic.ValidationError: The value does not fit; the error lists every field.
    """
    record: T = validator(kind).validate_python(value)  # type: ignore[arg-type]  # a class is hashable
    return record


@cache
def validator(kind: Any) -> TypeAdapter[Any]:
    """What checks and builds records of a kind; made once for each."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader, or a crash, never meets half of it."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False))


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, never meets half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
