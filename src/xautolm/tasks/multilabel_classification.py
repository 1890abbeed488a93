"""One text, any number of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import compress
from typing import ClassVar, TypeAlias

import numpy as np

from xautolm.cells import (
    MissingCellError,
    is_empty,
    is_missing,
    items_of,
    listed,
    name_of,
    quoted,
    structure,
    truth,
)
from xautolm.errors import DataError
from xautolm.printable import shortened
from xautolm.tasks.base import Answers, BaseClassification, Prompt, Row, Stratum
from xautolm.tasks.text_classification import IGNORED_NUMBER, NO_LABEL_NUMBER, numbers_problem
from xautolm.vocabulary import Architecture, Targets

SEPARATORS = "|;,"
"""Signs between labels; in a text with several of them, the first here separates, and the others are part of names."""
BRACKETED = re.compile(r"\[([^\[\]]*)\]|\{([^{}]*)\}|\(([^()]*[,;|][^()]*)\)")
"""A list without quotes, as some programs print it: `[billing, late]`; PostgreSQL has `{billing,late}`. In parentheses
it needs a separator: `(other)` is a name."""
OPENED = re.compile(r"[\[{(]\s*[\"']")
"""How a list of labels in quotes begins."""
QUOTED = r"(?:\"[^\"]*\"|'[^']*')"
QUOTED_LABEL = re.compile(QUOTED)
QUOTED_PART = re.compile(rf"(?:^|(?<=[,;|]))\s*{QUOTED}\s*(?=[,;|]|$)")
"""A label in quotes, in which any sign may stand; quotes inside a name are no such quotes."""
OTHER_SEPARATORS = {r"\s": 2, "/": 1, r"\+": 1, "&": 1, "#": 1, "~": 1}
"""Signs that people also put between labels, and in how many different texts each must stand to be taken for one."""
NO_LABEL_NUMBERS = frozenset({NO_LABEL_NUMBER, IGNORED_NUMBER})
"""How data sets of numbered classes write that nobody has labelled a row."""
USUAL_WIDTH_SHARE = 0.9
"""Share of lists that have the same length where they are vectors: a few may be damaged."""
VECTOR = re.compile(r"[01]( [01])+|[01]{3,}")
"""A 0/1 vector as a text without commas."""

LabelSet: TypeAlias = tuple[str, ...]
"""The labels of one row, sorted; empty where it has none."""


class MultilabelClassification(BaseClassification[LabelSet]):
    """Each text has zero or more labels: a list, a mapping of names to 0 or 1, or text separated by comma, semicolon or
    bar.

    Where a text has semicolons or bars, its commas are part of names; what stands in quotes is one label.
    """

    name = "multilabel-classification"
    problem_type = Targets.INDICATORS
    forms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        Architecture.ENCODER: ("classify",),
        Architecture.DECODER: ("classify",),
        Architecture.ENCODER_DECODER: ("classify",),
    }
    families = (Architecture.ENCODER,)
    metrics = ("f1_macro", "f1_micro", "f1_weighted", "accuracy")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "content", "review", "document", "utterance", "statement")
    }
    target = "label"
    target_guesses = ("labels", "label", "classes", "categories", "tags", "topics", "cats")
    empty_label = ()
    joins_columns = True

    def parse_label(self, cell: object) -> LabelSet:
        """Return the set of labels as a sorted tuple; an empty list or text means no label."""
        if is_missing(cell):
            raise MissingCellError("the labels are missing; an empty list or text means none")
        items = _label_items(cell)
        names = {name_of(item) for item in items if not is_empty(item)}
        if items and not names:
            raise MissingCellError("the labels are missing; an empty list or text means none")
        return tuple(sorted(names))

    def column_problem(self, cells: Sequence[object]) -> str:
        """Return that a column holds vectors, whose classes have no names, or labels whose ends cannot be known."""
        present = [cell for cell in cells if not is_missing(cell)]
        doubtful = _doubtful_separators(present)
        if doubtful:
            shown = " and ".join(map(quoted, doubtful))
            return (
                f"separates labels by different signs, for example {shown}.\n"
                "Use one sign in every row, put labels that hold a sign in quotes, or give lists."
            )
        joined = _joined_otherwise(present)
        if joined:
            return (
                f"seems to hold several labels in one text, for example {quoted(joined)}, "
                "whose parts are labels, too.\n"
                "Separate labels by commas, or give lists, in which a label may hold any sign."
            )
        vectors = [_vector(cell) for cell in present]
        widths = {len(vector) for vector in vectors}
        are_all_vectors = bool(vectors) and all(vectors)
        kind = ""
        if are_all_vectors and len(widths) == 1:
            kind = "0/1 vectors"
        elif _are_vectors_of_numbers(present):
            kind = "vectors of numbers"
        if not kind:
            labels = [item for items in _lists_in(present) for item in items]
            return numbers_problem(labels)
        return (
            f"holds {kind} without names, for example {quoted(present[0])}.\nGive each row a list of its labels' "
            "names, without anything that fills it up, or each class a column of 0 and 1, all of them named by "
            "--label name,name."
        )

    def stand_ins(
        self, labels: Sequence[LabelSet], train: Sequence[LabelSet]
    ) -> frozenset[LabelSet]:
        """Return -1 and -100 by themselves beside class numbers, besides the empty label of a split without labels."""
        marks = super().stand_ins(labels, train)
        classes = {name for label in train for name in label} - NO_LABEL_NUMBERS
        # Beside one or two classes, -1 may as well be one of several opinions.
        are_numbered = len(classes) > 2 and all(name.isdecimal() for name in classes)
        if not are_numbered:
            return marks
        alone = {(number,) for number in NO_LABEL_NUMBERS}
        return marks | alone.intersection(labels)

    def strata(self, labels: Sequence[LabelSet]) -> list[Stratum]:
        """Return the labels themselves, not their combination: most combinations are there once."""
        return list(labels)

    def labels_of(self, labels: Sequence[LabelSet]) -> tuple[str, ...]:
        """Return all labels that occur, alphabetically."""
        names: set[str] = set()
        for label in labels:
            names.update(label)
        return tuple(sorted(names))

    def check(self, train: Sequence[LabelSet], validation: Sequence[LabelSet]) -> None:
        """Refuse a single label, and labels that training never shows."""
        train_names = self.labels_of(train)
        validation_names = self.labels_of(validation)
        absent = sorted(set(validation_names) - set(train_names))
        if absent:
            raise DataError(
                "Labels of the validation split are absent from the training split.",
                got=f"{listed(absent)}; the training split has {listed(train_names)}",
                fix="Give splits with the same labels.",
            )
        if len(train_names) < 2:
            shown = [shortened(name) for name in train_names]
            raise DataError("There are fewer than two labels.", got=", ".join(shown) or "none")

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return which labels training shows once only, and that no row has several, if so."""
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(row[self.target])
        single = []
        for name, count in counts.items():
            if count == 1:
                single.append(name)
        notes = []
        largest = max((len(row[self.target]) for row in rows), default=0)
        if largest == 1:
            # A sign that is not known to separate labels would make one of several.
            longest = max(counts, key=len)
            notes.append(
                f"no row has more than one label, the longest is {quoted(longest)}: "
                "labels in one text are told apart by commas, semicolons and bars only"
            )
        if not single:
            return notes
        share = f"{len(single)} of {len(counts)} labels"
        names = listed(sorted(single))
        return [*notes, f"{share} have one training example each: {names}"]

    def encode(self, labels: Sequence[LabelSet], names: Sequence[str]) -> np.ndarray:
        """Return 0/1 indicators, shape (rows, classes)."""
        columns = {}
        for column, name in enumerate(names):
            columns[name] = column
        shape = len(labels), len(names)
        indicators = np.zeros(shape, dtype=np.float32)
        for row, label in enumerate(labels):
            for name in label:
                # A label that training never showed has no column: no model can answer it.
                if name in columns:
                    column = columns[name]
                    indicators[row, column] = 1.0
        return indicators

    def parts(self, row: Row) -> Prompt:
        """Return the text."""
        return Prompt("", row["text"], "\n")

    def words(self, label: LabelSet) -> str:
        """Return the class names."""
        return ", ".join(label)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the sigmoid of each logit."""
        from scipy.special import expit

        return np.asarray(expit(logits))

    def predictions(self, answers: Answers) -> np.ndarray:
        """Return labels with a probability above one half, which is a logit above 0, as 0/1 indicators."""
        logits = np.asarray(answers)
        return (logits > 0).astype(np.int64)

    def decode(self, predictions: np.ndarray, names: Sequence[str]) -> list[list[str]]:
        """Return the list of each row's labels."""
        decoded = []
        for indicators in predictions:
            label = list(compress(names, indicators))
            decoded.append(label)
        return decoded


