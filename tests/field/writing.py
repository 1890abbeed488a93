"""How field cases write their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import table


def csv_text(frame: pd.DataFrame | None = None, **options: object) -> str:
    """Return what pandas writes."""
    return (table() if frame is None else frame).to_csv(index=False, **options)


def written(name: str, content: str | bytes) -> Callable[[Path], Path]:
    """Return a maker of one file."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def case(
    name: str, file: str, content: str | bytes, expect: Read | Refused, **options: object
) -> Case:
    """Return the case of one file."""
    return Case(name=name, make=written(file, content), expect=expect, options=options)


def with_text(changes: dict[int, str]) -> pd.DataFrame:
    """Return tickets of which some have other texts."""
    frame = table()
    for row, text in changes.items():
        frame.loc[row, "text"] = text
    return frame
