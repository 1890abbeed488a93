"""One text, one of several classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.errors import DataError


class TextClassification:
    """Binary and multi-class classification of single texts."""

    name = "text-classification"
    problem_type = "single_label_classification"
    forms: ClassVar = {
        "encoder": ("classify",),
        "decoder": ("classify", "label-words"),
        "encoder-decoder": ("classify", "label-words"),
    }
    families = ("encoder",)
    target_kind = "classes"
    metrics = ("f1_macro", "accuracy", "f1_weighted", "mcc")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "content", "review", "document", "utterance", "statement")
    }
    target = "label"
    target_guesses = ("label", "labels", "class", "category", "target", "sentiment", "intent")

    def parse_label(self, cell: Any) -> str:
        """A class name; whole numbers and booleans become their text."""
        if cell is None or cell != cell or not str(cell).strip():
            raise ValueError("the label is missing")
        if isinstance(cell, list | dict | np.ndarray):
            raise ValueError(f"expected one label, got {cell!r}")
        return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()

    def stratum(self, label: str) -> Hashable:
        """The class."""
        return label

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        """All classes; in numeric order if all are whole numbers, else alphabetically."""
        names = set(labels)
        return tuple(sorted(names, key=int if all(name.isdecimal() for name in names) else str))

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse one class only, a class with one example, and splits with unequal classes."""
        counts = Counter(train) + Counter(validation)
        if len(counts) < 2:
            raise DataError("There is only one class, so there is nothing to learn.", got=next(iter(counts)))
        single = sorted(label for label, count in counts.items() if count == 1)
        if single:
            raise DataError(
                "A class with one example cannot be both learned and validated.",
                got=", ".join(single[:8]),
                fix="Add examples of it, or remove it.",
            )
        for has, lacks, name, other in (
            (train, validation, "training", "validation"),
            (validation, train, "validation", "training"),
        ):
            extra = sorted(set(has) - set(lacks))
            if extra:
                raise DataError(
                    f"Classes of the {name} split are absent from the {other} split.",
                    got=", ".join(extra[:8]),
                    fix="Give splits with the same classes, or let the validation split be made.",
                )

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nothing beyond what all data is told."""
        return []

    def encode(self, labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """Class indices, shape (n,)."""
        index = {name: position for position, name in enumerate(names)}
        return np.asarray([index[label] for label in labels], dtype=np.int64)

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The text, and where its label begins."""
        return "", row["text"], "\nLabel:"

    def words(self, label: str) -> str:
        """The class name."""
        return label

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over classes."""
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """The class of the largest logit."""
        return np.asarray(logits.argmax(axis=1))

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[str]:
        """Class names."""
        return [names[index] for index in predictions]


TASK = TextClassification()
