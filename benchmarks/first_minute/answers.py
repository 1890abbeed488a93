"""Note a baseline's answers: when each was there, and what it scores on the test split."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

Predict = Callable[[Sequence[str]], np.ndarray]
"""Texts to class indices."""


def macro_f1(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return macro-F1."""
    return float(f1_score(targets, predictions, average="macro", zero_division=0))


class Splits:
    """The rows of a baseline, with class indices for labels.

    Args:
        folder: With `train`, `validation` and `test.parquet`.
    """

    def __init__(self, folder: Path) -> None:
        train = pd.read_parquet(folder / "train.parquet")
        validation = pd.read_parquet(folder / "validation.parquet")
        self.classes = sorted(set(train["label"]))
        self.train_texts = list(train["text"])
        self.train_targets = self.indices(train["label"])
        self.validation_texts = list(validation["text"])
        self.validation_targets = self.indices(validation["label"])
        self._folder = folder

    def indices(self, labels: Sequence[str]) -> np.ndarray:
        """Return class indices; -1 for a class that training does not have."""
        places = {label: place for place, label in enumerate(self.classes)}
        return np.array([places.get(label, -1) for label in labels])

    def test(self) -> tuple[list[str], np.ndarray]:
        """Return texts and targets of the test split."""
        table = pd.read_parquet(self._folder / "test.parquet")
        return list(table["text"]), self.indices(table["label"])


class AnswerLog:
    """Appends a line of JSON for each answer that is better on validation than those before it.

    What scoring on the test split takes does not count: a person who uses the system does not do it.

    Args:
        splits: The rows.
        path: The file.
        started: When the system's process was started, on the system's monotonic clock, which processes share.
    """

    def __init__(self, splits: Splits, path: Path, started: float) -> None:
        self.splits = splits
        self.path = path
        self.started = started
        self.paused = 0.0
        self.best = -1.0

    def offer(self, validation_f1: float, predict: Predict) -> None:
        """Note an answer, if it is the best so far on validation."""
        if validation_f1 <= self.best:
            return
        self.best = validation_f1
        stopped = time.monotonic()
        texts, targets = self.splits.test()
        predictions = predict(texts)
        line = {
            "seconds": round(stopped - self.started - self.paused, 2),
            "f1_macro": macro_f1(targets, predictions),
            "accuracy": float(accuracy_score(targets, predictions)),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.paused += time.monotonic() - stopped
