"""Field cases: splits and rows without labels, and labels that one split has and training has not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, table

TEST_ROWS = 20
NUMBERS = {name: number for number, name in enumerate(CLASSES)}


def folder_of(**splits: pd.DataFrame) -> Callable[[Path], Path]:
    """Return what writes CSV files by the splits' names."""

    def write(folder: Path) -> Path:
        for name, split in splits.items():
            split.to_csv(folder / f"{name}.csv", index=False)
        return folder

    return write


def frame_of(frame: pd.DataFrame) -> Callable[[Path], pd.DataFrame]:
    """Return what gives a frame as it is."""
    return lambda folder: frame


def hub_data(kind: str, test_labels: list[int]) -> Callable[[Path], Any]:
    """Return what gives a hub data set with class numbers, in memory, saved to disk or as Parquet files."""

    def make(folder: Path) -> Any:
        from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

        features = Features({"text": Value("string"), "label": ClassLabel(names=list(CLASSES))})
        train, test = table(), table(TEST_ROWS, first=ROWS)
        numbers = [NUMBERS[name] for name in train["label"]]
        splits = DatasetDict(
            train=Dataset.from_dict(
                {"text": list(train["text"]), "label": numbers}, features=features
            ),
            test=Dataset.from_dict(
                {"text": list(test["text"]), "label": test_labels}, features=features
            ),
        )
        if kind == "memory":
            return splits
        if kind == "parquet":
            for name, split in splits.items():
                split.to_parquet(folder / f"{name}.parquet")
            return folder
        splits.save_to_disk(str(folder / "stored"))
        return folder / "stored"

    return make


def hub_objects(folder: Path) -> Path:
    """Write hub data whose rows are objects with a class number inside, as Parquet."""
    from datasets import ClassLabel, Dataset, Features, Value

    inside = {"text": Value("string"), "label": ClassLabel(names=list(CLASSES))}
    rows = [
        {"text": text, "label": NUMBERS[label]} for text, label in table().itertuples(index=False)
    ]
    path = folder / "rows.parquet"
    Dataset.from_dict({"data": rows}, features=Features({"data": inside})).to_parquet(path)
    return path


def some_other(frame: pd.DataFrame, column: str, cell: object) -> pd.DataFrame:
    """Return a frame of which each tenth row has another cell in a column."""
    cells = [cell if row % 10 == 0 else old for row, old in enumerate(frame[column])]
    return frame.assign(**{column: pd.Series(cells, dtype=object)})


NUMBERED = table().assign(label=[NUMBERS[name] for name in table()["label"]])
NUMBERED_TEST = table(TEST_ROWS, first=ROWS).assign(
    label=[NUMBERS[name] for name in table(TEST_ROWS, ROWS)["label"]]
)
TEST = table(TEST_ROWS, first=ROWS)
LEFT_OUT = Read(
    rows=ROWS, classes=CLASSES, notes=("test split left out, there will be no test score",)
)
FEWER = Read(
    rows=ROWS - 6, classes=CLASSES, notes=("6 of 60 rows of the train split left out", "'label'")
)
SCORES = pd.DataFrame({"text": table()["text"], "score": np.linspace(0, 5, ROWS)})
THOUSANDS = SCORES.assign(score=[f"{37 * row:,}".replace(",", ".") for row in range(ROWS)])
"""Scores from 0 to 2.183, of which those from 1.036 on have a point."""
PAIRS = pd.DataFrame(
    {
        "premise": table()["text"],
        "hypothesis": table()["text"].str.upper(),
        "label": table()["label"],
    }
)
PAIR_COLUMNS = {"columns": "text=premise,text_pair=hypothesis"}


