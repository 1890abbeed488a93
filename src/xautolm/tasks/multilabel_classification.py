"""One text, any number of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.cells import MissingCellError, is_empty, is_missing, items_of, listed, name_of, shown, structure, truth
from xautolm.errors import DataError
from xautolm.tasks.base import TaskDefaults

SEPARATOR = re.compile(r"[,;|]")
BRACKETED = re.compile(r"\[([^\[\]]*)\]|\{([^{}]*)\}")
"""A list without quotes, as some programs print it: `[billing, late]`; PostgreSQL has `{billing,late}`."""
QUOTES = "\"'"
OTHER_SEPARATORS = {r"\s": 2, "/": 1, r"\+": 1, "&": 1, "#": 1, "~": 1}
"""Signs that people also put between labels, and in how many different texts each must stand to be taken for one."""
VECTOR = re.compile(r"[01]( [01])+|[01]{3,}")
"""A 0/1 vector as a text without commas."""


class MultilabelClassification(TaskDefaults):
    """Each text has zero or more labels: a list, a mapping of names to 0 or 1, or text separated by comma, semicolon or
    bar."""

    name = "multilabel-classification"
    problem_type = "multi_label_classification"
    forms: ClassVar = {"encoder": ("classify",), "decoder": ("classify",), "encoder-decoder": ("classify",)}
    families = ("encoder",)
    target_kind = "classes"
    metrics = ("f1_macro", "f1_micro", "f1_weighted", "accuracy")
    inputs: ClassVar = {"text": ("text", "sentence", "content", "review", "document", "utterance", "statement")}
    target = "label"
    target_guesses = ("labels", "label", "classes", "categories", "tags", "topics", "cats")
    empty_label = ()
    joins_columns = True

    def parse_label(self, cell: Any) -> tuple[str, ...]:
        """Return the set of labels as a sorted tuple; an empty list or text means no label."""
        if is_missing(cell):
            raise MissingCellError("the labels are missing; an empty list or text means none")
        items = _label_items(cell)
        names = {name_of(item) for item in items if not is_empty(item)}
        if items and not names:
            raise MissingCellError("the labels are missing; an empty list or text means none")
        return tuple(sorted(names))

    def column_problem(self, cells: Sequence[Any]) -> str:
        """Return that a column holds 0/1 vectors, whose classes have no names, or several labels in one text."""
        present = [cell for cell in cells if not is_missing(cell)]
        joined = _joined_otherwise(present)
        if joined:
            return (
                f"seems to hold several labels in one text, for example {shown(joined)}, whose parts are labels, too.\n"
                "Separate labels by commas, or give lists, in which a label may hold any sign."
            )
        vectors = [_vector(cell) for cell in present]
        widths = {len(vector) for vector in vectors}
        if not vectors or not all(vectors) or len(widths) != 1:
            return ""
        return (
            f"holds 0/1 vectors without names, for example {shown(present[0])}.\nGive each row a list of its labels' "
            "names, or each class a column of 0 and 1, all of them named by --label name,name."
        )

    def stand_ins(self, labels: Sequence[tuple[str, ...]], train: Sequence[Any]) -> frozenset[tuple[str, ...]]:
        """Return the empty label where a whole split has no other and training has: nobody has labelled it."""
        is_unlabelled = not any(labels) and any(train)
        return frozenset({()} if is_unlabelled else ())

    def strata(self, labels: Sequence[tuple[str, ...]]) -> list[tuple[Hashable, ...]]:
        """Return the labels themselves, not their combination: most combinations are there once."""
        return list(labels)

    def labels_of(self, labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """All labels that occur, alphabetically."""
        return tuple(sorted({name for names in labels for name in names}))

    def check(self, train: Sequence[tuple[str, ...]], validation: Sequence[tuple[str, ...]]) -> None:
        """Refuse a single label, and labels that training never shows."""
        known = self.labels_of(train)
        unseen = sorted(set(self.labels_of(validation)) - set(known))
        if unseen:
            raise DataError(
                "Labels of the validation split are absent from the training split.",
                got=f"{listed(unseen)}; the training split has {listed(known)}",
                fix="Give splits with the same labels.",
            )
        if len(known) < 2:
            raise DataError("There are fewer than two labels.", got=", ".join(known) or "none")

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return which labels training shows once only."""
        counts = Counter(name for row in rows for name in row[self.target])
        single = sorted(name for name, count in counts.items() if count == 1)
        if not single:
            return []
        return [f"{len(single)} of {len(counts)} labels have one training example each: {listed(single)}"]

    def encode(self, labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
        """0/1 indicators, shape (n, classes)."""
        return np.asarray([[float(name in found) for name in names] for found in labels], dtype=np.float32)

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The text."""
        return "", row["text"], "\n"

    def words(self, label: tuple[str, ...]) -> str:
        """The class names."""
        return ", ".join(label)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each logit."""
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Labels with a probability above one half, as 0/1 indicators."""
        return (logits > 0).astype(np.int64)

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[list[str]]:
        """Lists of labels."""
        return [[name for name, chosen in zip(names, row, strict=True) if chosen] for row in predictions]


def _joined_otherwise(cells: Sequence[Any]) -> str:
    """Return a cell of a column whose texts list labels with another sign between; empty if they do not.

    They do if every part of the texts that hold the sign also stands alone in a cell. Blanks have to show themselves in
    several different texts: `new york` beside `new` and `york` may be a name.
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str)}
    if any(SEPARATOR.search(text) or BRACKETED.fullmatch(text) for text in texts):
        return ""
    for sign, fewest in OTHER_SEPARATORS.items():
        joined = sorted(text for text in texts if re.search(sign, text))
        parts = {part.strip() for text in joined for part in re.split(sign, text)}
        if len(joined) >= fewest and parts <= texts:
            return joined[0]
    return ""


