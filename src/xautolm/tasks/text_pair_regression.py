"""Two texts, one number: how alike they are, how well an answer fits a question."""

from __future__ import annotations

from xautolm.tasks.base import Prompt, Row
from xautolm.tasks.text_pair_classification import TextPairClassification
from xautolm.tasks.text_regression import TextRegression


class TextPairRegression(TextRegression):
    """Regression on pairs of texts."""

    name = "text-pair-regression"
    inputs = TextPairClassification.inputs

    def parts(self, row: Row) -> Prompt:
        """Return the second text, which is never cut, and the first, which may be."""
        before = f"Second: {row['text_pair']}\nFirst: "
        return Prompt(before, row["text"], "\nScore:")


TASK = TextPairRegression()
