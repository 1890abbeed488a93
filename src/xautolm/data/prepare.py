"""The one way in: raw tables to checked, split and fingerprinted data."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from xautolm.data.columns import Columns, check_known, choose_columns, usual_columns
from xautolm.data.doubts import contradictions, doubtful_labels, split_columns
from xautolm.data.fingerprint import fingerprint
from xautolm.data.forms import in_columns, table_in_columns
from xautolm.data.frames import plain_frame
from xautolm.data.labels import SplitReader, refuse_other_spellings, similar_labels, without_unknown
from xautolm.data.lengths import estimated_tokens
from xautolm.data.loading import load
from xautolm.data.naming import data_name
from xautolm.data.needs import Needs
from xautolm.data.source import Source
from xautolm.data.usable import usable_parts
from xautolm.errors import DataError
from xautolm.records import DataProfile
from xautolm.vocabulary import Split, Unlabelled

LOG = logging.getLogger(__name__)
LENGTH_SAMPLE = 20_000
"""Rows whose texts are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Checked data: tables whose columns are named by role."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame | None
    labels: tuple[str, ...]
    profile: DataProfile
    columns: Mapping[str, str] = field(default_factory=dict)
    """What the columns were called in the data, by role."""
    notes: tuple[str, ...] = ()
    """What was done to the data, for people."""
    has_made_validation: bool = False
    """Whether the validation split is a part of the training rows, because none was given."""
    test_fingerprint: str = ""
    """Identifies the content of the test split; empty without one."""


def prepare(
    data: object,
    needs: Needs,
    *,
    columns: Columns,
    validation: object = None,
    test: object = None,
    max_train: int | None = None,
    unlabelled: Unlabelled = Unlabelled.DROP,
    seed: int = 0,
    encoding: str | None = None,
) -> Dataset:
    """Read, check, split and fingerprint data.

    Args:
        data: Anything that `load` reads.
        needs: The task's demands.
        columns: Column names given by the user, by role.
        validation: A validation split of the user's; else the source's own; else one is made.
        test: A test split that the search never sees; else the source's own, if any.
        max_train: Largest number of training rows; a made validation split shrinks with it.
        unlabelled: What becomes of rows and splits without labels.
        seed: For sampling and splitting.
        encoding: Of text files, where it is not UTF-8.

    Raises:
        DataError: Anything that would make training fail or its result meaningless.
    """
    source = load(data, encoding)
    given_splits: dict[str, object] = {}
    if validation is not None:
        given_splits[Split.VALIDATION] = validation
    if test is not None:
        given_splits[Split.TEST] = test
    source = _with_splits(source, given_splits, encoding)
    check_known(columns, needs.roles)
    source = in_columns(source, needs.roles, columns)
    column_by_role = choose_columns(source.splits[Split.TRAIN], needs.roles, columns)

    reader = SplitReader(needs, column_by_role, unlabelled)
    tables = _read_splits(source, reader, given_splits)
    notes = [*source.notes, *reader.notes]
    if len(source.splits) == 1:
        notes += split_columns(source.splits[Split.TRAIN])
    notes += _check_names(tables, needs)
    parts = usable_parts(tables, needs, max_train, seed)
    train = parts.train
    notes += parts.notes

    # The classes are those that are trained on; what only a test split has cannot be learned.
    train_labels = needs.labels(train)
    labels = needs.labels_of(train_labels)
    test_table = tables.get(Split.TEST)
    test_fingerprint = ""
    if test_table is not None:
        test_table, test_notes = without_unknown(test_table, needs.target, needs.labels_of, labels)
        test_table = test_table.reset_index(drop=True)
        notes += test_notes
        test_fingerprint = fingerprint(needs.task, test_table)

    profile = _profile(train, parts.validation, needs, labels)
    profile = replace(
        profile,
        # Of all rows, so that data is known again whatever share of it is used.
        source_fingerprint=fingerprint(needs.task, tables[Split.TRAIN]),
        name=data_name(data, source.name),
    )
    return Dataset(
        train=train.reset_index(drop=True),
        validation=parts.validation.reset_index(drop=True),
        test=test_table,
        labels=labels,
        profile=profile,
        columns=column_by_role,
        notes=tuple(notes),
        has_made_validation=Split.VALIDATION not in tables,
        test_fingerprint=test_fingerprint,
    )


def cells_in_memory(data: object, needs: Needs, columns: Columns, column: str) -> list[object]:
    """Return the cells of a column of the training data, as they were given; none of files, which hold texts.

    Args:
        data: Anything that `load` reads.
        needs: The task's demands.
        columns: Column names given by the user, by role.
        column: Its name.
    """
    if isinstance(data, str | Path):
        return []
    frame = plain_frame(load(data).splits[Split.TRAIN])
    table, _ = table_in_columns(frame, needs.roles, columns)
    # Where several columns say which labels a row has, their names are texts.
    if column not in table.columns:
        return []
    return list(table[column])


