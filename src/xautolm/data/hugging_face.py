"""Data sets of the library `datasets`: from the hub, from disk, in memory."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from xautolm.cells import is_missing
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


@runtime_checkable
class ClassNames(Protocol):
    """The names of classes by their numbers, as `datasets.ClassLabel` has them."""

    def int2str(self, number: int, /) -> str:
        """Return the name of a class."""


def as_frame(table: pd.DataFrame | Tabular) -> pd.DataFrame:
    """Return a `datasets.Dataset` (or another table with `to_pandas`) as a frame, with class names for numbers."""
    if isinstance(table, pd.DataFrame):
        return with_index_columns(table).reset_index(drop=True)
    frame = table.to_pandas()
    features = getattr(table, "features", None) or {}
    for column, feature in features.items():
        # A list of classes is a feature with the classes inside.
        inner = getattr(feature, "feature", None)
        if isinstance(feature, ClassNames):
            frame[column] = _class_names(frame[column], feature)
        elif isinstance(inner, ClassNames):
            frame[column] = _class_name_lists(frame[column], inner)
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
        if column not in frame.columns:
            continue
        names = _stored_names(feature)
        inner_names = _stored_names(feature.get("feature"))
        if names:
            frame[column] = _class_names(frame[column], StoredClasses(names))
        elif inner_names:
            frame[column] = _class_name_lists(frame[column], StoredClasses(inner_names))
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


def _stored_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, dict[str, Json]]:
    """Return what a file says of its columns; nothing where it says nothing, or in another form."""
    if metadata is None:
        return {}
    text = metadata.get(HUB_KEY, b"{}")
    try:
        description = json.loads(text)
        features = dict(description["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    stored: dict[str, dict[str, Json]] = {}
    for column, feature in features.items():
        # Earlier versions wrote a list of classes as a list with one feature.
        if isinstance(feature, list) and len(feature) == 1:
            feature = {"feature": feature[0]}
        if isinstance(feature, dict):
            stored[column] = feature
    return stored


def _stored_names(feature: Json) -> list[str]:
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


def _class_names(numbers: Iterable[float], classes: ClassNames) -> list[str | None]:
    """Return the names of class numbers; below zero or missing, there is none."""
    names: list[str | None] = []
    for number in numbers:
        # Data sets have -1 where nobody has said the class, as in the test splits of benchmarks.
        if is_missing(number) or number < 0:
            names.append(None)
        else:
            names.append(classes.int2str(int(number)))
    return names


def _class_name_lists(rows: pd.Series, classes: ClassNames) -> pd.Series:
    """Return the names of rows with several class numbers each; a missing row stays missing."""
    names: list[list[str | None] | None] = []
    for numbers in rows:
        if numbers is None:
            names.append(None)
        else:
            names.append(_class_names(numbers, classes))
    return pd.Series(names, index=rows.index, dtype=object)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    # Some errors have no text at all.
    if not lines:
        return ""
    return lines[0]