def _joined_otherwise(cells: Sequence[object]) -> str:
    """Return a cell of a column whose texts list labels with another sign between; empty if they do not.

    They do if every part of the texts that hold the sign also stands alone in a cell. Blanks have to show themselves in
    several different texts: `new york` beside `new` and `york` may be a name.
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str)}
    for text in texts:
        is_list = _separator(text) or BRACKETED.fullmatch(text)
        if is_list:
            # A column that lists labels in a way that is understood uses other signs inside of them.
            return ""

    for sign, fewest in OTHER_SEPARATORS.items():
        # Sorted, so that a message always shows the same example.
        joined = sorted(text for text in texts if re.search(sign, text))
        parts: set[str] = set()
        for text in joined:
            pieces = re.split(sign, text)
            parts.update(piece.strip() for piece in pieces)
        if len(joined) >= fewest and parts <= texts:
            return joined[0]
    return ""


def _label_items(cell: object) -> list[object]:
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
        # In a list or an array, a label may hold any sign.
        return items
    return _split(_text_of_labels(str(content)))


def _text_of_labels(text: str) -> str:
    """Return a text that lists labels, without brackets around it.

    Raises:
        ValueError: A list that is not whole.
    """
    bracketed = BRACKETED.fullmatch(text.strip())
    if bracketed is None:
        if OPENED.match(text):
            raise ValueError(f"expected labels, got a list that cannot be read: {quoted(text)}")
        return text
    inside = bracketed[1] or bracketed[2] or bracketed[3] or ""
    # pandas and NumPy print long lists with dots in the middle.
    if "..." in inside:
        raise ValueError(f"the list was cut when it was printed: {quoted(text)}")
    return inside


def _separator(text: str) -> str:
    """Return the sign that separates labels in a text; empty if it holds one label."""
    outside_quotes = QUOTED_PART.sub("", text)
    for sign in SEPARATORS:
        if sign in outside_quotes:
            return sign
    return ""


def _split(text: str) -> list[object]:
    """Return the labels in a text, without the quotes around them."""
    parts = [text]
    separator = _separator(text)
    if separator:
        sign = re.escape(separator)
        # In quotes up to the next sign, or else whatever is before it.
        parts = re.findall(rf"\s*{QUOTED}\s*(?={sign}|$)|[^{sign}]+", text)
    labels: list[object] = []
    for part in parts:
        label = part.strip()
        if QUOTED_LABEL.fullmatch(label):
            label = label[1:-1].strip()
        if label:
            labels.append(label)
    return labels


def _doubtful_separators(cells: Sequence[object]) -> list[str]:
    """Return two texts of a column that are separated by different signs, if the weaker sign may be part of a name.

    The comma of a text separates labels for sure if each of its parts is a label elsewhere, without that comma.
    """
    texts_by_sign: dict[str, list[str]] = {}
    for cell in cells:
        # Lists and mappings say themselves where a label ends.
        if not isinstance(cell, str) or structure(cell) is not cell:
            continue
        # What is not whole is refused by its line.
        with suppress(ValueError):
            text = _text_of_labels(cell)
            texts_by_sign.setdefault(_separator(text), []).append(text)
    glued = _glued_text(texts_by_sign)
    if glued:
        return [glued]
    signs = [sign for sign in SEPARATORS if sign in texts_by_sign]
    if len(signs) < 2:
        return []

    strongest, *weaker = signs
    # Under no sign are texts of one label.
    sure_texts = [*texts_by_sign.get("", []), *texts_by_sign[strongest]]
    sure_labels = {label for text in sure_texts for label in _split(text)}
    for sign in weaker:
        for text in texts_by_sign[sign]:
            if not sure_labels.issuperset(_split(text)):
                return [texts_by_sign[strongest][0], text]
    return []


def _glued_text(texts_by_sign: Mapping[str, Sequence[str]]) -> str:
    """Return a text with a label in which another label stands behind a weaker sign; empty if there is none.

    In `R&amp;D, Sales` a semicolon stands by accident, if `Sales` is a label elsewhere.
    """
    labels: Counter[object] = Counter()
    for texts in texts_by_sign.values():
        for text in texts:
            labels.update(_split(text))
    for texts in texts_by_sign.values():
        for text in texts:
            for label in _split(text):
                parts = _split(str(label))
                if len(parts) > 1 and any(part in labels for part in parts):
                    return text
    return ""


def _true_names(mapping: Mapping[object, object]) -> list[object]:
    """Return the names that a mapping says yes of; a mapping with one list in it is that list."""
    values = list(mapping.values())
    if len(values) == 1:
        items = items_of(values[0])
        if items is not None:
            return items

    are_missing = [is_missing(value) for value in values]
    if values and all(are_missing):
        raise MissingCellError("the labels are missing")

    names = []
    for name, value in mapping.items():
        if truth(value):
            names.append(name)
    return names


def _vector(cell: object) -> tuple[object, ...]:
    """Return the numbers of a 0/1 vector, whatever holds it; nothing for anything else."""
    if isinstance(structure(cell), Mapping):
        return ()
    try:
        items = _label_items(cell)
    except ValueError:
        return ()
    if len(items) > 1:
        is_vector = all(_is_bit(item) for item in items)
        return tuple(items) if is_vector else ()
    # A text without separators is a single item, which may be a whole vector.
    for item in items:
        if isinstance(item, str) and VECTOR.fullmatch(item):
            return tuple(item.replace(" ", ""))
    return ()


def _are_vectors_of_numbers(cells: Sequence[object]) -> bool:
    """Return whether nearly all cells that are not empty say something of each class in turn: 1 or -1, a probability,
    how many annotators chose it; or list class numbers, filled up to one length by -1.

    A list of a row's labels has none twice, and no fraction.
    """
    lists = _lists_in(cells)
    if not lists or not _have_one_width(lists):
        return False
    # Lists of different lengths that stand in one array are filled up by what says nothing.
    filled = [[item for item in items if not is_empty(item)] for items in lists]
    values = [item for items in filled for item in items]
    numbers = [_number(value) for value in values]
    if None in numbers:
        return False
    says_yes_or_no = {-1, 0, 1}.issuperset(numbers)
    # In a text, what looks like a fraction may be the name of a version.
    has_fraction = any(isinstance(value, float) and not value.is_integer() for value in values)
    repeating = [items for items in filled if len(set(map(str, items))) < len(items)]
    return says_yes_or_no or has_fraction or len(repeating) >= len(lists) / 2


def _lists_in(cells: Sequence[object]) -> list[list[object]]:
    """Return the items of each cell that has any; nothing at all where a cell is a mapping, or cannot be read."""
    lists: list[list[object]] = []
    for cell in cells:
        if isinstance(structure(cell), Mapping):
            return []
        try:
            items = _label_items(cell)
        except ValueError:
            return []
        if items:
            lists.append(items)
    return lists


def _have_one_width(lists: Sequence[Sequence[object]]) -> bool:
    """Return whether nearly all lists have the same length, of more than one item."""
    widths = Counter(map(len, lists))
    ((width, count),) = widths.most_common(1)
    return width > 1 and count >= USUAL_WIDTH_SHARE * len(lists)


def _number(item: object) -> float | None:
    """Return a number, or 1 or 0 for yes or no; None for a name."""
    with suppress(ValueError):
        return float(str(item))
    with suppress(ValueError):
        return float(truth(item))
    return None


def _is_bit(item: object) -> bool:
    return str(item).strip() in {"0", "1", "0.0", "1.0", "True", "False"}


TASK = MultilabelClassification()