def labelled(
    data: object,
    needs: Needs,
    columns: Columns,
    known_classes: Sequence[str],
    used: Mapping[str, str] | None = None,
    *,
    unlabelled: Unlabelled = Unlabelled.DROP,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Return data to evaluate on, without splitting it; columns are named by role. What was left out of it is logged.

    Args:
        data: Anything that `load` reads; of several splits, its test split.
        needs: The task's demands.
        columns: The names of columns that the user gave, by role.
        known_classes: The classes that the model knows.
        used: The names of columns that training used, by role.
        unlabelled: What becomes of rows without labels.
        encoding: Of text files, where it is not UTF-8.

    Raises:
        DataError: A class that is not among the known ones, cells that cannot be parsed, or no rows with a label.
    """
    source = load(data, encoding, any_split=True)
    frame = plain_frame(_split_for(source.splits, Split.TEST))
    raw, form_notes = table_in_columns(frame, needs.roles, columns)
    for note in (*source.notes, *form_notes):
        LOG.warning("%s", note)

    names = usual_columns(raw, needs.roles, columns, used or {})
    column_by_role = choose_columns(raw, needs.roles, names)
    if raw.empty:
        raise DataError("There are no rows to score.")

    # What the model learned stands for the labels of training.
    reader = SplitReader(needs, column_by_role, unlabelled)
    reader.train_labels = list(known_classes)
    table = reader.read("data", raw)
    if table is None:
        advice = ""
        if reader.can_be_empty:
            advice = f"If none is right for any of them, say --unlabelled {Unlabelled.NONE}."
        raise DataError("No row has a label to compare with.", got=reader.notes[-1], fix=advice)
    for note in reader.notes:
        LOG.warning("%s", note)

    classes = needs.labels_of(needs.labels(table))
    refuse_other_spellings("data", classes, known_classes)
    unknown = sorted(set(classes) - set(known_classes))
    if unknown:
        raise DataError(
            "The model does not know these classes.",
            got=", ".join(unknown[:8]),
            fix=f"It knows {known_classes}.",
        )
    return table


def _split_for(splits: Mapping[str, pd.DataFrame], purpose: str) -> pd.DataFrame:
    """Return the split to validate or test on: the only one, or the one of that name.

    Raises:
        DataError: There are several, and none has that name; a score on training data would say little.
    """
    if len(splits) == 1:
        (only_split,) = splits.values()
        return only_split
    if purpose in splits:
        return splits[purpose]
    names = ", ".join(splits)
    raise DataError("Which split is to be scored?", got=names, fix="Give one of them.")


def _with_splits(source: Source, additions: Mapping[str, object], encoding: str | None) -> Source:
    """Return a source as plain frames, with the splits that the user gave in the place of its own.

    Args:
        source: What was read of the data.
        additions: What `load` reads, by the split that it is for.
        encoding: Of text files, where it is not UTF-8.
    """
    splits = dict(source.splits)
    notes = list(source.notes)
    for name, data in additions.items():
        # A file of test rows need not have a training split.
        addition = load(data, encoding, any_split=True)
        splits[name] = _split_for(addition.splits, name)
        notes.extend(addition.notes)

    frames: dict[str, pd.DataFrame] = {}
    for name, table in splits.items():
        frames[name] = plain_frame(table)
    return replace(source, splits=frames, notes=tuple(notes))


def _read_splits(
    source: Source, reader: SplitReader, given: Collection[str]
) -> dict[str, pd.DataFrame]:
    """Return the labelled rows of each split that has some.

    Args:
        source: The tables as they were read.
        reader: Knows the label column.
        given: The splits that the user gave apart from the data.

    Raises:
        DataError: Training has no labels, or a validation split that the user gave.
    """
    tables: dict[str, pd.DataFrame] = {}
    # Training comes first: what its labels are decides what is no label elsewhere.
    for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
        if split not in source.splits:
            continue
        # Nothing takes the place of a test split: without labels there is no score, as of those that came along.
        is_demanded = split == Split.VALIDATION and split in given
        table = reader.read(f"{split} split", source.splits[split], is_demanded=is_demanded)
        # A split without labels is left out, which the reader has noted.
        if table is not None:
            tables[split] = table
    return tables


def _check_names(tables: Mapping[str, pd.DataFrame], needs: Needs) -> list[str]:
    """Refuse labels of a given validation split in another spelling; return notes on similar ones in training."""
    train_labels = needs.labels(tables[Split.TRAIN])
    train_names = needs.labels_of(train_labels)
    if Split.VALIDATION in tables:
        labels = needs.labels(tables[Split.VALIDATION])
        names = needs.labels_of(labels)
        refuse_other_spellings("validation split", names, train_names)
    # Within one split, other spellings may be meant so; they are only said.
    return [
        *similar_labels(train_names),
        *doubtful_labels(train_names),
        *contradictions(tables[Split.TRAIN], needs),
    ]


def _profile(
    train: pd.DataFrame, validation: pd.DataFrame, needs: Needs, labels: tuple[str, ...]
) -> DataProfile:
    """Return what is known of the data as numbers; its name and the fingerprint of its source are left empty."""
    sample = train.head(LENGTH_SAMPLE)
    # A model reads all inputs of a row one after the other.
    lengths = np.zeros(len(sample))
    for name in needs.inputs:
        texts = list(sample[name])
        lengths += estimated_tokens(texts)
    return DataProfile(
        train_examples=len(train),
        validation_examples=len(validation),
        classes=len(labels),
        tokens_mean=float(lengths.mean()),
        tokens_max=int(lengths.max()),
        tokens_p90=float(np.quantile(lengths, 0.9)),
        fingerprint=fingerprint(needs.task, train, validation),
        source_fingerprint="",
        name="",
    )
