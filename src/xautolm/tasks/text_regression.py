"""One text, one number: ratings, scores, prices."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.cells import MissingCellError, is_empty, is_missing, shown
from xautolm.errors import DataError
from xautolm.tasks.base import TaskDefaults

NO_LABEL_NUMBER = -1.0
"""How data sets whose numbers begin at 0 write that nobody has labelled a row."""
MOST_RANGES = 5
"""Ranges of numbers that a split keeps in proportion: in a fifth held out of 100 rows, about four rows of each."""


class TextRegression(TaskDefaults):
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
        """Return a finite number, or one that a text says."""
        if is_empty(cell):
            raise MissingCellError(f"expected a number, got {'nothing' if is_missing(cell) else repr(cell)}")
        try:
            number = float(cell)
        except (TypeError, ValueError):
            raise ValueError(f"expected a number such as 3.5, without units or commas, got {shown(cell)}") from None
        # Texts such as `nan` say that there is no number, as pandas writes them.
        if number != number:
            raise MissingCellError(f"expected a number, got {shown(cell)}")
        if isinstance(cell, bool | np.bool_) or not math.isfinite(number):
            raise ValueError(f"expected a number, got {shown(cell)}")
        return number

    def stand_ins(self, labels: Sequence[float], train: Sequence[float]) -> frozenset[float]:
        """Return -1 where a split has nothing else and training has no number below 0."""
        is_strange = set(labels) == {NO_LABEL_NUMBER} and min(train, default=0.0) >= 0
        return frozenset({NO_LABEL_NUMBER} if is_strange else ())

    def strata(self, labels: Sequence[float]) -> list[tuple[Hashable, ...]]:
        """Return ranges with about as many numbers each; a number that is very common has one of its own."""
        numbers = np.asarray(labels, dtype=float)
        # With two rows or more in a range, each side can have a number of each.
        ranges = min(MOST_RANGES, max(2, len(numbers) // 2))
        edges = np.quantile(numbers, np.arange(1, ranges) / ranges)
        below = np.searchsorted(edges, numbers, side="left")
        not_above = np.searchsorted(edges, numbers, side="right")
        return [(int(low + high),) for low, high in zip(below, not_above, strict=True)]

    def labels_of(self, labels: Sequence[float]) -> tuple[str, ...]:
        """None: targets are numbers."""
        return ()

    def check(self, train: Sequence[float], validation: Sequence[float]) -> None:
        """Refuse splits whose numbers are all the same."""
        for name, numbers in (("training", train), ("validation", validation)):
            if len(set(numbers)) < 2:
                raise DataError(
                    f"All numbers of the {name} split are the same, so there is nothing to learn.",
                    got=f"{len(numbers)} times {numbers[0]:g} as {self.target}",
                    fix="Is it the right column? Name another one with --label, or give rows with other numbers.",
                )

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
