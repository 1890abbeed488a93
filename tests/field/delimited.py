"""Field cases: comma-separated and other delimited files."""

from __future__ import annotations

from pathlib import Path

from tests.field.cases import Case, Read
from tests.field.material import CLASSES, ROWS, table, ticket


def plain(folder: Path) -> Path:
    """Write the file that nobody has trouble with."""
    path = folder / "plain.csv"
    table().to_csv(path, index=False)
    return path


CASES = [
    Case(name="plain.csv", make=plain, expect=Read(rows=ROWS, classes=CLASSES, probes={"text": (ticket(7)[0],)})),
]
