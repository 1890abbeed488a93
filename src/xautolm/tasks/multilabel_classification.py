"""One text, any number of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.errors import DataError

SEPARATOR = re.compile(r"[,;|]")


class MultilabelClassification:
    """Each text has zero or more labels: a list, or text separated by comma, semicolon or bar."""

    name = "multilabel-classification"
    problem_type = "multi_label_classification"
    forms: ClassVar = {"encoder": ("classify",), "decoder": ("classify",), "encoder-decoder": ("classify",)}
    families = ("encoder",)
    target_kind = "classes"
    metrics = ("f1_macro", "f1_micro", "f1_weighted", "accuracy")
    inputs: ClassVar = {"text": ("text", "sentence", "content", "review", "document", "utterance", "statement")}
    target = "label"
    target_guesses = ("labels", "label", "classes", "categories", "tags", "topics")

    def parse_label(self, cell: Any) -> tuple[str, ...]:
        """The set of labels as a sorted tuple; an empty cell means no label."""
        if isinstance(cell, list | tuple | np.ndarray):
            return tuple(sorted({str(item).strip() for item in cell}))
        if cell is None or cell != cell:
            raise ValueError("the labels are missing; an empty list or text means none")
        return tuple(sorted({part.strip() for part in SEPARATOR.split(str(cell)) if part.strip()}))

    def stratum(self, label: tuple[str, ...]) -> Hashable:
        """The set of labels."""
        return label

    def labels_of(self, labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """All labels that occur, alphabetically."""
        return tuple(sorted({name for names in labels for name in names}))

    def check(self, train: Sequence[tuple[str, ...]], validation: Sequence[tuple[str, ...]]) -> None:
        """Refuse a single label, a label with one example, and labels that training never shows."""
        counts = Counter(name for names in (*train, *validation) for name in names)
        if len(counts) < 2:
            raise DataError("There are fewer than two labels.", got=", ".join(counts) or "none")
        single = sorted(name for name, count in counts.items() if count == 1)
        if single:
            raise DataError("A label with one example cannot be learned.", got=", ".join(single[:8]))
        unseen = sorted(set(self.labels_of(validation)) - set(self.labels_of(train)))
        if unseen:
            raise DataError("Labels of the validation split are absent from training.", got=", ".join(unseen[:8]))

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nothing beyond what all data is told."""
        return []

    def encode(self, labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
        """0/1 indicators, shape (n, classes)."""
        return np.asarray([[float(name in found) for name in names] for found in labels], dtype=np.float32)

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The text."""
        return "", row["text"], "\n"

    def words(self, label: tuple[str, ...]) -> str:
        """The class names."""
        return ", ".join(label)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each logit."""
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Labels with a probability above one half, as 0/1 indicators."""
        return (logits > 0).astype(np.int64)

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[list[str]]:
        """Lists of labels."""
        return [[name for name, chosen in zip(names, row, strict=True) if chosen] for row in predictions]


TASK = MultilabelClassification()
