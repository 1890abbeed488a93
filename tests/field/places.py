"""Field cases: what people write in the place of a file's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS
from tests.field.writing import csv_text

FINE = Read(rows=ROWS, classes=CLASSES)
CSV = csv_text()


def beside(name: str, place: Callable[[Path], str]) -> Callable[[Path], str]:
    """Return a maker that writes the tickets under a name, and gives a place that is made from the folder."""

    def make(folder: Path) -> str:
        (folder / name).write_text(CSV)
        return place(folder)

    return make


def pipe(folder: Path) -> str:
    """Make a named pipe, such as shells make for `<(zcat train.csv.gz)`."""
    path = folder / "pipe"
    os.mkfifo(path)
    return str(path)


def literal(place: str) -> Callable[[Path], str]:
    """Return a maker of a place that is the same in every folder."""
    return lambda folder: place


def linked(folder: Path, target: str) -> str:
    """Make a symbolic link to a file of the folder, which need not be there."""
    link = folder / "link.csv"
    link.symlink_to(folder / target)
    return str(link)


CASES = [
    Case(name="place: with a blank", make=beside("my train.csv", lambda f: f"{f}/my train.csv"), expect=FINE),
    Case(name="place: file://", make=beside("a.csv", lambda f: f"file://{f}/a.csv"), expect=FINE),
    Case(name="place: empty", make=literal(""), expect=Refused(value="''", cure="variable of the shell")),
    Case(name="place: blanks", make=literal("  "), expect=Refused(value="'  '", cure="variable of the shell")),
    Case(name="place: blank at the end", make=beside("a.csv", lambda f: f"{f}/a.csv "),
         expect=Refused(value="a.csv '", cure="Did you mean")),
    Case(name="place: mistyped", make=beside("tickets.csv", lambda f: f"{f}/tikcets.csv"),
         expect=Refused(value="tikcets.csv", cure="tickets.csv?")),
    Case(name="place: no such folder", make=lambda f: str(f / "data" / "train.csv"),
         expect=Refused(value="train.csv", place="data", cure="There is no folder")),
    Case(name="place: the data itself", make=literal(CSV), expect=Refused(value="'text,label", cure="too long")),
    Case(name="place: home of nobody", make=literal("~nobody-of-this-name/train.csv"),
         expect=Refused(value="~nobody-of-this-name")),
    Case(name="place: a pipe", make=pipe, expect=Refused(value="pipe", cure="Write the data to a file")),
    Case(name="place: standard input", make=literal("-"), expect=Refused(value="-", cure="Write the data to a file")),
    Case(name="place: a link to a file", make=beside("a.csv", lambda f: linked(f, "a.csv")), expect=FINE),
    Case(name="place: a link to nothing", make=lambda f: linked(f, "b.csv"), expect=Refused(value="link.csv")),
    Case(name="place: a link to itself", make=lambda f: linked(f, "link.csv"), expect=Refused(value="link.csv")),
]  # fmt: skip
