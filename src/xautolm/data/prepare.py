"""The one way in: raw tables to checked, split and fingerprinted data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from xautolm.data.columns import Role, check_known, choose_columns, extract_labelled, usual_columns
from xautolm.data.fingerprint import fingerprint
from xautolm.data.frames import plain_frame
from xautolm.data.labels import SplitReader, refuse_other_spellings, similar_labels, without_unknown
from xautolm.data.lengths import estimated_tokens
from xautolm.data.loading import load
from xautolm.data.source import Source
from xautolm.data.splits import Keys, made_validation, possible_keys, without_keys_of
from xautolm.data.stratify import Strata, sample
from xautolm.errors import DataError
from xautolm.records import DataProfile
from xautolm.vocabulary import Unlabelled

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
    strata: Callable[[Sequence[Any]], Sequence[Strata]]
    """The strata of labels, for stratified splits."""
    labels_of: Callable[[Sequence[Any]], tuple[str, ...]]
    """All class names among some labels, sorted."""
    check: Callable[[Sequence[Any], Sequence[Any]], None]
    """Raises DataError if nothing can be learned from these training and validation labels."""
    stand_ins: Callable[[Sequence[Any], Sequence[Any]], frozenset[Any]]
    """Those of a split's labels that mean "no label", by the labels of training."""
    empty_label: Any = None
    """The label of rows for which none is right; None: every row has one."""
    validates_every_class: bool = False
    """Whether each class must be in the validation split too."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the texts."""
        return tuple(role.name for role in self.roles[:-1])

    @property
    def target(self) -> str:
        """The name of the label."""
        return self.roles[-1].name

    def labels(self, table: pd.DataFrame) -> list[Any]:
        """Return the labels of a table whose columns are named by role."""
        return list(table[self.target])


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
    source = _with_splits(load(data, encoding), encoding, validation=validation, test=test)
    check_known(columns, needs.roles)
    chosen = choose_columns(source.splits["train"], needs.roles, columns)
    tables, notes = _read_splits(source, needs, chosen, unlabelled)
    whole = tables["train"]
    notes += _check_names(tables, needs)
    train, held_out, split_notes = _split(tables, needs, max_train, seed)
    notes += split_notes
    labels = needs.labels_of(needs.labels(train))
    test_table = tables.get("test")
    if test_table is not None:
        test_table, test_notes = without_unknown(test_table, needs.target, needs.labels_of, labels)
        test_table = test_table.reset_index(drop=True)
        notes += test_notes
    profile = _profile(train, held_out, needs, labels)
    return Dataset(
        train=train.reset_index(drop=True),
        validation=held_out.reset_index(drop=True),
        test=test_table,
        labels=labels,
        profile=replace(profile, source_fingerprint=fingerprint(needs.task, whole), name=source.name),
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
        DataError: Rows without a label, a class that is not among the known ones, cells that cannot be parsed, or
            no rows.
    """
    source = load(data, encoding)
    for note in source.notes:
        LOG.warning("%s", note)
    raw = plain_frame(_scored_split(source.splits))
    names = usual_columns(raw, needs.roles, columns, used or {})
    chosen = choose_columns(raw, needs.roles, names)
    rows = extract_labelled(raw, needs.roles, chosen, "data")
    if raw.empty:
        raise DataError("There are no rows to score.")
    if rows.unlabelled:
        place, cell = next(iter(rows.unlabelled.items()))
        raise DataError(
            f"{len(rows.unlabelled)} of {len(raw)} rows have no label to compare with.",
            got=f"{rows.where} {place}, column {chosen[needs.target]!r}: {cell!r}",
            fix="Label or remove them.",
        )
    classes = needs.labels_of(needs.labels(rows.table))
    refuse_other_spellings("data", classes, known)
    unknown = sorted(set(classes) - set(known))
    if unknown:
        raise DataError("The model does not know these classes.", got=", ".join(unknown[:8]), fix=f"It knows {known}.")
    return rows.table


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


def _read_splits(
    source: Source, needs: Needs, chosen: Mapping[str, str], unlabelled: Unlabelled
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the labelled rows of each split that has some, and notes on what was left out."""
    reader = SplitReader(
        roles=needs.roles,
        chosen=chosen,
        stand_ins=needs.stand_ins,
        unlabelled=unlabelled,
        empty_label=needs.empty_label,
    )
    tables: dict[str, pd.DataFrame] = {}
    # Training comes first: what its labels are decides what is no label elsewhere.
    for split in ("train", "validation", "test"):
        if split in source.splits:
            table = reader.read(split, source.splits[split])
            if table is not None:
                tables[split] = table
    return tables, reader.notes


def _check_names(tables: Mapping[str, pd.DataFrame], needs: Needs) -> list[str]:
    """Refuse labels of a given validation split in another spelling; return notes on similar ones in training."""
    known = needs.labels_of(needs.labels(tables["train"]))
    if "validation" in tables:
        names = needs.labels_of(needs.labels(tables["validation"]))
        refuse_other_spellings("validation split", names, known)
    return similar_labels(known)


def _split(
    tables: Mapping[str, pd.DataFrame], needs: Needs, max_train: int | None, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return training and validation rows, and notes on how they came about.

    Raises:
        DataError: Nothing can be learned from them; what lack of rows and what `max_train` did is told apart.
    """
    train, notes = _without_shared_texts(tables, needs)
    if "validation" in tables:
        held_out = tables["validation"]
        _check(train, held_out, needs)
    else:
        made = _make_validation(train, needs, None, seed)
        if max_train is not None:
            # The split of all rows could be used, so if this one cannot, that is for want of rows that were asked for.
            with _blaming(max_train):
                made = _make_validation(train, needs, max_train, seed)
        train, held_out = made.train, made.held_out
        notes += [f"validation split made: {len(held_out)} rows, stratified by {needs.target}, seed {seed}"]
        if made.keys.note and made.keys.note not in notes:
            notes.append(made.keys.note)
    if max_train is not None and len(train) > max_train:
        chosen = train.iloc[sample(needs.strata(needs.labels(train)), max_train, seed)]
        _refuse_lost_classes(train, chosen, needs, max_train)
        with _blaming(max_train):
            _check(chosen, held_out, needs)
        notes.append(f"{len(chosen)} of {len(train)} training rows used, stratified, seed {seed}")
        train = chosen
    return train, held_out, notes


def _without_shared_texts(tables: Mapping[str, pd.DataFrame], needs: Needs) -> tuple[pd.DataFrame, list[str]]:
    """Return the training rows whose text is in no other split, and a note on the others."""
    train = tables["train"]
    splits = [tables[split] for split in ("validation", "test") if split in tables]
    if not splits:
        return train, []
    for keys in possible_keys(train, needs.inputs):
        rest = without_keys_of(train, splits, keys)
        # Where every split is about the same few documents, hardly a row would be left.
        if 2 * len(rest) >= len(train):
            break
    notes = [keys.note] if keys.note else []
    dropped = len(train) - len(rest)
    if dropped:
        compared = "their text is" if len(keys.columns) == 1 else f"their {' and '.join(keys.columns)} are"
        notes.append(f"{dropped} training rows dropped: {compared} in validation or test too")
    return rest, notes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A split that we made."""

    train: pd.DataFrame
    held_out: pd.DataFrame
    keys: Keys


def _make_validation(train: pd.DataFrame, needs: Needs, max_train: int | None, seed: int) -> _Made:
    """Return training and validation rows of which the task can learn.

    Raises:
        DataError: There are too few rows or classes for any such split; says which.
    """
    strata = needs.strata(needs.labels(train))
    ways = possible_keys(train, needs.inputs)
    problem: DataError | None = None
    for keys in ways:
        row_keys = keys.of(train)
        distinct = len(set(row_keys))
        size = round(VALIDATION_SHARE * distinct)
        if max_train is not None:
            size = min(size, round(max_train * VALIDATION_SHARE / (1 - VALIDATION_SHARE)))
        kept, held_out = made_validation(row_keys, strata, max(1, size), seed)
        made = _Made(train=train.iloc[kept], held_out=train.iloc[held_out], keys=keys)
        try:
            _refuse_one_sided(made, needs, distinct)
            _check(made.train, made.held_out, needs)
        except DataError as error:
            problem = problem or error
            continue
        return made
    assert problem is not None
    raise problem


def _refuse_one_sided(made: _Made, needs: Needs, distinct: int) -> None:
    """Refuse a made split that has nothing on one side, or a class that has to be on both and is on one.

    Raises:
        DataError: Says how many rows and texts there are.
    """
    rows = len(made.train) + len(made.held_out)
    if made.train.empty or made.held_out.empty:
        raise DataError(
            "Too little data to make a validation split from.",
            got=f"{rows} rows with {distinct} different texts",
            fix="Give more rows, or rows to validate on with --validation.",
        )
    if not needs.validates_every_class:
        return
    one_sided = set(needs.labels(made.train)) ^ set(needs.labels(made.held_out))
    table = pd.concat([made.train, made.held_out])
    counted: list[str] = []
    for name in sorted(one_sided):
        of_class = table[table[needs.target] == name]
        # Classes of one row are refused by the task itself.
        if len(of_class) > 1:
            texts = len(set(made.keys.of(of_class)))
            counted.append(f"{name} ({len(of_class)} rows, {texts} different texts)")
    if counted:
        raise DataError(
            "Classes have too few different texts to be both learned and validated.",
            got=", ".join(counted[:8]),
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
            got=str(error).replace("\n", " ").partition(" Give ")[0],
            fix="Give a larger --max-train, or none.",
        ) from None


def _refuse_lost_classes(train: pd.DataFrame, chosen: pd.DataFrame, needs: Needs, max_train: int) -> None:
    names = needs.labels_of(needs.labels(train))
    lost = sorted(set(names) - set(needs.labels_of(needs.labels(chosen))))
    if lost:
        raise DataError(
            f"--max-train {max_train} is too small to train on every class.",
            got=f"{len(names)} classes; left out would be {', '.join(lost[:8])}",
            fix=f"Give --max-train {len(names)} or more, or none.",
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
        tokens_p90=float(np.quantile(lengths, 0.9)),
        fingerprint=fingerprint(needs.task, train, validation),
        source_fingerprint="",
        name="",
    )
