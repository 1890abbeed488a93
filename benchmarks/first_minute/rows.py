"""Draw the rows that every system gets: training and validation by seed, and a test split that none sees."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

TRAIN, VALIDATION, TEST = "train", "validation", "test"
COLUMNS = ["text", "label"]
TEST_SEED = 0
"""The same test rows for all seeds: their scores then differ by training only."""


def draw_rows(
    source: Path, folder: Path, *, seed: int, train_rows: int, validation_rows: int, test_rows: int
) -> dict[str, int]:
    """Write `train`, `validation` and `test.parquet` to a folder, and return how many rows each has.

    Args:
        source: Folder with `train.parquet` and `test.parquet`, columns `text` and `label`.
        folder: Made if it does not exist.
        seed: Of the draw of training and validation rows, both from the source's training split, stratified.
        train_rows: How many.
        validation_rows: How many.
        test_rows: At most so many, drawn from the source's test split, stratified.
    """
    labelled = pd.read_parquet(source / "train.parquet")[COLUMNS]
    drawn = stratified(labelled, train_rows + validation_rows, seed)
    train, validation = train_test_split(
        drawn,
        test_size=min(validation_rows, len(drawn) // 2),
        stratify=drawn["label"],
        random_state=seed,
    )
    test = stratified(pd.read_parquet(source / "test.parquet")[COLUMNS], test_rows, TEST_SEED)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for split, table in ((TRAIN, train), (VALIDATION, validation), (TEST, test)):
        table.reset_index(drop=True).to_parquet(folder / f"{split}.parquet")
        counts[split] = len(table)
    return counts


def stratified(table: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return so many rows in proportion to the classes, or all if there are no more."""
    if rows >= len(table):
        return table
    drawn, _ = train_test_split(table, train_size=rows, stratify=table["label"], random_state=seed)
    return drawn
