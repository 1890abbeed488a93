"""Field cases: shapes of data in Python, as scikit-learn, pandas and others hand them over."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow

from tests.field.cases import Case, Read, Refused
from xautolm.data import Dataset
from xautolm.operations import shaped
from xautolm.options import FitOptions
from xautolm.scenario import read_data
from xautolm.tasks import TASKS

ROWS = 30
TEXTS = [f"text number {number}" for number in range(ROWS)]
LABELS = ["abc"[number % 3] for number in range(ROWS)]
CODES = np.arange(ROWS) % 3
WITH_MISSING = [pd.NA, *CODES[1:].tolist()]
READ = Read(rows=ROWS, classes=("a", "b", "c"), probes={"text": (TEXTS[0], TEXTS[-1])})
READ_CODES = Read(rows=ROWS, classes=("0", "1", "2"))


def fit(data: Any, case: Case) -> Dataset:
    """Read inputs and targets as `AutoLM.fit(X, y)` does before anything else."""
    X, y = data
    options = FitOptions.parse({"task": case.task, **case.options})
    table, named = shaped(X, y, options)
    return read_data(table, named, TASKS.get(case.task))


def case(
    name: str,
    make: Callable[[], tuple[Any, Any]],
    expect: Read | Refused,
    task: str = "",
    **options: Any,
) -> Case:
    """Return a case of `fit(X, y)`."""
    task = task or "text-classification"
    return Case(
        name=f"shape: {name}",
        make=lambda _: make(),
        expect=expect,
        task=task,
        options=options,
        act=fit,
    )


def written(folder: Path) -> tuple[str, str]:
    """Write a table; return its path and the name of its labels' column."""
    path = folder / "train.csv"
    pd.DataFrame({"text": TEXTS, "kind": LABELS}).to_csv(path, index=False)
    return str(path), "kind"


FIELDS = np.array(list(zip(TEXTS, LABELS, strict=True)), dtype=[("text", "U40"), ("label", "U4")])
ROWS_OF_SPLITS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
OTHER_ROWS = [{"text": f"one more {label}", "label": label} for label in LABELS[:3]]


CASES = [
    case("array with named fields", lambda: (FIELDS, None), READ),
    case("record array", lambda: (FIELDS.view(np.recarray), None), READ),
    case(
        "lists of rows by split",
        lambda: ({"train": ROWS_OF_SPLITS, "test": OTHER_ROWS}, None),
        Read(rows=ROWS + 3, test_rows=3, classes=("a", "b", "c")),
    ),
    case(
        "frames by split, one of them None",
        lambda: ({"train": pd.DataFrame(ROWS_OF_SPLITS), "test": None}, None),
        READ,
    ),
    case(
        "paths by split",
        lambda: ({"train": "a.csv", "test": "b.csv"}, None),
        Refused(value="a.csv", cure="validation and test"),
    ),
    case(
        "a list of paths",
        lambda: ([Path("a.csv"), Path("b.csv")], None),
        Refused(value="a.csv, b.csv", cure="Give one file"),
    ),
    case(
        "an open file",
        lambda: (StringIO("text,label\n"), None),
        Refused(value="StringIO", cure="Give its path"),
    ),
    case("series and series", lambda: (pd.Series(TEXTS), pd.Series(LABELS)), READ),
    case(
        "series with another index",
        lambda: (TEXTS, pd.Series(LABELS, index=range(5, 5 + ROWS))),
        READ,
    ),
    case("array of objects", lambda: (np.asarray(TEXTS, dtype=object), np.asarray(LABELS)), READ),
    case(
        "two column vectors",
        lambda: (np.asarray(TEXTS)[:, None], np.asarray(LABELS)[:, None]),
        READ,
    ),
    case("frame of one column", lambda: (pd.DataFrame({"body": TEXTS}), LABELS), READ),
    case(
        "frame of more columns",
        lambda: (pd.DataFrame({"id": range(ROWS), "text": TEXTS}), LABELS),
        READ,
    ),
    case("y a frame", lambda: (TEXTS, pd.DataFrame({"label": LABELS})), READ),
    case("y categorical", lambda: (TEXTS, pd.Categorical(LABELS)), READ),
    case("mapping and list", lambda: ({"text": TEXTS}, LABELS), READ),
    case("arrow arrays", lambda: (pyarrow.array(TEXTS), pyarrow.array(LABELS)), READ),
    case("y floats that are whole", lambda: (TEXTS, CODES.astype(float)), READ_CODES),
    case(
        "y the name of a column",
        lambda: (pd.DataFrame({"text": TEXTS, "kind": LABELS}), "kind"),
        READ,
    ),
    Case(name="shape: a path and a column's name", make=written, expect=READ, act=fit),
    case(
        "columns 0 and 1",
        lambda: (pd.DataFrame({0: TEXTS, 1: LABELS}), None),
        READ,
        text="0",
        label="1",
    ),
    case(
        "pairs in a list",
        lambda: (list(zip(TEXTS, LABELS, strict=True)), None),
        READ,
        text=0,
        label=1,
    ),
    case(
        "labels in the index",
        lambda: (pd.DataFrame({"text": TEXTS, "label": LABELS}).set_index("label"), None),
        READ,
    ),
    case(
        "levels of columns",
        lambda: (pd.DataFrame({("x", "text"): TEXTS, ("y", "kind"): LABELS}), "y.kind"),
        READ,
        text="x.text",
    ),
    case(
        "y with NA",
        lambda: (TEXTS, pd.Series(WITH_MISSING, dtype="Int64")),
        Read(rows=ROWS - 1, classes=("0", "1", "2"), notes=("1 of 30 rows",)),
    ),
    case(
        "column with NA",
        lambda: (pd.DataFrame({"text": TEXTS, "label": pd.array(WITH_MISSING, "Int64")}), None),
        Read(rows=ROWS - 1, classes=("0", "1", "2"), notes=("1 of 30 rows",)),
    ),
    case(
        "frame of 0 and 1",
        lambda: (TEXTS, pd.DataFrame({"new": CODES > 0, "old": CODES < 2})),
        Read(rows=ROWS, classes=("new", "old")),
        "multilabel-classification",
    ),
    case(
        "one-hot", lambda: (TEXTS, np.eye(3)[CODES]), Refused(value="shape (30, 3)", cure="argmax")
    ),
    case(
        "one-hot frame",
        lambda: (TEXTS, pd.get_dummies(pd.Series(LABELS))),
        Refused(value="columns a, b, c", cure="idxmax"),
    ),
    case(
        "one-hot for several labels",
        lambda: (TEXTS, np.eye(3)[CODES]),
        Refused(value="1", cure="names"),
        "multilabel-classification",
    ),
    case("one label too few", lambda: (TEXTS, LABELS[1:]), Refused(value="30 texts but 29 labels")),
    case(
        "same index in another order",
        lambda: (pd.Series(TEXTS), pd.Series(LABELS)[::-1]),
        Refused(value="0 and 29", place="row 0", cure="y.loc[X.index]"),
    ),
    case(
        "texts without labels",
        lambda: (pd.Series(TEXTS), None),
        Refused(value="30 values", cure="fit(texts, labels)"),
    ),
    case("a set of texts", lambda: (set(TEXTS), LABELS), Refused(value="set", cure="list")),
    case(
        "a mapping among texts",
        lambda: ([{"text": "a"}, "b"], ["x", "y"]),
        Refused(value="'b'", place="row 1"),
    ),
]
