"""Two texts, one number: how alike they are, how well an answer fits a question."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm.tasks.text_pair_classification import TextPairClassification
from xautolm.tasks.text_regression import TextRegression


class TextPairRegression(TextRegression):
    """Regression on pairs of texts."""

    name = "text-pair-regression"
    inputs = TextPairClassification.inputs

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The second text is never cut, the first may be."""
        return f"Second: {row['text_pair']}\nFirst: ", row["text"], "\nScore:"


TASK = TextPairRegression()
