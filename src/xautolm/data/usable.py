"""Training and validation rows of which a task can learn; where there are none, which rows or classes are too few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from xautolm.cells import listed
from xautolm.data.needs import Needs
from xautolm.data.source import NotedTable
from xautolm.data.splits import Keys, made_validation, possible_keys, without_keys_of
from xautolm.data.stratify import sample
from xautolm.errors import DataError
from xautolm.vocabulary import Split

VALIDATION_SHARE = 0.2
"""Share of the data that becomes the validation split where none is given."""
LARGEST_VALIDATION = 5_000
"""Rows of a made validation split at most: every trial answers them, and their scores are certain to about .006."""
VALIDATION_ROWS_PER_STRATUM = 4
"""As many for each class, where that is more in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is trained on and what it is validated on."""

    train: pd.DataFrame
    validation: pd.DataFrame
    notes: tuple[str, ...] = ()
    """How they came about, for people."""


def usable_parts(
    tables: Mapping[str, pd.DataFrame], needs: Needs, max_train: int | None, seed: int
) -> Parts:
    """Return training and validation rows of which the task can learn.

    Args:
        tables: The splits; `train`, and those others that there are.
        needs: The task's demands.
        max_train: Largest number of training rows; a made validation split shrinks with it.
        seed: For sampling and splitting.

    Raises:
        DataError: There are none; what the data lacks and what `max_train` did is told apart.
    """
    tables, notes = _with_unseen_validation(tables, needs)
    train, train_notes = _without_shared_texts(tables, needs)
    notes += [note for note in train_notes if note not in notes]
    if Split.VALIDATION in tables:
        parts = Parts(train=train, validation=tables[Split.VALIDATION])
        _check_given(parts, tables[Split.TRAIN], needs)
    else:
        parts = _make_validation(train, needs, None, seed)
        if max_train is not None:
            # The split of all rows can be used, so if this one cannot, that is for want of rows that were asked for.
            with _blaming(max_train):
                parts = _make_validation(train, needs, max_train, seed)

    train = parts.train
    for note in parts.notes:
        # Both steps may say why rows are told apart by more than their first text.
        if note not in notes:
            notes.append(note)
    if max_train is not None and len(train) > max_train:
        labels = needs.labels(train)
        strata = needs.strata(labels)
        positions = sample(strata, max_train, seed)
        sampled = train.iloc[positions]
        _refuse_lost_classes(train, sampled, needs, max_train)
        with _blaming(max_train):
            _check(sampled, parts.validation, needs)
        notes.append(f"{len(sampled)} of {len(train)} training rows used, stratified, seed {seed}")
        train = sampled
    return Parts(train=train, validation=parts.validation, notes=tuple(notes))


def _with_unseen_validation(
    tables: Mapping[str, pd.DataFrame], needs: Needs
) -> tuple[Mapping[str, pd.DataFrame], list[str]]:
    """Return the splits without those validation rows whose text is in the test split, and a note on them.

    The winner is chosen by validation: a test split of the same texts would be no test.

    Raises:
        DataError: Most of them are such, or all.
    """
    if Split.VALIDATION not in tables or Split.TEST not in tables:
        return tables, []
    whole = tables[Split.VALIDATION]
    rest, notes = _rows_of_other_texts(
        Split.VALIDATION, whole, {Split.TEST: tables[Split.TEST]}, needs
    )
    # What is left would be another split than the one that was given.
    if 2 * len(rest) < len(whole):
        raise DataError(
            "Most validation rows have texts of the test split.",
            got=f"{len(whole) - len(rest)} of {len(whole)} rows",
            fix=f"Give splits with other texts than those of {Split.VALIDATION}.",
        )
    return {**tables, Split.VALIDATION: rest}, notes


def _without_shared_texts(tables: Mapping[str, pd.DataFrame], needs: Needs) -> NotedTable:
    """Return the training rows whose text is in no other split, and a note on the others.

    Raises:
        DataError: There are none.
    """
    others = {split: tables[split] for split in (Split.VALIDATION, Split.TEST) if split in tables}
    return _rows_of_other_texts("training", tables[Split.TRAIN], others, needs)


def _rows_of_other_texts(
    name: str, table: pd.DataFrame, others: Mapping[Split, pd.DataFrame], needs: Needs
) -> NotedTable:
    """Return the rows of a split whose text is in no other one, and a note on the others.

    Args:
        name: What messages call its rows.
        table: The split.
        others: The others by name.
        needs: The task's demands.

    Raises:
        DataError: There are none.
    """
    if not others:
        return table, []
    for keys in possible_keys(table, needs.inputs):
        rest = without_keys_of(table, list(others.values()), keys)
        # Where every split is about the same few documents, hardly a row would be left.
        if 2 * len(rest) >= len(table):
            break
    if rest.empty:
        splits = " or ".join(map(str, others))
        raise DataError(
            f"No {name} row is left: every text is in the {splits} split too.",
            got=f"{len(table)} {name} rows",
            fix=f"Give splits with other texts than those of {name}.",
        )
    notes = [keys.note] if keys.note else []
    dropped = len(table) - len(rest)
    if dropped:
        compared = "their text is"
        if len(keys.columns) > 1:
            columns = " and ".join(keys.columns)
            compared = f"their {columns} are"
        splits = " or ".join(map(str, others))
        notes.append(f"{dropped} {name} rows dropped: {compared} in {splits} too")
    return rest, notes


def _check_given(parts: Parts, whole: pd.DataFrame, needs: Needs) -> None:
    """Refuse a given validation split that cannot be used.

    Args:
        parts: What is left of training, and the given split.
        whole: The training rows before those were left out whose texts are in other splits.
        needs: The task's demands.

    Raises:
        DataError: Says whether the data or what was left out is the reason.
    """
    try:
        _check(parts.train, parts.validation, needs)
    except DataError as error:
        left_out = len(whole) - len(parts.train)
        if left_out:
            _check(whole, parts.validation, needs)
            raise DataError(
                f"Without {left_out} training rows whose text is in validation or test too, too little is left.",
                got=_headline(error),
                fix="Give splits with other texts than those of training.",
            ) from None
        raise


def _make_validation(train: pd.DataFrame, needs: Needs, max_train: int | None, seed: int) -> Parts:
    """Return a training and a validation part of rows.

    Raises:
        DataError: There are too few rows or classes for any such split; says which.
    """
    labels = needs.labels(train)
    strata = needs.strata(labels)
    first_problem: DataError | None = None
    for keys in possible_keys(train, needs.inputs):
        row_keys = keys.of(train)
        distinct = len(set(row_keys))
        different_strata = len(set(chain.from_iterable(strata)))
        largest = max(LARGEST_VALIDATION, VALIDATION_ROWS_PER_STRATUM * different_strata)
        share = min(VALIDATION_SHARE, largest / len(train))
        size = round(share * distinct)
        most_rows = len(train)
        if max_train is not None:
            # Beside `max_train` training rows, the validation rows have their share of both together.
            rows_wanted = round(max_train * VALIDATION_SHARE / (1 - VALIDATION_SHARE))
            most_rows = max(1, rows_wanted)
            size = min(size, most_rows)
        size = max(1, size)
        train_positions, validation_positions = made_validation(row_keys, strata, size, seed)
        rest = train.iloc[train_positions]
        held_out = train.iloc[validation_positions]
        try:
            _refuse_one_sided(rest, held_out, needs, keys)
            # A text may be held out with many rows, such as a document with all of its questions.
            validation = _at_most(held_out, most_rows, needs, seed)
            _check(rest, validation, needs)
        except DataError as error:
            # The best keys come first, so their problem says most.
            first_problem = first_problem or error
            continue
        rows = str(len(validation))
        if len(validation) < len(held_out):
            rows = f"{len(validation)} of {len(held_out)}"
        notes = [f"validation split made: {rows} rows, stratified by {needs.target}, seed {seed}"]
        if keys.note:
            notes.append(keys.note)
        return Parts(train=rest, validation=validation, notes=tuple(notes))
    assert first_problem is not None
    raise first_problem


def _at_most(rows: pd.DataFrame, most: int, needs: Needs, seed: int) -> pd.DataFrame:
    """Return at most so many rows, but not fewer than there are strata."""
    labels = needs.labels(rows)
    strata = needs.strata(labels)
    different = set(chain.from_iterable(strata))
    # One row of each stratum at least, so that each class is validated.
    size = max(most, len(different))
    positions = sample(strata, size, seed)
    return rows.iloc[positions]


def _refuse_one_sided(
    train: pd.DataFrame, validation: pd.DataFrame, needs: Needs, keys: Keys
) -> None:
    """Refuse a made split that has nothing on one side, or a class that has to be on both and is on one.

    Raises:
        DataError: Says how many rows, texts or labels are too few.
    """
    if needs.validates_every_class:
        _refuse_one_sided_classes(train, validation, needs, keys)
    if not train.empty and not validation.empty:
        return
    table = pd.concat([train, validation])
    labels = needs.labels(table)
    strata = needs.strata(labels)
    counts = Counter(chain.from_iterable(strata))
    single = [name for name in needs.labels_of(labels) if counts[name] == 1]
    if len(single) > len(table) / 2:
        raise DataError(
            "No row can be validated on: each has a label that no other row has, which training needs.",
            got=f"{len(single)} labels of one row each in {len(table)} rows: {listed(single)}",
            fix="Remove labels of one row, or give rows to validate on with --validation.",
        )
    # Rows with one text stay on one side, so it is texts that can be too few.
    different_texts = len(set(keys.of(table)))
    raise DataError(
        "Too little data to make a validation split from.",
        got=f"{len(table)} rows with {different_texts} different texts",
        fix="Give more rows, or rows to validate on with --validation.",
    )


def _refuse_one_sided_classes(
    train: pd.DataFrame, validation: pd.DataFrame, needs: Needs, keys: Keys
) -> None:
    """Refuse classes that are on one side of a made split.

    Raises:
        DataError: Says how many rows and different texts they have.
    """
    table = pd.concat([train, validation])
    counts = Counter(needs.labels(table))
    if min(counts.values()) == 1 or len(counts) == 1:
        # The task says itself what it needs of each class.
        needs.check(needs.labels(table), [])
    train_classes = set(needs.labels(train))
    validation_classes = set(needs.labels(validation))
    one_sided = train_classes ^ validation_classes
    counted: list[str] = []
    for name in sorted(one_sided):
        of_class = table[table[needs.target] == name]
        texts = len(set(keys.of(of_class)))
        counted.append(f"{name} ({len(of_class)} rows, {texts} different texts)")
    if counted:
        raise DataError(
            "Classes have too few different texts to be both learned and validated.",
            got=listed(counted),
            fix="Add other texts of them, or remove them.",
        )


def _check(train: pd.DataFrame, validation: pd.DataFrame, needs: Needs) -> None:
    if train.empty or validation.empty:
        raise DataError(
            "Too little data to train and validate on.",
            got=f"{len(train)} training and {len(validation)} validation rows",
            fix="Give more rows, or a validation split whose texts are not those of training.",
        )
    needs.check(needs.labels(train), needs.labels(validation))


@contextmanager
def _blaming(max_train: int) -> Iterator[None]:
    """Say of an error inside that the data would do, were it not for `max_train`."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"With --max-train {max_train}, too few rows are left of data that would do otherwise.",
            got=_headline(error),
            fix="Give a larger --max-train, or none.",
        ) from None


def _headline(error: DataError) -> str:
    return str(error).partition("\n")[0]


def _refuse_lost_classes(
    train: pd.DataFrame, sampled: pd.DataFrame, needs: Needs, max_train: int
) -> None:
    """Refuse a sample of training rows that lacks a class.

    Raises:
        DataError: The classes, and how many rows would have each.
    """
    labels = needs.labels(train)
    names = needs.labels_of(labels)
    sampled_labels = needs.labels(sampled)
    sampled_names = needs.labels_of(sampled_labels)
    lost = sorted(set(names) - set(sampled_names))
    if lost:
        raise DataError(
            f"--max-train {max_train} is too small to train on every class.",
            got=f"{len(names)} classes; left out would be {listed(lost)}",
            fix=f"Give --max-train {len(names)} or more, or none.",
        )
