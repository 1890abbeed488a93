"""One text, one of several classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.cells import MissingCellError, items_of, listed, name_of, shown, structure
from xautolm.errors import DataError
from xautolm.tasks.base import TaskDefaults

NO_LABEL_NUMBER = "-1"
"""How data sets of numbered classes write that nobody has labelled a row."""
IGNORED_NUMBER = "-100"
"""The class number that torch's losses pass over; no class has it."""
NO_LABEL = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "?"})
"""How data sets of named classes write it, for example SNLI where the annotators did not agree."""


class TextClassification(TaskDefaults):
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
    validates_every_class = True
    target_guesses = ("label", "labels", "class", "category", "target", "sentiment", "intent")

    def parse_label(self, cell: Any) -> str:
        """Return a class name; a list with one name is that name."""
        content = structure(cell)
        items = items_of(content)
        if items is None:
            return name_of(content)
        if not items:
            raise MissingCellError("the label is missing")
        if len(items) > 1:
            raise ValueError(f"expected one label, got {shown(items)}; rows with several are multilabel-classification")
        return name_of(items[0])

    def stand_ins(self, labels: Sequence[str], train: Sequence[str]) -> frozenset[str]:
        """Return -1 and -100 beside class numbers, as the hub and torch have them, and marks such as `-` beside words.

        In training, -1 beside 0 and 1 only may as well be the third of three opinions, so it stays a class.
        """
        names = set(labels)
        known = set(train) - NO_LABEL - {NO_LABEL_NUMBER, IGNORED_NUMBER}
        found = set()
        if known and all(name.isdecimal() for name in known):
            found = names & {IGNORED_NUMBER}
            counted = {str(number) for number in range(len(known))}
            is_strange = NO_LABEL_NUMBER not in set(train)
            if is_strange or (known == counted and len(known) > 2):
                found |= names & {NO_LABEL_NUMBER}
        elif known and all(any(map(str.isalnum, name)) for name in known):
            found = names & NO_LABEL
        return frozenset(found)

    def strata(self, labels: Sequence[str]) -> list[tuple[Hashable, ...]]:
        """Return the classes."""
        return [(label,) for label in labels]

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        """All classes; in numeric order if all are whole numbers, else alphabetically."""
        names = set(labels)
        return tuple(sorted(names, key=int if all(name.isdecimal() for name in names) else str))

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse one class only, a class with one example, and splits with unequal classes."""
        _refuse_absent(set(validation) - set(train), "validation", set(train), "training")
        counts = Counter(train) + Counter(validation)
        if len(counts) < 2:
            raise DataError("There is only one class, so there is nothing to learn.", got=repr(next(iter(counts))))
        single = sorted(label for label, count in counts.items() if count == 1)
        if single:
            raise DataError(
                "A class with one example cannot be both learned and validated.",
                got=listed(single),
                fix="Add examples of it, or remove it.",
            )
        _refuse_absent(set(train) - set(validation), "training", set(validation), "validation")

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


def _refuse_absent(extra: set[str], name: str, known: set[str], other: str) -> None:
    """Refuse classes that one split has and the other has not; both sides are shown."""
    if not extra:
        return
    raise DataError(
        f"Classes of the {name} split are absent from the {other} split.",
        got=f"{listed(sorted(extra))}; the {other} split has {listed(sorted(known))}",
        fix="Give splits with the same classes.",
    )


TASK = TextClassification()
