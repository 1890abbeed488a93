"""Experiences as files that people share: Parquet and JSON Lines, checked line by line when they come back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm.documents import from_plain, to_plain, write_text
from xautolm.errors import StoreError
from xautolm.records import Experience, experience_id

LARGEST_NUMBER = 1e15
LONGEST_TEXT = 20_000
SUFFIXES = (".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of reading experiences from outside."""

    experiences: Sequence[Experience]
    skipped: Sequence[str]
    """One line for each record that was not taken: where it is, and why."""


def export_experiences(experiences: Iterable[Experience], path: Path) -> int:
    """Write experiences as JSON Lines or Parquet, by the suffix; returns how many.

    Raises:
        StoreError: Another suffix.
    """
    lines = [json.dumps(to_plain(one), ensure_ascii=False) for one in experiences]
    if path.suffix == ".parquet":
        import pandas as pd

        pd.DataFrame({"record": lines}).to_parquet(path)
    elif path.suffix in SUFFIXES:
        write_text(path, "".join(f"{line}\n" for line in lines))
    else:
        raise StoreError("Unknown file type for experiences.", got=path, fix=f"Known: {', '.join(SUFFIXES)}.")
    return len(lines)


def import_experiences(path: Path) -> Imported:
    """Read experiences that another store exported. They are data: checked, never run.

    A record that does not fit is skipped and said; ids are computed anew from the content.

    Raises:
        StoreError: No such file, another suffix, or not a file of experiences at all.
    """
    if not path.is_file():
        raise StoreError("No such file.", got=path)
    found, skipped = [], []
    for where, text in _records(path):
        try:
            found.append(_checked(json.loads(text), path.name))
        except (ValueError, TypeError, RecursionError) as error:
            skipped.append(f"{path.name}, {where}: {_reason(error)}")
    return Imported(experiences=found, skipped=skipped)


def _records(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        try:
            texts = pyarrow.parquet.read_table(path, columns=["record"]).column("record").to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise StoreError("Not a Parquet file of experiences.", got=str(error).partition("\n")[0]) from None
        yield from ((f"row {row}", str(text)) for row, text in enumerate(texts))
    elif path.suffix in SUFFIXES:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        yield from ((f"line {number}", line) for number, line in enumerate(lines, start=1) if line.strip())
    else:
        raise StoreError("Unknown file type for experiences.", got=path, fix=f"Known: {', '.join(SUFFIXES)}.")


def _checked(value: Any, source: str) -> Experience:
    _check_values(value)
    experience = from_plain(Experience, value)
    outcome = experience.outcome
    if outcome.succeeded == (outcome.failure is not None) or (outcome.succeeded and not outcome.metrics):
        raise ValueError("status, failure and metrics contradict each other")
    if (outcome.evaluation_time or 0) < 0 or {"model", "method"} - set(experience.configuration.values):
        raise ValueError("a negative time, or a configuration without model or method")
    identity = experience_id(experience.run, experience.trial, experience.configuration)
    return replace(experience, id=identity, provenance=experience.provenance or source)


def _check_values(value: Any) -> None:
    """Refuse numbers and texts of a size that no honest record has."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            _check_values(name)
            _check_values(item)
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:  # nor NaN
        raise ValueError(f"the number {value!r:.20} is out of bounds")
    elif isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(value)} characters")


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0][:200]
