"""Field cases: rows with several labels, in the forms that programs write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table

TASK = "multilabel-classification"


def labels_of_row(number: int) -> list[str]:
    """Return the labels of a row: every combination of the three classes, none included."""
    return [name for bit, name in enumerate(CLASSES) if number >> bit & 1]


LABELS = [labels_of_row(number) for number in range(ROWS)]
NAMED = [names or [CLASSES[0]] for names in LABELS]
"""At least one label a row."""
BITS = [[int(name in names) for name in CLASSES] for names in LABELS]
NAMES = [CLASSES[number % len(CLASSES)] for number in range(ROWS)]
ALL = Read(rows=ROWS, classes=CLASSES, probes={"label": (("account", "billing"),)})


def in_csv(cells: Sequence[Any]) -> Callable[[Path], Path]:
    """Return what writes a CSV file with these label cells."""

    def write(folder: Path) -> Path:
        path = folder / "rows.csv"
        table().assign(label=[str(cell) for cell in cells]).to_csv(path, index=False)
        return path

    return write


def in_frame(cells: Sequence[Any]) -> Callable[[Path], pd.DataFrame]:
    """Return what gives a frame with these label cells."""
    return lambda folder: table().assign(label=pd.Series(list(cells), dtype=object))


def in_parquet(cells: Sequence[Any]) -> Callable[[Path], Path]:
    """Return what writes a Parquet file with these label cells."""

    def write(folder: Path) -> Path:
        path = folder / "rows.parquet"
        table().assign(label=pd.Series(list(cells), dtype=object)).to_parquet(path)
        return path

    return write


def columns_of_bits(folder: Path) -> Path:
    """Write a CSV file with a column of 0 and 1 for each class."""
    path = folder / "rows.csv"
    bits = pd.DataFrame(BITS, columns=list(CLASSES))
    pd.concat([table()[["text"]], bits], axis=1).to_csv(path, index=False)
    return path


def columns_with_unlabelled_rows(folder: Path) -> Path:
    """Write such a file in which each tenth row has -1 in every column: nobody has labelled it."""
    path = columns_of_bits(folder)
    frame = pd.read_csv(path)
    frame.loc[::10, list(CLASSES)] = -1
    frame.to_csv(path, index=False)
    return path


def hub_lists(feature: str, kind: str) -> Callable[[Path], Any]:
    """Return what gives a hub data set with lists of class numbers, in memory, saved to disk or in Parquet."""

    def make(folder: Path) -> Any:
        import datasets

        inner = datasets.ClassLabel(names=list(CLASSES))
        lists = getattr(datasets, feature)(inner)
        features = datasets.Features({"text": datasets.Value("string"), "labels": lists})
        numbers = [[CLASSES.index(name) for name in names] for names in LABELS]
        rows = datasets.Dataset.from_dict(
            {"text": list(table()["text"]), "labels": numbers}, features=features
        )
        if kind == "memory":
            return rows
        if kind == "parquet":
            rows.to_parquet(folder / "rows.parquet")
            return folder / "rows.parquet"
        datasets.DatasetDict(train=rows).save_to_disk(str(folder / "stored"))
        return folder / "stored"

    return make


def spelled(names: Sequence[str]) -> str:
    """Return a list as NumPy prints it."""
    return str(np.array(names, dtype=object))


READ = {
    "Python's lists in CSV": in_csv(LABELS),
    "JSON in CSV": in_csv([json.dumps(names) for names in LABELS]),
    "NumPy's arrays in CSV": in_csv([spelled(names) for names in LABELS]),
    "NumPy's arrays, repr, in CSV": in_csv(
        [repr(np.array(names, dtype=object)) for names in LABELS]
    ),
    "sets in CSV": in_csv([set(names) for names in LABELS]),
    "tuples in CSV": in_csv([tuple(names) for names in LABELS]),
    "lists without quotes in CSV": in_csv([f"[{', '.join(names)}]" for names in LABELS]),
    "PostgreSQL's arrays in CSV": in_csv([f"{{{','.join(names)}}}" for names in LABELS]),
    "a mapping with one list in CSV": in_csv([json.dumps({"choices": names}) for names in LABELS]),
    "commas in CSV": in_csv([",".join(names) for names in LABELS]),
    "semicolons in a frame of texts": lambda folder: table().assign(
        label=[";".join(names) for names in LABELS]
    ),
    "lists": in_frame(LABELS),
    "sets": in_frame([set(names) for names in LABELS]),
    "arrays in Parquet": in_parquet(LABELS),
    "mappings to booleans": in_frame(
        [{name: name in names for name in CLASSES} for names in LABELS]
    ),
    "mappings to 0.0 and 1.0": in_frame(
        [{name: float(name in names) for name in CLASSES} for names in LABELS]
    ),
    "mappings to booleans in CSV": in_csv(
        [{name: name in names for name in CLASSES} for names in LABELS]
    ),
    "mappings with gaps in Parquet": in_parquet([dict.fromkeys(names, True) for names in NAMED]),
    "Sequence(ClassLabel)": hub_lists("Sequence", "memory"),
    "Sequence(ClassLabel), saved": hub_lists("Sequence", "disk"),
    "Sequence(ClassLabel), Parquet": hub_lists("Sequence", "parquet"),
    "List(ClassLabel)": hub_lists("List", "memory"),
    "LargeList(ClassLabel)": hub_lists("LargeList", "memory"),
}
VECTORS = {
    "0/1 lists": in_frame(BITS),
    "0/1 arrays": in_frame([np.array(bits) for bits in BITS]),
    "booleans in lists": in_frame([[bool(bit) for bit in bits] for bits in BITS]),
    "floats in lists": in_frame([[float(bit) for bit in bits] for bits in BITS]),
    "0/1 lists in Parquet": in_parquet(BITS),
    "0/1 lists in CSV": in_csv(BITS),
    "0/1 arrays in CSV": in_csv([str(np.array(bits, dtype=float)) for bits in BITS]),
    "0,1,0 in CSV": in_csv([",".join(map(str, bits)) for bits in BITS]),
    "0 1 0 in CSV": in_csv([" ".join(map(str, bits)) for bits in BITS]),
}

NUMBERS = {
    "1 and -1": in_frame([[2 * bit - 1 for bit in bits] for bits in BITS]),
    "1 and -1 in CSV": in_csv([[2 * bit - 1 for bit in bits] for bits in BITS]),
    "probabilities": in_frame([[0.1 + 0.8 * bit for bit in bits] for bits in BITS]),
    "votes": in_frame([[3 * bits[0], 2 * bits[1], 0] for bits in BITS]),
    "0/1 lists with a gap": in_frame([*BITS[:-1], [1, 0, None]]),
    "0/1 lists, some of them empty": in_frame([*BITS[:-1], []]),
    "yes and no": in_frame([["yes" if bit else "no" for bit in bits] for bits in BITS]),
    "class numbers filled up by -1": in_frame(
        [[*numbers, *[-1] * (3 - len(numbers))] for numbers in ([2], [4], [0, 2]) * (ROWS // 3)]
    ),
}
"""What says something of each class in turn, and names none."""

CASES = [
    Case(name=f"labels: {name}", make=make, task=TASK, expect=ALL) for name, make in READ.items()
]
CASES += [
    Case(
        name=f"labels: {name}",
        make=make,
        task=TASK,
        expect=Refused(
            value=f"{kind} without names", place="column 'label'", cure="--label name,name"
        ),
    )
    for kind, makes in (("0/1 vectors", VECTORS), ("vectors of numbers", NUMBERS))
    for name, make in makes.items()
]
CASES += [
    Case(
        name=f"labels: class numbers filled up by {gap!r}",
        make=in_frame([[2, gap, gap], [4, gap, gap], [6, 2, gap]] * (ROWS // 3)),
        task=TASK,
        expect=Read(rows=ROWS, classes=("2", "4", "6")),
    )
    for gap in (None, float("nan"), "")
]
CASES += [
    Case(
        name="labels: two class numbers in each row",
        make=in_frame([[2, 4], [4, 6], [2, 6]] * (ROWS // 3)),
        task=TASK,
        expect=Read(rows=ROWS, classes=("2", "4", "6")),
    )
]
CASES += [
    Case(
        name="labels: columns of 0 and 1, not named",
        make=columns_of_bits,
        task=TASK,
        expect=Refused(
            value="columns text, account", place="label", cure="--label account,billing,delivery"
        ),
    ),
    Case(
        name="labels: columns of 0 and 1, named",
        make=columns_of_bits,
        task=TASK,
        options={"label": "account,billing,delivery"},
        expect=ALL,
    ),
    Case(
        name="labels: column of 0 and 1 that is not there",
        make=columns_of_bits,
        task=TASK,
        options={"label": "account,billing,fraud"},
        expect=Refused(value="account,billing,fraud", cure="columns text, account"),
    ),
    Case(
        name="labels: blanks between",
        make=in_csv([" ".join(names) for names in LABELS]),
        task=TASK,
        expect=Refused(
            value="'account billing'", place="column 'label'", cure="Separate labels by commas"
        ),
    ),
    *(
        Case(
            name=f"labels: {sign!r} between",
            make=in_csv([sign.join(names) for names in LABELS]),
            task=TASK,
            expect=Refused(
                value="account", place="column 'label'", cure="Separate labels by commas"
            ),
        )
        for sign in ("\n", "/", " + ", "&")
    ),
    Case(
        name="labels: names with blanks, separated by commas",
        make=in_csv([",".join(f"the {name}" for name in names) for names in LABELS]),
        task=TASK,
        expect=Read(rows=ROWS, classes=tuple(f"the {name}" for name in CLASSES)),
    ),
    Case(
        name="labels: names with blanks in lists",
        make=in_csv(
            [
                [f"{name} account" if name == "billing" else name for name in names]
                for names in LABELS
            ]
        ),
        task=TASK,
        expect=Read(rows=ROWS, classes=("account", "billing account", "delivery")),
    ),
    Case(
        name="labels: chances for labels",
        make=in_frame([dict.fromkeys(CLASSES, 0.3) for _ in LABELS]),
        task=TASK,
        expect=Refused(value="expected 0 or 1, got 0.3", place="row 0, column 'label'"),
    ),
    Case(
        name="labels: a cut list",
        make=in_csv(["['account' 'billing' ... 'delivery']"] * ROWS),
        task=TASK,
        expect=Refused(value="cut when it was printed", place="line 2, column 'label'"),
    ),
    Case(
        name="labels: some missing",
        make=in_frame([None if row % 10 == 0 else names for row, names in enumerate(LABELS)]),
        task=TASK,
        expect=Read(rows=ROWS - 6, classes=CLASSES, notes=("6 of 60 rows", "--unlabelled none")),
    ),
    Case(
        name="labels: missing means none",
        make=in_frame([names or float("nan") for names in LABELS]),
        task=TASK,
        options={"unlabelled": "none"},
        expect=Read(rows=ROWS, classes=CLASSES, probes={"label": ((), ("account",))}),
    ),
    Case(
        name="labels: test split with empty lists",
        make=lambda folder: {
            "train": in_frame(LABELS)(folder),
            "test": pd.DataFrame({"text": ["one more", "and another"], "label": [[], []]}),
        },
        task=TASK,
        expect=Read(rows=ROWS, classes=CLASSES, notes=("test split left out",)),
    ),
    Case(
        name="labels: columns of 0 and 1 with rows of -1",
        make=columns_with_unlabelled_rows,
        task=TASK,
        options={"label": "account,billing,delivery"},
        expect=Read(rows=ROWS - 6, classes=CLASSES, notes=("6 of 60 rows",)),
    ),
    Case(
        name="labels: names with commas in lists",
        make=in_csv(
            [["Smith, Jr." if name == "account" else name for name in names] for names in LABELS]
        ),
        task=TASK,
        expect=Read(rows=ROWS, classes=("Smith, Jr.", "billing", "delivery")),
    ),
    Case(
        name="labels: scalars of NumPy in lists",
        make=in_csv([[np.str_(name) for name in names] for names in LABELS]),
        task=TASK,
        expect=ALL,
    ),
    Case(
        name="labels: series",
        make=in_frame([pd.Series(names, dtype=object) for names in LABELS]),
        task=TASK,
        expect=ALL,
    ),
    Case(
        name="labels: in parentheses",
        make=in_csv([f"({'; '.join(names)})" if len(names) > 1 else names for names in LABELS]),
        task=TASK,
        expect=ALL,
    ),
    Case(
        name="labels: a name in parentheses",
        make=in_csv(["(other)" if row % 3 else "billing, late" for row in range(ROWS)]),
        task=TASK,
        expect=Read(rows=ROWS, classes=("(other)", "billing", "late")),
    ),
    Case(
        name="labels: each in quotes",
        make=in_csv([",".join(f'"{name}"' for name in names) for names in LABELS]),
        task=TASK,
        expect=ALL,
    ),
    *(
        Case(
            name=f"labels: names with other signs, separated by {sign!r}",
            make=in_csv(
                [
                    f"Arts, Crafts{sign}Sports" if row % 3 else f"Food{inside}Drink{sign}Sports"
                    for row in range(ROWS)
                ]
            ),
            task=TASK,
            expect=Read(rows=ROWS, classes=("Arts, Crafts", f"Food{inside}Drink", "Sports")),
        )
        for sign, inside in ((";", ", "), ("|", "; "))
    ),
    *(
        Case(
            name=f"labels: names with signs in {quote}, separated by {sign!r}",
            make=in_csv(
                [f"{quote}Arts, Crafts | Fun{quote}{sign}Sports", f"Sports {sign} it's"]
                * (ROWS // 2)
            ),
            task=TASK,
            expect=Read(rows=ROWS, classes=("Arts, Crafts | Fun", "Sports", "it's")),
        )
        for sign in (",", ";", "|")
        for quote in ("'", '"')
    ),
    *(
        Case(
            name=f"labels: some separated by {sign!r}, some by commas",
            make=in_csv([f"account{sign} billing", "account", "billing, delivery"] * (ROWS // 3)),
            task=TASK,
            expect=Refused(
                value=f"'account{sign} billing' and 'billing, delivery'",
                place="column 'label'",
                cure="Use one sign in every row",
            ),
        )
        for sign in (";", "|")
    ),
    *(
        Case(
            name=f"labels: a sign by accident in {text!r}",
            make=in_csv([text, "account", "billing"] * (ROWS // 3)),
            task=TASK,
            expect=Refused(value=repr(text), place="column 'label'", cure="put labels"),
        )
        for text in ("R&amp;D, account", "ac|dc, billing", "happy ;), account")
    ),
    Case(
        name="labels: a list that is not closed",
        make=in_csv(["['account', 'billing'", *LABELS[1:]]),
        task=TASK,
        expect=Refused(value="cannot be read", place="line 2, column 'label'"),
    ),
    Case(
        name="labels: signs that separate nothing",
        make=in_csv([f"{name}#urgent" if row % 2 else name for row, name in enumerate(NAMES)]),
        task=TASK,
        expect=Read(rows=ROWS, notes=("no row has more than one label", "#urgent'", "commas")),
    ),
    Case(
        name="labels: a column of 0 and 1 named twice",
        make=columns_of_bits,
        task=TASK,
        options={"label": "account,billing,account"},
        expect=Read(rows=ROWS, classes=("account", "billing")),
    ),
    Case(
        name="labels: lists of class numbers, some of -1",
        make=in_frame([[-1] if row % 10 == 0 else [row % 3, 3] for row in range(ROWS)]),
        task=TASK,
        expect=Read(rows=ROWS - 6, classes=("0", "1", "2", "3"), notes=("6 of 60 rows",)),
    ),
    Case(
        name="labels: lists of two opinions, one of them -1",
        make=in_frame([[-1], [1], [-1, 1]] * (ROWS // 3)),
        task=TASK,
        expect=Read(rows=ROWS, classes=("-1", "1")),
    ),
]
