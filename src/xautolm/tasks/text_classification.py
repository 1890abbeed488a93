"""One text, one of several classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from xautolm.cells import (
    MissingCellError,
    items_of,
    listed,
    name_of,
    names_made_one,
    quoted,
    structure,
)
from xautolm.errors import DataError
from xautolm.printable import shortened
from xautolm.tasks.base import Answers, BaseClassification, Prompt, Row, Stratum
from xautolm.vocabulary import Architecture, Targets

IN_QUOTES = re.compile(r"'.*'|=?\".*\"", re.DOTALL)
"""A text in quotes; spreadsheets have some with a sign of equality before them."""
NO_LABEL_NUMBER = "-1"
"""How data sets of numbered classes write that nobody has labelled a row."""
IGNORED_NUMBER = "-100"
"""The class number that torch's losses pass over; no class has it."""
NO_LABEL = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "?"})
"""How data sets of named classes write it, for example SNLI where the annotators did not agree."""


class TextClassification(BaseClassification[str]):
    """Binary and multi-class classification of single texts."""

    name = "text-classification"
    problem_type = Targets.CLASSES
    forms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        Architecture.ENCODER: ("classify",),
        Architecture.DECODER: ("classify", "label-words"),
        Architecture.ENCODER_DECODER: ("classify", "label-words"),
    }
    families = (Architecture.ENCODER,)
    metrics = ("f1_macro", "accuracy", "f1_weighted", "mcc")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "content", "review", "document", "utterance", "statement")
    }
    target = "label"
    validates_every_class = True
    target_guesses = ("label", "labels", "class", "category", "target", "sentiment", "intent")

    def parse_label(self, cell: object) -> str:
        """Return a class name; a list with one name is that name."""
        content = structure(cell)
        items = items_of(content)
        if items is None:
            return name_of(content)
        if not items:
            raise MissingCellError("the label is missing")
        if len(items) > 1:
            raise ValueError(
                f"expected one label, got {quoted(items)}; rows with several are multilabel-classification"
            )
        return name_of(items[0])

    def column_problem(self, cells: Sequence[object]) -> str:
        """Return that texts would be one class though they are not written alike."""
        return numbers_problem(cells)

    def stand_ins(self, labels: Sequence[str], train: Sequence[str]) -> frozenset[str]:
        """Return -1 and -100 beside class numbers, as the hub and torch have it, and marks such as `-` beside words."""
        classes = set(train) - NO_LABEL - {NO_LABEL_NUMBER, IGNORED_NUMBER}
        if not classes:
            return frozenset()

        if _are_numbers(classes):
            marks = {IGNORED_NUMBER}
            if _marks_no_label(NO_LABEL_NUMBER, set(train), classes):
                marks.add(NO_LABEL_NUMBER)
            return frozenset(marks.intersection(labels))

        # Beside classes that are signs themselves, a dash or a question mark may be one too.
        are_words = all(_has_letters(name) for name in classes)
        if not are_words:
            return frozenset()
        return NO_LABEL.intersection(labels)

    def strata(self, labels: Sequence[str]) -> list[Stratum]:
        """Return the classes."""
        return [(label,) for label in labels]

    def labels_of(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return all classes; in numeric order if all are whole numbers, else alphabetically."""
        names = set(labels)
        # As texts, 10 would come before 2.
        order = int if _are_numbers(names) else str
        in_order = sorted(names, key=order)
        return tuple(in_order)

    def check(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Refuse one class only, a class with one example, and splits with unequal classes."""
        train_classes = set(train)
        validation_classes = set(validation)
        _refuse_absent(validation_classes, "validation", train_classes, "training")

        counts = Counter(train) + Counter(validation)
        if len(counts) < 2:
            raise DataError(
                "There is only one class, so there is nothing to learn.", got=quoted(train[0])
            )
        single = sorted(label for label, count in counts.items() if count == 1)
        if single:
            advice = "Add examples of it, or remove it."
            # Ids, dates, numbers and whole texts are hardly ever what somebody wants to be told.
            if len(single) > len(counts) / 2:
                advice = (
                    f"{len(single)} of {len(counts)} classes have one example: is it the right column? "
                    "Name another one with --label, or give more examples."
                )
            shown = [shortened(name) for name in single]
            raise DataError(
                "A class with one example cannot be both learned and validated.",
                got=listed(shown),
                fix=advice,
            )
        # After the check of single examples, whose message says more of the cause.
        _refuse_absent(train_classes, "training", validation_classes, "validation")

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return that all class names stand in quotes, if they do: few formats know others than double ones."""
        names = sorted({row[self.target] for row in rows})
        if not all(IN_QUOTES.fullmatch(name) for name in names):
            return []
        return [f"the quotes around every class are part of its name: {listed(names)}"]

    def encode(self, labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """Return class indices, shape (rows,)."""
        index_by_name = {}
        for index, name in enumerate(names):
            index_by_name[name] = index
        indices = [index_by_name[label] for label in labels]
        return np.asarray(indices, dtype=np.int64)

    def parts(self, row: Row) -> Prompt:
        """Return the text, and where its label begins."""
        return Prompt("", row["text"], "\nLabel:")

    def words(self, label: str) -> str:
        """Return the class name."""
        return label

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the softmax over classes."""
        from scipy.special import softmax

        return np.asarray(softmax(logits, axis=1))

    def predictions(self, answers: Answers) -> np.ndarray:
        """Return the index of the largest logit of each row."""
        logits = np.asarray(answers)
        return np.asarray(logits.argmax(axis=1))

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[str]:
        """Return class names."""
        decoded = []
        for index in predictions:
            decoded.append(names[index])
        return decoded


def numbers_problem(cells: Sequence[object]) -> str:
    """Return that two texts of a column would be one class, as `3` and `3.0` beside `3.10`; nothing if none would."""
    twins = names_made_one(cells)
    if not twins:
        return ""
    shown = " and ".join(map(quoted, twins))
    return (
        f"holds {shown}, which as numbers are one class.\n"
        f"Write them alike if they are; if not, as names that are no numbers, such as v{twins[0]}."
    )


def _marks_no_label(number: str, names: set[str], classes: set[str]) -> bool:
    """Return whether a number stands for "no label" beside classes that are numbers.

    Args:
        number: Of all names, the one in question.
        names: All labels of the training split.
        classes: Those of them that are classes without doubt.
    """
    if number not in names:
        # Other splits may have it; no class of that name was ever learned.
        return True
    first_numbers = {str(index) for index in range(len(classes))}
    are_counted = classes == first_numbers
    # Beside 0 and 1 only, -1 may as well be the third of three opinions.
    return are_counted and len(classes) > 2


def _are_numbers(names: set[str]) -> bool:
    return all(name.isdecimal() for name in names)


def _has_letters(name: str) -> bool:
    return any(character.isalnum() for character in name)


def _refuse_absent(
    classes: set[str], split: str, reference: set[str], reference_split: str
) -> None:
    """Refuse classes that one split has and a reference split has not; the message shows both sides."""
    absent = sorted(classes - reference)
    if not absent:
        return
    raise DataError(
        f"Classes of the {split} split are absent from the {reference_split} split.",
        got=f"{listed(absent)}; the {reference_split} split has {listed(sorted(reference))}",
        fix="Give splits with the same classes.",
    )


TASK = TextClassification()
