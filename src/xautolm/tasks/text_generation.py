"""A text to a text: summaries, translations, corrections, answers without a context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xautolm.cells import MissingCellError, is_empty, is_missing, quoted
from xautolm.errors import DataError
from xautolm.tasks.base import BaseTask, Prompt, Row, Stratum
from xautolm.vocabulary import Architecture, TargetKind


class TextGeneration(BaseTask[str]):
    """One prompt, one target text."""

    name = "text-generation"
    forms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        Architecture.DECODER: ("generate",),
        Architecture.ENCODER_DECODER: ("generate",),
    }
    families = (Architecture.DECODER, Architecture.ENCODER_DECODER)
    target_kind = TargetKind.TEXTS
    metrics = ("rouge_l", "token_f1", "exact_match", "chrf")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "prompt", "input", "source", "document", "article", "instruction")
    }
    target = "target"
    target_guesses = (
        "target",
        "completion",
        "output",
        "summary",
        "response",
        "highlights",
        "translation",
    )

    def parse_label(self, cell: object) -> str:
        """Return a text that is not empty."""
        if is_empty(cell):
            content = "nothing" if is_missing(cell) else repr(cell)
            raise MissingCellError(f"expected a target text, got {content}")
        if not isinstance(cell, str):
            raise ValueError(f"expected a target text, got {quoted(cell)}")
        return cell.strip()

    def strata(self, labels: Sequence[str]) -> list[Stratum]:
        """Return whether each target is the commonest: all alike where targets differ, as they mostly do."""
        counts = Counter(labels)
        # A stratum for each target would hold most of them back from validation, where each occurs once.
        commonest, _ = counts.most_common(1)[0]
        strata: list[Stratum] = []
        for label in labels:
            is_commonest = label == commonest
            strata.append((is_commonest,))
        return strata

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse targets that are all the same."""
        distinct = set(train)
        if len(distinct) < 2:
            beginning = repr(train[0])[:80]

            raise DataError(
                "All targets are the same, so there is nothing to learn.", got=beginning
            )

    def encode(self, labels: Sequence[str], names: Sequence[str]) -> Sequence[tuple[str, ...]]:
        """Return each target as the only reference of its row."""
        references: list[tuple[str, ...]] = []
        for label in labels:
            references.append((label,))
        return references

    def parts(self, row: Row) -> Prompt:
        """Return the prompt, which may be cut, and where the target begins."""
        return Prompt("", row["text"], "\n\n")

    def words(self, label: str) -> str:
        """Return the target."""
        return label


TASK = TextGeneration()
