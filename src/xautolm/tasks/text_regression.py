"""One text, one number: ratings, scores, prices."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, SupportsFloat, cast

import numpy as np

from xautolm.cells import WORDS_FOR_NOTHING, MissingCellError, is_empty, is_missing, quoted
from xautolm.errors import DataError
from xautolm.tasks.base import Answers, BaseTask, Prompt, Row, Stratum
from xautolm.vocabulary import Architecture, TargetKind, Targets

NO_LABEL_NUMBER = -1.0
"""How data sets whose numbers begin at 0 write that nobody has labelled a row."""
SIGNS_FOR_NOTHING = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "?", "."})
"""Signs by which tables say that there is no number, besides words."""
POINT = re.compile(r"\d\.|\.\d")
"""A point in a number."""
WHOLE_NUMBER = re.compile(r"[+-]?\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
"""A number whose point may stand between thousands, as people write it in much of Europe and South America."""
FEWEST_THOUSANDS = 2
"""How many of them a column has at least: a single one may be an accident."""
MOST_RANGES = 5
"""Ranges of numbers that a split keeps in proportion: in a fifth held out of 100 rows, about four rows of each."""


class TextRegression(BaseTask[float]):
    """Models learn numbers in standard deviations from their mean; what is predicted is in the data's own units."""

    name = "text-regression"
    problem_type = Targets.NUMBERS
    forms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        Architecture.ENCODER: ("regress",),
        Architecture.DECODER: ("regress",),
        Architecture.ENCODER_DECODER: ("regress",),
    }
    families = (Architecture.ENCODER,)
    target_kind = TargetKind.NUMBERS
    metrics = ("spearman", "pearson", "mae", "rmse")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "content", "review", "document", "utterance", "statement")
    }
    target = "label"
    target_guesses = ("label", "score", "rating", "stars", "target", "value", "similarity")

    def parse_label(self, cell: object) -> float:
        """Return a finite number, or one that a text says."""
        if is_empty(cell):
            content = "nothing" if is_missing(cell) else repr(cell)
            raise MissingCellError(f"expected a number, got {content}")
        try:
            number = _as_float(cell)
        except (TypeError, ValueError, OverflowError):
            word = cell.strip().casefold() if isinstance(cell, str) else ""
            if word in WORDS_FOR_NOTHING or word in SIGNS_FOR_NOTHING:
                raise MissingCellError(f"expected a number, got {quoted(cell)}") from None
            raise ValueError(
                f"expected a number such as 3.5, without units or commas, got {quoted(cell)}"
            ) from None
        # Texts such as `nan` say that there is no number, as pandas writes them.
        if math.isnan(number):
            raise MissingCellError(f"expected a number, got {quoted(cell)}")
        is_truth_value = isinstance(cell, bool | np.bool_)
        if is_truth_value or not math.isfinite(number):
            raise ValueError(f"expected a number, got {quoted(cell)}")
        return number

    def column_problem(self, cells: Sequence[object]) -> str:
        """Return that the points of a column may stand between thousands or before decimals."""
        texts = [cell.strip() for cell in cells if isinstance(cell, str)]
        # A number for "no label" says nothing of the others.
        whole = [
            text
            for text in texts
            if WHOLE_NUMBER.fullmatch(text) and float(text) != NO_LABEL_NUMBER
        ]
        # Who writes thousands with a point writes all of them so.
        has_plain_thousands = any(abs(int(text)) >= 1_000 for text in whole)
        # Words for nothing, such as `n.a.`, have points too.
        with_point = [text for text in texts if POINT.search(text)]
        may_be_thousands = all(THOUSANDS.fullmatch(text) for text in with_point)
        # Where all numbers have a point, both readings are the same but for their unit.
        if len(with_point) < FEWEST_THOUSANDS or not whole or not may_be_thousands:
            return ""
        if has_plain_thousands:
            return ""
        example = with_point[0]
        without_point = example.replace(".", "")
        return (
            f"holds {quoted(example)} beside whole numbers, which may be {without_point} or {float(example):g}.\n"
            f"Write thousands without a point ({without_point}), or decimals with a digit more ({example}0)."
        )

    def stand_ins(self, labels: Sequence[float], train: Sequence[float]) -> frozenset[float]:
        """Return -1 where a split has nothing else and training has no number below 0."""
        lowest = min(train, default=0.0)
        # Where numbers may be negative, -1 is one of them.
        if lowest < 0:
            return frozenset()
        if set(labels) != {NO_LABEL_NUMBER}:
            return frozenset()
        return frozenset({NO_LABEL_NUMBER})

    def strata(self, labels: Sequence[float]) -> list[Stratum]:
        """Return ranges with about as many numbers each; a number that is very common has one of its own."""
        numbers = np.asarray(labels, dtype=float)
        # With two rows or more in a range, each side can have a number of each.
        pairs = len(numbers) // 2
        ranges = min(MOST_RANGES, max(2, pairs))
        inner_quantiles = np.arange(1, ranges) / ranges
        edges = np.quantile(numbers, inner_quantiles)
        # A number on an edge has fewer edges below it than edges not above it, so that the sum of both counts puts all
        # that lie on one edge, and no others, in a stratum of their own.
        edges_below = np.searchsorted(edges, numbers, side="left")
        edges_not_above = np.searchsorted(edges, numbers, side="right")
        codes = edges_below + edges_not_above
        strata: list[Stratum] = []
        for code in codes.tolist():
            strata.append((code,))
        return strata

    def check(self, train: Sequence[float], validation: Sequence[float]) -> None:
        """Refuse splits whose numbers are all the same."""
        for name, numbers in (("training", train), ("validation", validation)):
            distinct = set(numbers)
            if len(distinct) < 2:
                raise DataError(
                    f"All numbers of the {name} split are the same, so there is nothing to learn.",
                    got=f"{len(numbers)} times {numbers[0]:g} as {self.target}",
                    fix="Is it the right column? Name another one with --label, or give rows with other numbers.",
                )

    def encode(self, labels: Sequence[float], names: Sequence[str]) -> np.ndarray:
        """Return the numbers, shape (rows,)."""
        # In float64: of seconds since 1970, float32 tells those apart that lie two minutes from each other.
        return np.asarray(labels, dtype=np.float64)

    def parts(self, row: Row) -> Prompt:
        """Return the text, and where its number begins."""
        return Prompt("", row["text"], "\nScore:")

    def words(self, label: float) -> str:
        """Return the number."""
        # With all of its digits, so that the text says the same number.
        return repr(float(label))

    def predictions(self, answers: Answers) -> np.ndarray:
        """Return the numbers as they are, shape (rows,)."""
        numbers = np.asarray(answers)
        # Heads with one output answer in a column, shape (rows, 1).
        return numbers.reshape(-1)


def _as_float(cell: object) -> float:
    """Return the number that a cell is or says.

    Raises:
        TypeError: It is nothing of the kind.
        ValueError: A text that is no number, among them those that only Python reads as one, such as `1_000`.
        OverflowError: A whole number beyond all floats.
    """
    if isinstance(cell, str) and "_" in cell:
        raise ValueError("underscores between digits")
    return float(cast("SupportsFloat", cell))


TASK = TextRegression()
