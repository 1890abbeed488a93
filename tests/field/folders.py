"""Field cases: folders as people and the hub lay them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tests.field.cases import Case, Read, Refused, read
from tests.field.material import CLASSES, ROWS, table, ticket
from xautolm.data import Dataset

PROBE = ticket(7)[0]
TRAIN_ONLY = Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)})
WITH_TEST = Read(rows=ROWS + 30, test_rows=30, classes=CLASSES, probes={"text": (PROBE,)})
HALF = ROWS // 2


def folder_of(**files: str) -> Callable[[Path], Path]:
    """Return a maker of a folder: paths, by what is in them: `train` rows, `test` rows, a `first` or `second` half."""

    def make(folder: Path) -> Path:
        for content, paths in files.items():
            for path in paths.split():
                write(folder / path, TABLES[content])
        return folder

    return make


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as the path's suffix says; other files get some text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".parquet"):
        frame.to_parquet(path)
    elif ".csv" in path.name.lower():
        frame.to_csv(path, index=False)
    elif path.name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True)
    else:
        path.write_text("{}")


def with_test_folder(data: Path, case: Case) -> Dataset:
    """Read a folder and, to test on, another one that has splits of its own."""
    elsewhere = data.parent / "elsewhere"
    folder_of(second="train.csv", test="test.csv")(elsewhere)
    return read(data, replace(case, options={"test": str(elsewhere)}))


TABLES = {
    "train": table(),
    "test": table(30, first=ROWS),
    "first": table(HALF),
    "second": table(ROWS - HALF, first=HALF),
    "other": table(10).rename(columns={"text": "body"}),
}

CASES = [
    Case(name="train and test", make=folder_of(train="train.csv", test="test.csv"), expect=WITH_TEST),
    Case(name="Train.CSV", make=folder_of(train="Train.CSV", test="TEST.csv"), expect=WITH_TEST),
    Case(name="train_data.csv", make=folder_of(train="train_data.csv", test="test_data.csv"), expect=WITH_TEST),
    Case(name="my-train.csv", make=folder_of(train="tickets-train.v2.csv", test="tickets-test.v2.csv"),
         expect=WITH_TEST),
    Case(name="TrainSet.csv", make=folder_of(train="ticketsTrain.csv", test="ticketsTest.csv"), expect=WITH_TEST),
    Case(name="compressed files", make=folder_of(train="train.csv.gz", test="test.parquet"), expect=WITH_TEST),
    Case(name="the hub's data folder",
         make=folder_of(train="data/train-00000-of-00001.parquet", test="data/test-00000-of-00001.parquet",
                        other="README.md .gitattributes dataset_infos.json"),
         expect=WITH_TEST),
    Case(name="the hub's folder of a configuration",
         make=folder_of(train="plain_text/train-00000-of-00001-a09b74b3ef9c3b56.parquet"), expect=TRAIN_ONLY),
    Case(name="parts",
         make=folder_of(first="data/train-00000-of-00002.parquet", second="data/train-00001-of-00002.parquet"),
         expect=TRAIN_ONLY),
    Case(name="parts in jsonl", make=folder_of(first="train-00000-of-00002.jsonl", second="train-00001-of-00002.jsonl"),
         expect=TRAIN_ONLY),
    Case(name="a part is missing",
         make=folder_of(first="data/train-00000-of-00003.parquet", second="data/train-00002-of-00003.parquet"),
         expect=Refused(value="2 files", place="number 1", cure="Fetch the missing")),
    Case(name="a part of other columns",
         make=folder_of(first="train-00000-of-00002.csv", other="train-00001-of-00002.csv"),
         expect=Refused(value="body, label instead of text, label", place="train-00001-of-00002.csv")),
    Case(name="a folder for each split", make=folder_of(train="train/a.csv", test="test/b.csv"), expect=WITH_TEST),
    Case(name="a folder of parts", make=folder_of(first="train/part-0.csv", second="train/part-1.csv"),
         expect=TRAIN_ONLY),
    Case(name="a folder of two things", make=folder_of(first="train/a.csv", second="train/b.csv"),
         expect=Refused(value="train/a.csv, train/b.csv", cure="Keep one")),
    Case(name="two formats of train", make=folder_of(train="train.csv", first="train.parquet"),
         expect=Refused(value="train.csv, train.parquet", cure="Keep one")),
    Case(name="two names of train", make=folder_of(train="train.csv", first="train_data.csv"),
         expect=Refused(value="train.csv, train_data.csv", cure="Keep one")),
    Case(name="two cases of train", make=folder_of(train="train.csv", first="Train.tsv.csv"),
         expect=Refused(value="Train.tsv.csv, train.csv", cure="Keep one")),
    Case(name="train in the folder and in data", make=folder_of(train="train.csv", first="data/train.csv"),
         expect=Refused(value="data/train.csv", cure="Keep one")),
    Case(name="two test files", make=folder_of(train="train.csv", test="test.csv test_labels.csv"),
         expect=Refused(value="test.csv, test_labels.csv", cure="Keep one")),
    Case(name="several configurations", make=folder_of(train="cola/train-00000-of-00001.parquet",
                                                       first="sst2/train-00000-of-00001.parquet"),
         expect=Refused(value="cola/train-00000-of-00001.parquet", cure="one of its folders")),
    Case(name="one more file", make=folder_of(train="train.csv", other="sample_submission.csv"),
         expect=Read(rows=ROWS, notes=("sample_submission.csv",))),
    Case(name="no training file", make=folder_of(train="tickets.csv"),
         expect=Refused(value="tickets.csv", cure="Name the file train.csv")),
    Case(name="workbook only", make=folder_of(other="train.xlsx"),
         expect=Refused(value="train.xlsx", cure="Name the file train.csv")),
    Case(name="test split of another folder", make=folder_of(train="train.csv", other="elsewhere.txt"),
         act=with_test_folder, expect=WITH_TEST),
    Case(name="empty folder", make=folder_of(), expect=Refused(value="no file", cure="train.csv")),
]  # fmt: skip