CASES = [
    Case(
        name="test without label column",
        make=folder_of(train=table(), test=TEST[["text"]]),
        expect=LEFT_OUT,
    ),
    Case(
        name="test with empty labels",
        make=folder_of(train=table(), test=TEST.assign(label="")),
        expect=LEFT_OUT,
    ),
    Case(name="hub: test labels -1", make=hub_data("memory", [-1] * TEST_ROWS), expect=LEFT_OUT),
    Case(
        name="hub: test labels -1, saved", make=hub_data("disk", [-1] * TEST_ROWS), expect=LEFT_OUT
    ),
    Case(
        name="hub: test labels -1, Parquet",
        make=hub_data("parquet", [-1] * TEST_ROWS),
        expect=LEFT_OUT,
    ),
    Case(
        name="hub: some test labels -1",
        make=hub_data("memory", [0] * (TEST_ROWS - 5) + [-1] * 5),
        expect=Read(
            rows=ROWS + TEST_ROWS - 5,
            test_rows=TEST_ROWS - 5,
            notes=("5 of 20 rows of the test split",),
        ),
    ),
    Case(
        name="test labels -1 without class names",
        make=folder_of(train=NUMBERED, test=TEST.assign(label=-1)),
        expect=Read(rows=ROWS, classes=("0", "1", "2"), notes=("test split left out",)),
    ),
    Case(
        name="another case in the header of the test split",
        make=folder_of(
            train=table(), test=TEST.rename(columns={"label": "Label ", "text": "Text"})
        ),
        expect=Read(rows=ROWS + TEST_ROWS, test_rows=TEST_ROWS, classes=CLASSES),
    ),
    Case(
        name="leading zeros in the test split",
        make=folder_of(
            train=NUMBERED.assign(label="0" + NUMBERED["label"].astype(str)),
            test=NUMBERED_TEST.astype({"label": str}),
        ),
        expect=Refused(
            value="'1' where training has '01'", place="test split", cure="Write them alike"
        ),
    ),
    Case(
        name="validation without labels",
        make=folder_of(train=table(), validation=TEST[["text"]]),
        expect=Read(
            rows=ROWS,
            classes=CLASSES,
            notes=("validation split left out, one is made", "validation split made"),
        ),
    ),
    Case(
        name="test without labels, an error",
        make=folder_of(train=table(), test=TEST[["text"]]),
        options={"unlabelled": "error"},
        expect=Refused(value="no column 'label'", place="test split", cure="columns text"),
    ),
    Case(
        name="empty labels in CSV",
        make=folder_of(train=some_other(table(), "label", "")),
        expect=FEWER,
    ),
    Case(
        name="blank labels in CSV",
        make=folder_of(train=some_other(table(), "label", "  ")),
        expect=FEWER,
    ),
    Case(name="None among labels", make=frame_of(some_other(table(), "label", None)), expect=FEWER),
    Case(
        name="NaN among labels",
        make=frame_of(some_other(table(), "label", float("nan"))),
        expect=FEWER,
    ),
    Case(
        name="pd.NA among labels", make=frame_of(some_other(table(), "label", pd.NA)), expect=FEWER
    ),
    Case(
        name="pd.NA in a string column",
        make=frame_of(some_other(table(), "label", None).astype({"label": "string"})),
        expect=FEWER,
    ),
    Case(
        name="NaN in a categorical",
        make=frame_of(some_other(table(), "label", None).astype({"label": "category"})),
        expect=FEWER,
    ),
    Case(
        name="empty lists as labels", make=frame_of(some_other(table(), "label", [])), expect=FEWER
    ),
    Case(name="gold label -", make=frame_of(some_other(table(), "label", "-")), expect=FEWER),
    Case(
        name="class numbers with some -1",
        make=frame_of(some_other(NUMBERED, "label", -1)),
        expect=Read(rows=ROWS - 6, classes=("0", "1", "2"), notes=("6 of 60 rows", "has '-1'")),
    ),
    Case(
        name="class numbers with some -100",
        make=frame_of(some_other(NUMBERED, "label", -100)),
        expect=Read(rows=ROWS - 6, classes=("0", "1", "2"), notes=("6 of 60 rows", "has '-100'")),
    ),
    Case(
        name="three opinions, one of them -1",
        make=frame_of(NUMBERED.assign(label=NUMBERED["label"] - 1)),
        expect=Read(rows=ROWS, classes=("-1", "0", "1")),
    ),
    Case(
        name="minus and plus as classes",
        make=frame_of(table().assign(label=["+", "-"] * (ROWS // 2))),
        expect=Read(rows=ROWS, classes=("+", "-")),
    ),
    Case(
        name="some labels missing, an error",
        make=folder_of(train=some_other(table(), "label", "")),
        options={"unlabelled": "error"},
        expect=Refused(value="6 of 60 rows", place="line 2 has ''", cure="--unlabelled drop"),
    ),
    Case(
        name="no label at all",
        make=folder_of(train=table().assign(label="")),
        expect=Refused(value="''", place="column 'label'", cure="--label"),
    ),
    Case(
        name="a trailing row of nothing",
        make=frame_of(
            pd.concat([table(), pd.DataFrame({"text": [None], "label": [None]})], ignore_index=True)
        ),
        expect=Read(rows=ROWS, classes=CLASSES, notes=("1 of 61 rows",)),
    ),
    Case(
        name="numbers: NaN",
        make=frame_of(some_other(SCORES, "score", float("nan"))),
        task="text-regression",
        expect=Read(rows=ROWS - 6, notes=("6 of 60 rows", "'score'")),
    ),
    Case(
        name="numbers: nan as text",
        make=folder_of(train=some_other(SCORES, "score", "nan")),
        task="text-regression",
        expect=Read(rows=ROWS - 6, notes=("6 of 60 rows", "'nan'")),
    ),
    Case(
        name="numbers: marks of nothing",
        make=folder_of(train=some_other(SCORES, "score", "N/A")),
        task="text-regression",
        expect=Read(rows=ROWS - 6, notes=("6 of 60 rows", "'N/A'")),
    ),
    Case(
        name="numbers: a whole number beyond all floats",
        make=frame_of(some_other(SCORES, "score", 10**400)),
        task="text-regression",
        expect=Refused(value="got 1000", place="row 0, column 'score'", cure="such as 3.5"),
    ),
    Case(
        name="numbers: commas for points",
        make=folder_of(
            train=SCORES.assign(
                score=[str(number).replace(".", ",") for number in SCORES["score"] + 0.5]
            )
        ),
        task="text-regression",
        expect=Refused(value=",5'", place="line 2, column 'score'", cure="such as 3.5"),
    ),
    Case(
        name="numbers: prices",
        make=folder_of(train=SCORES.assign(score=[f"${number}" for number in SCORES["score"]])),
        task="text-regression",
        expect=Refused(value="'$", place="line 2, column 'score'", cure="without units"),
    ),
    *(
        Case(
            name=f"numbers: points between thousands, some {cell!r}",
            make=folder_of(train=some_other(THOUSANDS, "score", cell)),
            task="text-regression",
            expect=Refused(
                value="may be 1036 or 1.036",
                place="column 'score'",
                cure="thousands without a point",
            ),
        )
        for cell in ("7", "+900", ".", "n.a.")
    ),
    *(
        Case(
            name=f"numbers: three decimals beside {cell!r}",
            make=folder_of(train=some_other(THOUSANDS, "score", cell)),
            task="text-regression",
            expect=Read(rows=ROWS),
        )
        for cell in ("0.125", "-2.5", "1.", "1500")
    ),
    Case(
        name="numbers: three decimals everywhere",
        make=folder_of(train=THOUSANDS[THOUSANDS["score"].str.contains(".", regex=False)]),
        task="text-regression",
        expect=Read(rows=ROWS - 28),
    ),
    Case(
        name="numbers: underscores between digits",
        make=folder_of(train=some_other(SCORES, "score", "1_000")),
        task="text-regression",
        expect=Refused(value="'1_000'", place="line 2, column 'score'", cure="such as 3.5"),
    ),
    Case(
        name="numbers: all the same",
        make=frame_of(SCORES.assign(score=3.0)),
        task="text-regression",
        expect=Refused(value="times 3", place="training split", cure="--label"),
    ),
    Case(
        name="numbers: test of -1 only",
        make=folder_of(train=SCORES, test=TEST[["text"]].assign(score=-1.0)),
        task="text-regression",
        expect=Read(rows=ROWS, notes=("test split left out",)),
    ),
    Case(
        name="pairs: some without label",
        make=frame_of(some_other(PAIRS, "label", None)),
        task="text-pair-classification",
        options=PAIR_COLUMNS,
        expect=FEWER,
    ),
    Case(
        name="labels in the index",
        make=frame_of(table().set_index("label")),
        expect=Read(rows=ROWS, classes=CLASSES),
    ),
    Case(
        name="floats against whole numbers",
        make=folder_of(train=NUMBERED, test=NUMBERED_TEST.astype({"label": float})),
        expect=Read(rows=ROWS + TEST_ROWS, test_rows=TEST_ROWS, classes=("0", "1", "2")),
    ),
    Case(
        name="trailing blanks in the test split",
        make=folder_of(train=table(), test=TEST.assign(label=TEST["label"] + " ")),
        expect=Read(rows=ROWS + TEST_ROWS, test_rows=TEST_ROWS, classes=CLASSES),
    ),
    Case(
        name="another case in the test split",
        make=folder_of(train=table(), test=TEST.assign(label=TEST["label"].str.title())),
        expect=Refused(
            value="'Billing' where training has 'billing'",
            place="test split",
            cure="Write them alike",
        ),
    ),
    Case(
        name="another case in the validation split",
        make=folder_of(train=table(), validation=TEST.assign(label=TEST["label"].str.upper())),
        expect=Refused(
            value="'BILLING' where training has 'billing'",
            place="validation split",
            cure="Write them",
        ),
    ),
    Case(
        name="hyphens for blanks in the test split",
        make=folder_of(
            train=table().assign(label="class " + table()["label"]),
            test=TEST.assign(label="class-" + TEST["label"]),
        ),
        expect=Refused(
            value="'class-billing' where training has 'class billing'", place="test split"
        ),
    ),
    Case(
        name="an invisible character in the test split",
        make=folder_of(train=table(), test=TEST.assign(label="\u200b" + TEST["label"])),
        expect=Refused(value="'\\u200bbilling' where training has 'billing'", place="test split"),
    ),
    Case(
        name="test rows of an unknown class",
        make=folder_of(train=table(), test=TEST.assign(label=["fraud", *TEST["label"][1:]])),
        expect=Read(
            rows=ROWS + TEST_ROWS - 1,
            test_rows=TEST_ROWS - 1,
            classes=CLASSES,
            notes=(
                "1 of 20 rows of the test split left out",
                "fraud; training has account, billing, delivery",
            ),
        ),
    ),
    Case(
        name="a test split of unknown classes",
        make=folder_of(train=table(), test=TEST.assign(label=TEST["label"] + "!")),
        expect=Refused(
            value="billing!", place="test split", cure="training has account, billing, delivery"
        ),
    ),
    Case(
        name="validation rows of an unknown class",
        make=folder_of(train=table(), validation=TEST.assign(label=["fraud", *TEST["label"][1:]])),
        expect=Refused(
            value="fraud", place="validation split", cure="the training split has account, billing"
        ),
    ),
    Case(
        name="labels of one split in two spellings",
        make=frame_of(table().assign(label=["Yes", "yes", "no"] * (ROWS // 3))),
        expect=Read(rows=ROWS, classes=("Yes", "no", "yes"), notes=("'Yes' and 'yes'",)),
    ),
    Case(
        name="ids for labels",
        make=frame_of(table().assign(label=[f"id-{row}" for row in range(ROWS)])),
        expect=Refused(value="id-0", place="60 of 60 classes", cure="--label"),
    ),
    Case(
        name="hub: classes inside an object",
        make=hub_objects,
        expect=Read(rows=ROWS, classes=CLASSES),
    ),
    Case(
        name="two labels in a row of one",
        make=frame_of(some_other(table(), "label", ["account", "billing"])),
        expect=Refused(
            value="['account', 'billing']",
            place="row 0, column 'label'",
            cure="multilabel-classification",
        ),
    ),
    Case(
        name="lists of one label as text",
        make=folder_of(train=table().assign(label=[str([name]) for name in table()["label"]])),
        expect=Read(rows=ROWS, classes=CLASSES),
    ),
    Case(
        name="a mapping for a label",
        make=folder_of(train=some_other(table(), "label", '{"choices": ["account", "billing"]}')),
        expect=Refused(
            value="['account', 'billing']",
            place="line 2, column 'label'",
            cure="multilabel-classification",
        ),
    ),
]
