"""Rows and splits without labels, and labels that one split has and training has not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xautolm.cells import NAMES_SHOWN, is_missing, listed, quoted
from xautolm.data.columns import (
    Labelled,
    column_of,
    extract_labelled,
    is_present,
    option_of,
    with_usual_name,
)
from xautolm.data.needs import ClassesOf, Needs
from xautolm.data.source import NotedTable
from xautolm.errors import DataError, UsageError
from xautolm.vocabulary import Split, Unlabelled

SEPARATING = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
"""What may stand between the words of a label: blanks, underscores and hyphens."""
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]+)?")
"""A number that a float holds exactly enough to compare it: at most 15 digits before the point."""
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
"""Characters that nobody sees: of no width, marks of direction and of byte order, soft hyphens."""
TRAINING = f"{Split.TRAIN} split"
"""What messages call the split that is read first."""
LEAVE_OUT = f"--unlabelled {Unlabelled.DROP}"


class SplitReader:
    """Reads the label column of one split after the other, training first, and says what it leaves out.

    Args:
        needs: What the task demands; the last role is the label.
        columns: The column of each role.
        unlabelled: What becomes of rows without labels.

    Attributes:
        notes: What was left out, for people.
        train_labels: The labels of training; they decide what is no label elsewhere.
        train_columns: The keys of the names that training's columns have: none of them is the label under another name.

    Raises:
        UsageError: Rows without labels are to count as rows for which none is right, and the task has no such thing.
    """

    def __init__(self, needs: Needs, columns: Mapping[str, str], unlabelled: Unlabelled) -> None:
        self.can_be_empty = needs.empty_label is not None
        if unlabelled is Unlabelled.NONE and not self.can_be_empty:
            raise UsageError(
                "Every row of this task has a label, so an empty cell cannot mean that none is right.",
                got=f"--unlabelled {unlabelled}",
                fix=f"Say --unlabelled {Unlabelled.DROP} or --unlabelled {Unlabelled.ERROR}.",
            )
        self.needs = needs
        self.columns = columns
        self.unlabelled = unlabelled
        self.empty: object = needs.empty_label if unlabelled is Unlabelled.NONE else None
        self.train_labels: list[object] = []
        self.train_columns: frozenset[str] = frozenset()
        self.notes: list[str] = []

    @property
    def label_column(self) -> str:
        """Return the name of the label's column."""
        return self.columns[self.needs.target]

    def read(
        self, name: str, raw: pd.DataFrame, *, is_demanded: bool = False
    ) -> pd.DataFrame | None:
        """Return the rows of a split that have a label, under the roles' names; None if none has.

        Args:
            name: What a message calls it, such as `test split`.
            raw: As it was read.
            is_demanded: Whether nothing else can take its place, for the user gave this very split to choose by.

        Raises:
            DataError: No row of the training split or of a demanded one has a label, or a row has none and that was to
                be an error.
        """
        is_training = name == TRAINING
        if raw.empty:
            raise DataError(f"The {name} has no rows.")
        if is_training:
            self.train_columns = frozenset(_key(str(column)) for column in raw.columns)
        # Files of one data set may be headed differently: `Label` or `labels` in one, `label` in the other.
        raw = self._with_training_names(raw, name)
        if not is_training:
            absence = self._absence_of_labels(raw, name)
            if absence:
                self._leave_out(name, absence, is_demanded=is_demanded)
                return None
        rows = extract_labelled(raw, self.needs.roles, self.columns, name, empty=self.empty)
        rows = self._without_stand_ins(rows, is_training)
        missing = len(rows.unlabelled)
        if missing and self.unlabelled is Unlabelled.ERROR:
            raise self._unlabelled_error(rows, name)
        if rows.table.empty and is_training:
            option = option_of(self.needs.target)
            raise DataError(
                f"No row of the training split has a label in column {self.label_column!r}.",
                got=_first(rows),
                fix=f"Name the column that holds them with {option}, or give labelled rows.",
            )
        if rows.table.empty:
            absence = f"none of its {missing} rows has a label in column {self.label_column!r}"
            self._leave_out(name, absence, is_demanded=is_demanded)
            return None
        if missing:
            self._say_rows_left_out(name, rows, len(raw))
        if is_training:
            self.train_labels = list(rows.table[self.needs.target])
        return rows.table

    def _with_training_names(self, raw: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return a split whose columns are called as in training, where it has them under another usual name.

        Case and blanks may differ, too.
        """
        renamed: dict[str, str] = {}
        for role in self.needs.roles:
            column = self.columns[role.name]
            if is_present(raw, column, role):
                continue
            key = _key(column)
            twins = [twin for twin in raw.columns if _key(twin) == key]
            if not twins:
                # What training has as well, beside the column that it uses, is something else.
                usual = with_usual_name(raw, role)
                twins = [twin for twin in usual if _key(twin) not in self.train_columns]
            if role.name == self.needs.target:
                # A `category` of a split without labels is no label: by that it would be scored.
                twins = [twin for twin in twins if _singular(twin) == _singular(column)]
            # With two of them a guess could be wrong.
            if len(twins) != 1:
                continue
            twin = twins[0]
            renamed[twin] = column
            if _key(twin) != key:
                self.notes.append(f"{name}: column {twin!r} taken for {column!r}, which it lacks")
        return raw.rename(columns=renamed)

    def _absence_of_labels(self, raw: pd.DataFrame, name: str) -> str:
        """Return that a split has no label column, as `it has ...`; nothing if it has one.

        Raises:
            DataError: It has none, and that was to be an error.
        """
        label = self.needs.roles[-1]
        try:
            column_of(raw, self.label_column, label, name)
        except DataError as error:
            if self.unlabelled is Unlabelled.ERROR:
                raise
            first_line = str(error).partition("\n")[0]
            # The message without its subject, since a note begins with the split's name.
            reason = first_line.removeprefix(f"{name} has ")
            reason = reason.rstrip(".")
            columns = listed(list(map(str, raw.columns)))
            return f"it has {reason} (but {columns})"
        return ""

    def _without_stand_ins(self, rows: Labelled, is_training: bool) -> Labelled:
        """Return the rows whose label is not one that means "no label", such as -1."""
        # Where rows without labels count as rows with none, so does a stand-in for one.
        if self.empty is not None:
            return rows
        target = self.needs.target
        labels = list(rows.table[target])
        train_labels = labels if is_training else self.train_labels
        stand_ins = self.needs.stand_ins(labels, train_labels)
        if not stand_ins:
            return rows
        mean_nothing = [label in stand_ins for label in labels]
        is_stand_in = np.array(mean_nothing, dtype=bool)
        stand_in_cells = rows.table[target][is_stand_in]
        return Labelled(
            table=rows.table[~is_stand_in],
            unlabelled={**rows.unlabelled, **stand_in_cells.to_dict()},
            where=rows.where,
        )

    def _unlabelled_error(self, rows: Labelled, name: str) -> DataError:
        missing = len(rows.unlabelled)
        total = missing + len(rows.table)
        return DataError(
            f"{missing} of {total} rows of the {name} have no label.",
            got=f"{_first(rows)}, column {self.label_column!r}",
            fix=f"Label or remove them, or leave them out with {LEAVE_OUT}.",
        )

    def _say_rows_left_out(self, name: str, rows: Labelled, total: int) -> None:
        missing = len(rows.unlabelled)
        target = self.needs.target
        first = _first(rows)
        note = f"{missing} of {total} rows of the {name} left out: nothing in column "
        note += f"{self.label_column!r} says their {target} (first: {first})"
        if self.can_be_empty:
            note += f"; if none is right for them, say --unlabelled {Unlabelled.NONE}"
        self.notes.append(note)

    def _leave_out(self, name: str, absence: str, *, is_demanded: bool) -> None:
        """Note that a split is left out, for its labels are absent.

        Raises:
            DataError: The user gave it, and the search would choose by other rows.
        """
        if is_demanded:
            raise DataError(
                f"The {name} that was given has no labels.",
                got=absence,
                fix=f"Give its labels in column {self.label_column!r}, or do not give it.",
            )
        instead = "there will be no test score"
        if name.startswith(Split.VALIDATION):
            instead = "one is made"
        self.notes.append(f"{name} left out, {instead}: {absence}")


def _key(name: str) -> str:
    """Return what names of one column have in common, whatever their case and blanks around them."""
    return name.strip().casefold()


def _singular(name: str) -> str:
    """Return the key of a name without the sign of the plural: `label` for `Labels`."""
    return _key(name).removesuffix("s")


def _first(rows: Labelled) -> str:
    """Return where the first row without a label stands, and what is in its cell."""
    place, cell = next(iter(rows.unlabelled.items()))
    content = "nothing"
    if not is_missing(cell):
        content = quoted(cell)
    return f"{rows.where} {place} has {content}"


def refuse_other_spellings(split: str, names: Sequence[str], train_names: Sequence[str]) -> None:
    """Refuse labels that training has in another spelling: case, blanks, hyphens, invisible characters.

    Args:
        split: What a message calls the data that the labels are of.
        names: Its labels.
        train_names: The labels of training.

    Raises:
        DataError: There are some; both spellings are shown.
    """
    train_name_by_key: dict[str, str] = {}
    for name in train_names:
        key = spelling_key(name)
        train_name_by_key[key] = name
    pairs: list[str] = []
    for name in names:
        if name in train_names:
            continue
        key = spelling_key(name)
        twin = train_name_by_key.get(key)
        if twin is None:
            continue
        spelling = ascii_if_alike(name, twin)
        train_spelling = ascii_if_alike(twin, name)
        pairs.append(f"{spelling} where training has {train_spelling}")
    if pairs:
        raise DataError(
            f"Labels of the {split} are spelled otherwise than in training.",
            got="; ".join(pairs[:NAMES_SHOWN]),
            fix="Write them alike in both.",
        )


def similar_labels(names: Sequence[str]) -> list[str]:
    """Return notes on labels of one split that differ in spelling only: each is taken for a class of its own."""
    names_by_key: dict[str, list[str]] = {}
    for name in names:
        key = spelling_key(name)
        spellings_of_key = names_by_key.setdefault(key, [])
        spellings_of_key.append(name)
    groups: list[str] = []
    for spellings in names_by_key.values():
        if len(spellings) > 1:
            in_quotes = map(repr, spellings)
            groups.append(" and ".join(in_quotes))
    if not groups:
        return []
    first_groups = "; ".join(groups[:NAMES_SHOWN])
    return [f"labels that differ in spelling only are different classes: {first_groups}"]


def spelling_key(name: str) -> str:
    """Return what two spellings of one label have in common."""
    # NFKC makes one of letters that look alike, such as full-width ones and ligatures.
    normalized = unicodedata.normalize("NFKC", name)
    visible = INVISIBLE.sub("", normalized)
    spaced = SEPARATING.sub(" ", visible)
    key = spaced.strip().casefold()
    # `01`, `1` and `1.00` are one number.
    if NUMBER.fullmatch(key):
        return str(float(key))
    # A name of signs and invisible characters only is its own key.
    return key or name


def ascii_if_alike(name: str, twin: str) -> str:
    """Return a label in quotes, with escapes where it would look like the other one."""
    letters = unicodedata.normalize("NFKC", name)
    twin_letters = unicodedata.normalize("NFKC", twin)
    if letters == twin_letters or INVISIBLE.search(name + twin):
        return ascii(name)
    return repr(name)


def without_unknown(
    table: pd.DataFrame, target: str, labels_of: ClassesOf, train_names: Sequence[str]
) -> NotedTable:
    """Return the rows of a test split whose labels training has, and a note on the others.

    Raises:
        DataError: Labels are spelled otherwise than in training, or most rows have a label that training has not.
    """
    names = labels_of(list(table[target]))
    known_names = set(train_names)
    unknown = [name for name in names if name not in known_names]
    if not unknown:
        return table, []
    # A class in another spelling is a mistake to mend, and no unknown class.
    refuse_other_spellings("test split", names, train_names)
    unknown_names = set(unknown)
    is_usable: list[bool] = []
    for label in table[target]:
        names_of_row = labels_of([label])
        is_usable.append(unknown_names.isdisjoint(names_of_row))
    rest = table[is_usable]

    dropped = len(table) - len(rest)
    sides = f"{listed(unknown)}; training has {listed(train_names)}"
    # A score on less than half of a split would say little of the whole.
    if 2 * len(rest) < len(table):
        raise DataError(
            "Most rows of the test split have classes that training does not have.",
            got=f"{dropped} of {len(table)} rows: {sides}",
            fix="Give a test split with the classes of training, or training rows of those classes.",
        )
    note = f"{dropped} of {len(table)} rows of the test split left out, whose classes training has not: {sides}"
    return rest, [note]
