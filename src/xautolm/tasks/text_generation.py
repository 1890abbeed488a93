"""A text to a text: summaries, translations, corrections, answers without a context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from xautolm.cells import MissingCellError, is_empty, is_missing, shown
from xautolm.errors import DataError
from xautolm.tasks.base import TaskDefaults


class TextGeneration(TaskDefaults):
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
        """Return a text that is not empty."""
        if is_empty(cell):
            raise MissingCellError(f"expected a target text, got {'nothing' if is_missing(cell) else repr(cell)}")
        if not isinstance(cell, str):
            raise ValueError(f"expected a target text, got {shown(cell)}")
        return cell.strip()

    def strata(self, labels: Sequence[str]) -> list[tuple[Hashable, ...]]:
        """Return whether each target is the commonest: all alike where targets differ, as they mostly do."""
        commonest, _ = Counter(labels).most_common(1)[0]
        return [(label == commonest,) for label in labels]

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        """None: targets are texts."""
        return ()

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse targets that are all the same."""
        if len(set(train)) < 2:
            raise DataError("All targets are the same, so there is nothing to learn.", got=repr(train[0])[:80])

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
