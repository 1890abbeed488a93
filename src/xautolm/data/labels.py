"""Rows and splits without labels, and labels that one split has and training has not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from xautolm.cells import NAMES_SHOWN, is_missing, listed, shown
from xautolm.data.columns import Labelled, Role, column_of, extract_labelled
from xautolm.errors import DataError, UsageError
from xautolm.vocabulary import Unlabelled

SEPARATING = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]+)?")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
TRAINING = "train split"
"""What messages call the split that is read first."""
LEAVE_OUT = f"--unlabelled {Unlabelled.DROP}"


class SplitReader:
    """Reads the label column of one split after the other, training first, and says what it leaves out.

    Args:
        roles: What the task needs; the last is the label.
        chosen: The column of each role.
        stand_ins: The task's labels that mean that there is none.
        unlabelled: What becomes of rows without labels.
        empty_label: The label of rows for which none is right; None: the task has no such thing.

    Attributes:
        notes: What was left out, for people.
        train_labels: The labels of training; they decide what is no label elsewhere.

    Raises:
        UsageError: Rows without labels are to count as rows for which none is right, and the task has no such thing.
    """

    def __init__(
        self,
        *,
        roles: Sequence[Role],
        chosen: Mapping[str, str],
        stand_ins: Callable[[Sequence[Any], Sequence[Any]], Collection[Any]],
        unlabelled: Unlabelled,
        empty_label: Any,
    ) -> None:
        if unlabelled is Unlabelled.NONE and empty_label is None:
            raise UsageError(
                "Every row of this task has a label, so an empty cell cannot mean that none is right.",
                got=f"--unlabelled {unlabelled}",
                fix=f"Say --unlabelled {Unlabelled.DROP} or --unlabelled {Unlabelled.ERROR}.",
            )
        self.roles = roles
        self.chosen = chosen
        self.stand_ins = stand_ins
        self.unlabelled = unlabelled
        self.can_be_empty = empty_label is not None
        self.empty = empty_label if unlabelled is Unlabelled.NONE else None
        self.train_labels: list[Any] = []
        self.notes: list[str] = []

    @property
    def label_column(self) -> str:
        """The name of the label's column."""
        return self.chosen[self.roles[-1].name]

    def read(self, name: str, raw: pd.DataFrame) -> pd.DataFrame | None:
        """Return the rows of a split that have a label, under the roles' names; None if none has.

        Args:
            name: What a message calls it, such as `test split`.
            raw: As it was read.

        Raises:
            DataError: No row of the training split has a label, or one has none and that was to be an error.
        """
        is_training = name == TRAINING
        if raw.empty:
            raise DataError(f"The {name} has no rows.")
        raw = self._with_chosen_names(raw)
        if not is_training and not self._has_labels(raw, name):
            return None
        rows = extract_labelled(raw, self.roles, self.chosen, name, empty=self.empty)
        rows = self._without_stand_ins(rows, is_training)
        missing = len(rows.unlabelled)
        if missing:
            self._refuse(rows, name)
        if rows.table.empty and is_training:
            raise DataError(
                f"No row of the training split has a label in column {self.label_column!r}.",
                got=_first(rows),
                fix="Name the column that holds them with --label, or give labelled rows.",
            )
        if rows.table.empty:
            self._say_left_out(name, f"none of its {missing} rows has a label in column {self.label_column!r}")
            return None
        if missing:
            note = f"{missing} of {len(raw)} rows of the {name} left out: nothing in column {self.label_column!r} "
            note += f"says their {self.roles[-1].name} (first: {_first(rows)})"
            if self.can_be_empty:
                note += f"; if none is right for them, say --unlabelled {Unlabelled.NONE}"
            self.notes.append(note)
        if is_training:
            self.train_labels = list(rows.table[self.roles[-1].name])
        return rows.table

    def _with_chosen_names(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Return a split whose columns are called as in training where case or blanks are all that differs."""
        renamed: dict[str, str] = {}
        for column in self.chosen.values():
            twins = [name for name in raw.columns if name.strip().casefold() == column.strip().casefold()]
            if column not in raw.columns and len(twins) == 1:
                renamed[twins[0]] = column
        return raw.rename(columns=renamed)

    def _has_labels(self, raw: pd.DataFrame, name: str) -> bool:
        """Return whether a split has the label's column; if not, say that it is left out.

        Raises:
            DataError: It has not, and that was to be an error.
        """
        try:
            column_of(raw, self.label_column, self.roles[-1], name)
        except DataError as error:
            if self.unlabelled is Unlabelled.ERROR:
                raise
            reason = str(error).partition("\n")[0].removeprefix(f"{name} has ").rstrip(".")
            columns = ", ".join(map(str, raw.columns))
            self._say_left_out(name, f"it has {reason} (but {columns})")
            return False
        return True

    def _without_stand_ins(self, rows: Labelled, is_training: bool) -> Labelled:
        """Return the rows whose label is not one that means "no label", such as -1."""
        target = self.roles[-1].name
        if self.empty is not None:
            return rows
        labels = list(rows.table[target])
        marks = self.stand_ins(labels, labels if is_training else self.train_labels)
        if not marks:
            return rows
        is_mark = [label in marks for label in labels]
        marked = rows.table[target][is_mark].to_dict()
        labelled = rows.table[[not mark for mark in is_mark]]
        return Labelled(table=labelled, unlabelled={**rows.unlabelled, **marked}, where=rows.where)

    def _refuse(self, rows: Labelled, name: str) -> None:
        if self.unlabelled is not Unlabelled.ERROR:
            return
        raise DataError(
            f"{len(rows.unlabelled)} of {len(rows.unlabelled) + len(rows.table)} rows of the {name} have no label.",
            got=f"{_first(rows)}, column {self.label_column!r}",
            fix=f"Label or remove them, or leave them out with {LEAVE_OUT}.",
        )

    def _say_left_out(self, name: str, reason: str) -> None:
        instead = "one is made" if name.startswith("validation") else "there will be no test score"
        self.notes.append(f"{name} left out, {instead}: {reason}")


def _first(rows: Labelled) -> str:
    place, cell = next(iter(rows.unlabelled.items()))
    content = "nothing" if is_missing(cell) else shown(cell)
    return f"{rows.where} {place} has {content}"


def refuse_other_spellings(split: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse labels that training has in another spelling: case, blanks, hyphens, invisible characters.

    Args:
        split: What a message calls the data that the labels are of.
        names: Its labels.
        known: The labels of training.

    Raises:
        DataError: There are some; both spellings are shown.
    """
    by_key = {spelling_key(name): name for name in known}
    pairs: list[str] = []
    for name in names:
        twin = by_key.get(spelling_key(name))
        if name not in known and twin is not None:
            pairs.append(f"{ascii_if_alike(name, twin)} where training has {ascii_if_alike(twin, name)}")
    if pairs:
        raise DataError(
            f"Labels of the {split} are spelled otherwise than in training.",
            got="; ".join(pairs[:NAMES_SHOWN]),
            fix="Write them alike in both.",
        )


def similar_labels(names: Sequence[str]) -> list[str]:
    """Return notes on labels of one split that differ in spelling only: each is taken for a class of its own."""
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(spelling_key(name), []).append(name)
    alike = [" and ".join(map(repr, group)) for group in by_key.values() if len(group) > 1]
    if not alike:
        return []
    return [f"labels that differ in spelling only are different classes: {'; '.join(alike[:NAMES_SHOWN])}"]


def spelling_key(name: str) -> str:
    """Return what two spellings of one label have in common."""
    letters = INVISIBLE.sub("", unicodedata.normalize("NFKC", name))
    key = SEPARATING.sub(" ", letters).strip().casefold()
    # `01`, `1` and `1.00` are one number.
    return str(float(key)) if NUMBER.fullmatch(key) else key or name


def ascii_if_alike(name: str, other: str) -> str:
    """Return a label in quotes, with escapes where it would look like the other one."""
    looks_alike = INVISIBLE.search(name + other) or unicodedata.normalize("NFKC", name) == unicodedata.normalize(
        "NFKC", other
    )
    return ascii(name) if looks_alike else repr(name)


def without_unknown(
    table: pd.DataFrame, target: str, labels_of: Callable[[Sequence[Any]], tuple[str, ...]], known: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of a test split whose labels training has, and a note on the others.

    Raises:
        DataError: Labels are spelled otherwise than in training, or most rows have a label that training has not.
    """
    names = labels_of(list(table[target]))
    unknown = [name for name in names if name not in set(known)]
    if not unknown:
        return table, []
    refuse_other_spellings("test split", names, known)
    strange = set(unknown)
    is_known = [not strange & set(labels_of([label])) for label in table[target]]
    rest = table[is_known]
    dropped = len(table) - len(rest)
    sides = f"{listed(unknown)}; training has {listed(known)}"
    if 2 * len(rest) < len(table):
        raise DataError(
            "Most rows of the test split have classes that training does not have.",
            got=f"{dropped} of {len(table)} rows: {sides}",
            fix="Give a test split with the classes of training, or training rows of those classes.",
        )
    return rest, [f"{dropped} of {len(table)} rows of the test split left out, whose classes training has not: {sides}"]
