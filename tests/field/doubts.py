"""Field cases: data that can be read as it is and may be meant otherwise, which a note says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table

SPLITS = ["train"] * 40 + ["test"] * 20


def frame(**columns: object) -> Callable[[Path], pd.DataFrame]:
    """Return a maker of tickets with other or further columns."""
    return lambda folder: table().assign(**columns)


def some(label: str) -> list[str]:
    """Return the classes of tickets of which each tenth has another one."""
    return [label if row % 10 == 0 else name for row, name in enumerate(table()["label"])]


CASES = [
    Case(name="doubt: nan for a class", make=frame(label=some("nan")),
         expect=Read(rows=ROWS, classes=(*CLASSES, "nan"), notes=("'nan'", "empty these cells"))),
    Case(name="doubt: NA for a class", make=frame(label=some("NA")),
         expect=Read(rows=ROWS, classes=("NA", *CLASSES), notes=("'NA'", "empty these cells"))),
    Case(name="doubt: another spelling of nothing for a class", make=frame(label=some("Unlabeled")),
         expect=Read(rows=ROWS, classes=("Unlabeled", *CLASSES), notes=("'Unlabeled'", "empty these cells"))),
    *(Case(name=f"doubt: versions for classes, {task}", task=task,
           make=frame(label=["2.7", "3.0", "3", "3.10"] * (ROWS // 4)),
           expect=Refused(value="'3' and '3.0'", place="column 'label'", cure="such as v3"))
      for task in ("text-classification", "multilabel-classification")),
    Case(name="doubt: numbers for classes, of two files",
         make=frame(label=["1.0", "2.0"] * (ROWS // 4) + ["1", "2"] * (ROWS // 4)),
         expect=Read(rows=ROWS, classes=("1", "2"))),
    Case(name="doubt: a column of splits", make=frame(split=SPLITS),
         expect=Read(rows=ROWS, notes=("column 'split' names splits ('train' 40 times, 'test' 20 times)",))),
    Case(name="doubt: a text with two classes", make=frame(text=["Where is it?"] * 2 + list(table()["text"][2:])),
         expect=Read(rows=ROWS, notes=("another label elsewhere: 2 of 60, the first in row 0",))),
]  # fmt: skip
