"""A text to a text: summaries, translations, corrections, answers without a context."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from xautolm.errors import DataError


class TextGeneration:
    """One prompt, one target text."""

    name = "text-generation"
    problem_type = ""
    forms: ClassVar = {"decoder": ("generate",), "encoder-decoder": ("generate",)}
    families = ("decoder", "encoder-decoder")
    target_kind = "texts"
    metrics = ("rouge_l", "token_f1", "exact_match", "chrf")
    inputs: ClassVar = {"text": ("text", "prompt", "input", "source", "document", "article", "instruction")}
    target = "target"
    target_guesses = ("target", "completion", "output", "summary", "response", "highlights", "translation")

    def parse_label(self, cell: Any) -> str:
        """A text that is not empty."""
        if not isinstance(cell, str) or not cell.strip():
            raise ValueError(f"expected a target text, got {cell!r}")
        return cell.strip()

    def stratum(self, label: str) -> Hashable:
        """All alike."""
        return 0

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        """None: targets are texts."""
        return ()

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse targets that are all the same."""
        if len(set(train)) < 2:
            raise DataError("All targets are the same, so there is nothing to learn.", got=repr(train[0])[:80])

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nothing beyond what all data is told."""
        return []

    def encode(self, labels: Sequence[str], names: Sequence[str]) -> Sequence[Any]:
        """Each target as the only reference."""
        return [(label,) for label in labels]

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The prompt, which may be cut, and where the target begins."""
        return "", row["text"], "\n\n"

    def words(self, label: str) -> str:
        """The target."""
        return label


TASK = TextGeneration()
