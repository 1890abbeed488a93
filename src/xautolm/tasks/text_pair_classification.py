"""Two texts, one of several classes: entailment, paraphrase, whether an answer fits a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from xautolm.tasks.base import Prompt, Row
from xautolm.tasks.text_classification import TextClassification


class TextPairClassification(TextClassification):
    """Binary and multi-class classification of pairs of texts."""

    name = "text-pair-classification"
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence1", "premise", "question1", "question", "text1"),
        "text_pair": (
            "text_pair",
            "sentence2",
            "hypothesis",
            "question2",
            "sentence",
            "answer",
            "text2",
        ),
    }

    def parts(self, row: Row) -> Prompt:
        """Return the second text, which is never cut, and the first, which may be."""
        before = f"Second: {row['text_pair']}\nFirst: "
        return Prompt(before, row["text"], "\nLabel:")


TASK = TextPairClassification()
