"""One text, one number: ratings, scores, prices."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.errors import DataError


class TextRegression:
    """Models learn numbers in standard deviations from their mean; what is predicted is in the data's own units."""

    name = "text-regression"
    problem_type = "regression"
    forms: ClassVar = {"encoder": ("regress",), "decoder": ("regress",), "encoder-decoder": ("regress",)}
    families = ("encoder",)
    target_kind = "numbers"
    metrics = ("spearman", "pearson")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "content", "review", "document", "utterance", "statement")
    }
    target = "label"
    target_guesses = ("label", "score", "rating", "stars", "target", "value", "similarity")

    def parse_label(self, cell: Any) -> float:
        """A finite number, or a text that says one."""
        try:
            number = float(cell)
        except (TypeError, ValueError):
            raise ValueError(f"expected a number, got {cell!r}") from None
        if isinstance(cell, bool) or not math.isfinite(number):
            raise ValueError(f"expected a number, got {cell!r}")
        return number

    def stratum(self, label: float) -> Hashable:
        """All alike."""
        return 0

    def labels_of(self, labels: Sequence[float]) -> tuple[str, ...]:
        """None: targets are numbers."""
        return ()

    def check(self, train: Sequence[float], validation: Sequence[float]) -> None:
        """Refuse splits whose numbers are all the same."""
        for name, numbers in (("training", train), ("validation", validation)):
            if len(set(numbers)) < 2:
                raise DataError(f"All numbers of the {name} split are the same.", got=numbers[0])

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nothing beyond what all data is told."""
        return []

    def encode(self, labels: Sequence[float], names: Sequence[str]) -> np.ndarray:
        """The numbers, shape (n,)."""
        return np.asarray(labels, dtype=np.float32)

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The text."""
        return "", row["text"], "\nScore:"

    def words(self, label: float) -> str:
        """The number."""
        return repr(float(label))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """The numbers as they are, shape (n,)."""
        return np.asarray(logits).reshape(-1)


TASK = TextRegression()
