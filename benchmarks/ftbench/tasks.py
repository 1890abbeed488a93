"""The tasks of the table: which rows, which limits, and which of them are one family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.first_minute.rows import stratified

MEGABYTE = 2**20
TRAIN_ROWS = 1000
VALIDATION_ROWS = 500
ROWS_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkTask:
    """A data set, and what a trial on it may use.

    Limits differ from task to task, so that who forecasts failures has to look at sizes and limits.
    """

    name: str
    """Of the data set's folder."""
    task: str = "text-classification"
    family: str = ""
    """Tasks that share sentences leave the store together; empty where the task is a family of its own."""
    seconds: float
    """Of a trial's wall time."""
    memory: int
    """Of a trial's processes, in bytes."""

    @property
    def group(self) -> str:
        """Return the name of the family that leaves the store together with this task."""
        return self.family or self.name

    def draw(self, source: Path, folder: Path) -> tuple[Path, Path]:
        """Write training and validation rows to a folder, and return their files.

        Classes keep their shares; questions about one context stay on one side.
        """
        table = pd.read_parquet(source / self.name / "train.parquet")
        if self.task == "question-answering":
            train, validation = _draw_questions(table)
        else:
            drawn = stratified(table[["text", "label"]], TRAIN_ROWS + VALIDATION_ROWS, ROWS_SEED)
            train, validation = train_test_split(
                drawn,
                test_size=VALIDATION_ROWS,
                stratify=drawn["label"],
                random_state=ROWS_SEED,
            )
        folder.mkdir(parents=True, exist_ok=True)
        files = folder / f"{self.name}.parquet", folder / f"{self.name}-validation.parquet"
        for rows, file in zip((train, validation), files, strict=True):
            rows.reset_index(drop=True).to_parquet(file)
        return files


def _draw_questions(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return questions for training and for validation, whole contexts in an order drawn by seed."""
    contexts = table["context"].drop_duplicates().sample(frac=1.0, random_state=ROWS_SEED)
    place_of_context = {context: place for place, context in enumerate(contexts)}
    ordered = table.iloc[table["context"].map(place_of_context).argsort(kind="stable")]
    train = ordered.iloc[:TRAIN_ROWS]
    rest = ordered[~ordered["context"].isin(set(train["context"]))]
    return train, rest.iloc[:VALIDATION_ROWS]


def _tasks(*tasks: BenchmarkTask) -> Mapping[str, BenchmarkTask]:
    return {task.name: task for task in tasks}


FILM_REVIEWS = "film-reviews"
"""mr, sst2 and sst5 are made of the same sentences."""


def family_of(name: str) -> tuple[str, ...]:
    """Return the names of the data sets that share sentences with one, itself among them."""
    if name not in TASKS:
        return (name,)
    group = TASKS[name].group
    return tuple(task.name for task in TASKS.values() if task.group == group)


TASKS = _tasks(
    BenchmarkTask(name="liar", seconds=30, memory=750 * MEGABYTE),
    BenchmarkTask(name="sst2", seconds=30, memory=900 * MEGABYTE, family=FILM_REVIEWS),
    BenchmarkTask(name="meld", seconds=25, memory=700 * MEGABYTE),
    BenchmarkTask(name="ag_news", seconds=45, memory=900 * MEGABYTE),
    BenchmarkTask(name="subj", seconds=30, memory=750 * MEGABYTE),
    BenchmarkTask(name="mpqa", seconds=20, memory=700 * MEGABYTE),
    BenchmarkTask(name="cr", seconds=30, memory=800 * MEGABYTE),
    BenchmarkTask(name="mr", seconds=25, memory=750 * MEGABYTE, family=FILM_REVIEWS),
    BenchmarkTask(name="sst5", seconds=30, memory=700 * MEGABYTE, family=FILM_REVIEWS),
    BenchmarkTask(name="tweet_hate", seconds=30, memory=850 * MEGABYTE),
    BenchmarkTask(name="tweet_offensive", seconds=25, memory=900 * MEGABYTE),
    BenchmarkTask(name="tweet_emoji", seconds=30, memory=750 * MEGABYTE),
    BenchmarkTask(name="hwu64", seconds=25, memory=800 * MEGABYTE),
    BenchmarkTask(name="squad", task="question-answering", seconds=60, memory=1100 * MEGABYTE),
    BenchmarkTask(name="drop", task="question-answering", seconds=60, memory=1000 * MEGABYTE),
)
