"""The one way in: raw tables to checked, split and fingerprinted data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from xautolm.data.columns import Role, check_known, choose_columns, extract, usual_columns
from xautolm.data.fingerprint import fingerprint
from xautolm.data.frames import plain_frame
from xautolm.data.lengths import estimated_tokens
from xautolm.data.loading import load
from xautolm.data.source import Source
from xautolm.data.splits import made_validation, stratified_sample, without_texts_of
from xautolm.errors import DataError
from xautolm.records import DataProfile

LOG = logging.getLogger(__name__)
VALIDATION_SHARE = 0.2
"""Share of the data that becomes the validation split where none is given."""
LENGTH_SAMPLE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a task demands of its data."""

    task: str
    roles: tuple[Role, ...]
    """The first is the text by which duplicates are recognised."""
    stratum: Callable[[Any], Hashable]
    """The stratum of a label, for stratified splits."""
    labels_of: Callable[[Sequence[Any]], tuple[str, ...]]
    """All class names among some labels, sorted."""
    check: Callable[[Sequence[Any], Sequence[Any]], None]
    """Raises DataError if nothing can be learned from these training and validation labels."""


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


def prepare(
    data: Any,
    needs: Needs,
    *,
    columns: Mapping[str, str | None],
    validation: Any = None,
    test: Any = None,
    max_train: int | None = None,
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
        seed: For sampling and splitting.
        encoding: Of text files, where it is not UTF-8.

    Raises:
        DataError: Anything that would make training fail or its result meaningless.
    """
    source = _with_splits(load(data, encoding), encoding, validation=validation, test=test)
    check_known(columns, needs.roles)
    chosen = choose_columns(source.splits["train"], needs.roles, columns)
    tables = {split: extract(table, needs.roles, chosen, f"{split} split") for split, table in source.splits.items()}
    whole = tables["train"]
    tables, notes = _split(tables, needs, max_train, seed)
    train, held_out = tables["train"], tables["validation"]
    _check_size(train, held_out)
    label = needs.roles[-1].name
    needs.check(list(train[label]), list(held_out[label]))
    labels = needs.labels_of(list(train[label]))
    source_print = fingerprint(needs.task, whole)
    profile = _profile(train, held_out, needs, labels)
    return Dataset(
        train=train.reset_index(drop=True),
        validation=held_out.reset_index(drop=True),
        test=tables["test"].reset_index(drop=True) if "test" in tables else None,
        labels=labels,
        profile=replace(profile, source_fingerprint=source_print, name=source.name),
        columns=chosen,
        notes=(*source.notes, *notes),
    )


def labelled(
    data: Any,
    needs: Needs,
    columns: Mapping[str, str | None],
    known: Sequence[str],
    used: Mapping[str, str] | None = None,
    *,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Return data to evaluate on, without splitting it; columns are named by role. What was left out of it is logged.

    Args:
        data: Anything that `load` reads; of several splits, its test split.
        needs: The task's demands.
        columns: The names of columns that the user gave, by role.
        known: The classes that the model knows.
        used: The names of columns that training used, by role.
        encoding: Of text files, where it is not UTF-8.

    Raises:
        DataError: A class that is not among the known ones, cells that cannot be parsed, or no rows.
    """
    source = load(data, encoding)
    for note in source.notes:
        LOG.warning("%s", note)
    raw = plain_frame(_scored_split(source.splits))
    names = usual_columns(raw, needs.roles, columns, used or {})
    table = extract(raw, needs.roles, choose_columns(raw, needs.roles, names), "data")
    if table.empty:
        raise DataError("There are no rows to score.")
    unknown = sorted(set(needs.labels_of(list(table[needs.roles[-1].name]))) - set(known))
    if unknown:
        raise DataError("The model does not know these classes.", got=", ".join(unknown[:8]), fix=f"It knows {known}.")
    return table


def _scored_split(splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the split that scores are wanted for: the only one, or the test split.

    Raises:
        DataError: There are several, and none of them is for tests; a score on training data would say little.
    """
    if len(splits) == 1:
        return next(iter(splits.values()))
    if "test" in splits:
        return splits["test"]
    raise DataError("Which split is to be scored?", got=", ".join(splits), fix="Give one of them.")


def _with_splits(source: Source, encoding: str | None, **given: Any) -> Source:
    splits = dict(source.splits)
    notes = list(source.notes)
    for name, data in given.items():
        if data is not None:
            addition = load(data, encoding)
            splits[name] = addition.splits["train"]
            notes.extend(addition.notes)
    frames = {name: plain_frame(table) for name, table in splits.items()}
    return replace(source, splits=frames, notes=tuple(notes))


def _split(
    tables: dict[str, pd.DataFrame], needs: Needs, max_train: int | None, seed: int
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    text, label = needs.roles[0].name, needs.roles[-1].name
    notes: list[str] = []
    train = tables["train"]
    others = [tables[split] for split in ("validation", "test") if split in tables]
    if others:
        clean = without_texts_of(train, others, text)
        if len(clean) < len(train):
            notes.append(f"{len(train) - len(clean)} training rows dropped: their text is in validation or test too")
        train = clean
    if "validation" not in tables:
        if max_train is not None:
            wanted = round(max_train / (1 - VALIDATION_SHARE))
            train = train.iloc[stratified_sample(_strata(train, needs), wanted, seed)]
        kept, held_out = made_validation(list(train[text]), _strata(train, needs), VALIDATION_SHARE, seed)
        tables = {**tables, "validation": train.iloc[held_out]}
        notes.append(f"validation split made: {len(held_out)} rows, stratified by {label}, seed {seed}")
        train = train.iloc[kept]
    if max_train is not None and len(train) > max_train:
        rows = len(train)
        train = train.iloc[stratified_sample(_strata(train, needs), max_train, seed)]
        notes.append(f"{len(train)} of {rows} training rows used, stratified, seed {seed}")
    return {**tables, "train": train}, notes


def _strata(table: pd.DataFrame, needs: Needs) -> list[Hashable]:
    return [needs.stratum(value) for value in table[needs.roles[-1].name]]


def _check_size(train: pd.DataFrame, validation: pd.DataFrame) -> None:
    if train.empty or validation.empty:
        raise DataError(
            "Too little data to train and validate on.",
            got=f"{len(train)} training and {len(validation)} validation rows",
            fix="Give more rows, or a validation split whose texts are not those of training.",
        )


def _profile(train: pd.DataFrame, validation: pd.DataFrame, needs: Needs, labels: tuple[str, ...]) -> DataProfile:
    few = train.head(LENGTH_SAMPLE)
    lengths = np.sum([estimated_tokens(list(few[role.name])) for role in needs.roles[:-1]], axis=0)
    return DataProfile(
        train_examples=len(train),
        validation_examples=len(validation),
        classes=len(labels),
        tokens_mean=float(lengths.mean()),
        tokens_max=int(lengths.max()),
        fingerprint=fingerprint(needs.task, train, validation),
        source_fingerprint="",
        name="",
    )
