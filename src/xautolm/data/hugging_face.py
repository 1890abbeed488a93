"""Data sets of the library `datasets`: from the hub, from disk, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, SupportsInt, TypeAlias, runtime_checkable

import pandas as pd

from xautolm.cells import is_missing, items_of
from xautolm.data.frames import Tabular, with_index_columns
from xautolm.data.source import Source
from xautolm.data.split_names import ALIASES, split_of
from xautolm.errors import DataError
from xautolm.serialization import Json
from xautolm.vocabulary import Split

HUB_KEY = b"huggingface"
"""Where the schema of a Parquet file says what `datasets` knows of its columns, as JSON."""
MARKS_OF_SAVED = ("dataset_info.json", "dataset_dict.json")
"""Files by which a folder that `save_to_disk` wrote is known."""


def is_saved(folder: Path) -> bool:
    """Return whether `save_to_disk` wrote a folder."""
    marks = [folder / name for name in MARKS_OF_SAVED]
    return any(mark.is_file() for mark in marks)


def from_disk(folder: Path, *, any_split: bool = False) -> Source:
    """Return what `save_to_disk` wrote.

    Raises:
        DataError: It is not whole, or has no training split.
    """
    from datasets import DatasetDict, load_from_disk

    try:
        stored = load_from_disk(str(folder))
    # The library raises errors of many kinds, those of Arrow and of JSON among them.
    except Exception as error:
        raise DataError(
            f"{folder} is not a readable data set of save_to_disk.",
            got=f"{type(error).__name__}: {_first_line(error)}",
            fix="Save it again, or give its files.",
        ) from None
    name = folder.resolve().name
    if isinstance(stored, DatasetDict):
        return named_splits(name, dict(stored), any_split=any_split)
    return Source(name, {Split.TRAIN: as_frame(stored)})


def from_hub(name: str, *, any_split: bool = False) -> Source:
    """Return a data set of the hub.

    Raises:
        DataError: The hub does not give it, or it has no training split.
    """
    from datasets import load_dataset

    try:
        # Scripts of data sets are foreign code, which is never run.
        stored = load_dataset(name, trust_remote_code=False)
    except Exception as error:
        raise DataError(
            f"{name!r} is neither a file or folder here nor a data set that the hub gives.",
            got=f"{type(error).__name__}: {_first_line(error)}"[:200],
            fix="Without a hub, give a CSV, TSV, JSON Lines or Parquet file, or a folder with train.* in it.",
        ) from None
    return named_splits(name, dict(stored), any_split=any_split)


def named_splits(
    name: str, tables: Mapping[Hashable, pd.DataFrame | Tabular], *, any_split: bool = False
) -> Source:
    """Return tables under our names of their splits; the usual name wins over others for the same split.

    Raises:
        DataError: No training split, or two that could be one.
    """
    named = {str(key): table for key, table in tables.items()}
    splits: dict[str, pd.DataFrame] = {}
    # What no split takes is left out, and that is said.
    left_out = dict(named)
    for split, aliases in ALIASES.items():
        usual = [alias for alias in aliases if alias in named]
        similar = [key for key in named if split_of(key) == split]
        # Such as validation_matched and validation_mismatched.
        if not usual and len(similar) > 1:
            raise DataError(
                f"Several splits could be the {split} split.",
                got=", ".join(similar),
                fix="Give a mapping with the names train, validation and test.",
            )
        candidates = usual or similar
        if candidates:
            key = candidates[0]
            splits[split] = as_frame(named[key])
            del left_out[key]

    if Split.TRAIN not in splits and not (any_split and splits):
        raise DataError("The data set has no training split.", got=", ".join(named))
    notes = []
    for key, table in left_out.items():
        # How many rows a streamed data set has is known only when it was read.
        rows = f": {len(table)} rows" if isinstance(table, Sized) else ""
        notes.append(f"split {key!r} left out{rows}")
    return Source(name, splits, tuple(notes))


Naming: TypeAlias = Callable[[object], object]
"""Turns a cell with class numbers into one with their names."""


@runtime_checkable
class ClassNames(Protocol):
    """The names of classes by their numbers, as `datasets.ClassLabel` has them."""

    def int2str(self, number: int, /) -> str:
        """Return the name of a class."""


def as_frame(table: pd.DataFrame | Tabular) -> pd.DataFrame:
    """Return a `datasets.Dataset` (or another table with `to_pandas`) as a frame, with class names for numbers."""
    if isinstance(table, pd.DataFrame):
        return with_index_columns(table).reset_index(drop=True)
    # Arrow's tables may say which of their columns pandas kept as the index.
    frame = with_index_columns(table.to_pandas()).reset_index(drop=True)
    features = getattr(table, "features", None) or {}
    for column, feature in features.items():
        _name_classes(frame, column, feature)
    return frame


def with_stored_class_names(
    frame: pd.DataFrame, metadata: Mapping[bytes, bytes] | None
) -> pd.DataFrame:
    """Return the table of a Parquet file of the hub with class names for numbers.

    Args:
        frame: The table as pandas reads it, with numbers.
        metadata: Of the file's schema; the library `datasets` writes there what its columns are.
    """
    for column, feature in _stored_features(metadata).items():
        if column in frame.columns:
            _name_classes(frame, column, feature)
    return frame


@dataclass(frozen=True, slots=True)
class StoredClasses:
    """The names of classes by their numbers, as a file says them."""

    names: Sequence[str]

    def int2str(self, number: int, /) -> str:
        """Return the name of a class; a number beyond the names is its own."""
        if number < len(self.names):
            return self.names[number]
        return str(number)


def _stored_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Json]:
    """Return what a file says of its columns; nothing where it says nothing, or in another form."""
    if metadata is None:
        return {}
    text = metadata.get(HUB_KEY, b"{}")
    try:
        description = json.loads(text)
        return dict(description["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stored_names(feature: object) -> list[str]:
    """Return the class names of a feature as a file describes it; none where it is not one of classes."""
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if not isinstance(names, list):
        return []
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        return []
    return texts


def _name_classes(frame: pd.DataFrame, column: str, feature: object) -> None:
    """Put class names for numbers into a column of a frame, if its feature has names, at whatever depth."""
    naming = _naming(feature)
    if naming is not None:
        cells = [naming(cell) for cell in frame[column]]
        frame[column] = pd.Series(cells, index=frame.index, dtype=object)


def _naming(feature: object) -> Naming | None:
    """Return what turns a cell with class numbers into one with names; None if there are no classes in a feature.

    Args:
        feature: Of the library `datasets`, or as a file describes it.
    """
    if isinstance(feature, ClassNames):
        return partial(_class_name, classes=feature)
    names = _stored_names(feature)
    if names:
        return partial(_class_name, classes=StoredClasses(names))

    # A list of classes is a feature with the classes inside; earlier versions wrote a list with one feature.
    inner = getattr(feature, "feature", None)
    if isinstance(feature, list) and len(feature) == 1:
        inner = feature[0]
    elif isinstance(feature, Mapping) and "_type" in feature:
        inner = feature.get("feature")
    if inner is not None:
        naming = _naming(inner)
        return None if naming is None else partial(_named_items, naming=naming)

    if not isinstance(feature, Mapping) or "_type" in feature:
        return None
    namings: dict[str, Naming] = {}
    for name, part in feature.items():
        naming = _naming(part)
        if naming is not None:
            namings[name] = naming
    return partial(_named_parts, namings=namings) if namings else None


def _class_name(number: object, classes: ClassNames) -> str | None:
    """Return the name of a class number; below zero or missing, there is none."""
    # Data sets have -1 where nobody has said the class, as in the test splits of benchmarks.
    if is_missing(number) or not isinstance(number, SupportsInt) or int(number) < 0:
        return None
    return classes.int2str(int(number))


def _named_items(cell: object, naming: Naming) -> object:
    """Return a list with class names for numbers; a missing one stays missing."""
    items = items_of(cell)
    if items is None:
        return cell
    return [naming(item) for item in items]


def _named_parts(cell: object, namings: Mapping[str, Naming]) -> object:
    """Return an object with class names for numbers in those of its parts that have classes."""
    if not isinstance(cell, Mapping):
        return cell
    named = dict(cell)
    for name, naming in namings.items():
        if name in named:
            named[name] = naming(named[name])
    return named


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    # Some errors have no text at all.
    if not lines:
        return ""
    return lines[0]