def _label_items(cell: Any) -> list[Any]:
    """Return the labels in a cell as they are written, in order and with repetitions.

    Raises:
        ValueError: A mapping that does not say yes or no of each label.
        MissingCellError: A mapping that says of every label that it is not known.
    """
    content = structure(cell)
    if isinstance(content, Mapping):
        return _true_names(content)
    items = items_of(content)
    if items is not None:
        return items
    text = str(content)
    bracketed = BRACKETED.fullmatch(text.strip())
    if bracketed:
        text = bracketed[1] or bracketed[2] or ""
    parts = [part.strip() for part in SEPARATOR.split(text)]
    if bracketed:
        parts = [part.strip(QUOTES) for part in parts]
    if bracketed and "..." in text:
        raise ValueError(f"the list was cut when it was printed: {shown(cell)}")
    return [part for part in parts if part]


def _true_names(mapping: Mapping[Any, Any]) -> list[Any]:
    """Return the names that a mapping says yes of; a mapping with one list in it is that list."""
    values = list(mapping.values())
    if len(values) == 1 and items_of(values[0]) is not None:
        return items_of(values[0]) or []
    if values and all(is_missing(value) for value in values):
        raise MissingCellError("the labels are missing")
    return [name for name, value in mapping.items() if truth(value)]


def _vector(cell: Any) -> tuple[Any, ...]:
    """Return the numbers of a 0/1 vector, whatever holds it; nothing for anything else."""
    if isinstance(structure(cell), Mapping):
        return ()
    try:
        items = _label_items(cell)
    except ValueError:
        return ()
    if len(items) == 1 and isinstance(items[0], str) and VECTOR.fullmatch(items[0]):
        return tuple(items[0].replace(" ", ""))
    is_vector = len(items) > 1 and all(_is_bit(item) for item in items)
    return tuple(items) if is_vector else ()


def _is_bit(item: Any) -> bool:
    return str(item).strip() in {"0", "1", "0.0", "1.0", "True", "False"}


TASK = MultilabelClassification()
