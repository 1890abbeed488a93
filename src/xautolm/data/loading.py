"""The door: tables from wherever people keep them, be it files, folders, hub data sets, frames or lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from xautolm.data.encodings import check_encoding
from xautolm.data.files import READERS, read_file
from xautolm.data.folders import read_folder
from xautolm.data.frames import Tabular, with_index_columns
from xautolm.data.hugging_face import as_frame, from_disk, from_hub, is_saved, named_splits
from xautolm.data.source import Source, check_column_names
from xautolm.data.surrogates import repaired_table
from xautolm.data.unpacking import data_suffix
from xautolm.errors import DataError
from xautolm.vocabulary import Split

HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
"""The name of a data set on the hub, with or without its owner."""
FILE_ADDRESS = "file://"
STANDARD_INPUT = "-"
SHOWN = 300
"""Characters of a wrong name that a message shows."""


def load(data: object, encoding: str | None = None, *, any_split: bool = False) -> Source:
    """Return data from a path, a hub name, a data frame, a `datasets` object, or a list or mapping of columns.

    Args:
        data: Any of these.
        encoding: Of text files, where it is not UTF-8.
        any_split: Whether it may be without a training split, as data to test on.

    Raises:
        DataError: It does not exist or cannot be read; a corrupt row is named by its line.
        UsageError: There is no such encoding.
    """
    check_encoding(encoding)
    if isinstance(data, str | Path):
        return _from_path(str(data), encoding, any_split=any_split)
    return _whole(_from_memory(data, any_split=any_split))


def _from_memory(data: object, *, any_split: bool) -> Source:
    """Return data that is in memory.

    Raises:
        DataError: It is none of the kinds that are read, or its columns form no table.
    """
    if isinstance(data, pd.DataFrame):
        frame = with_index_columns(data)
        # Rows are told apart by position, whatever the index of a frame counts.
        return Source("data frame", {Split.TRAIN: frame.reset_index(drop=True)})
    if isinstance(data, Tabular):
        return Source("data set", {Split.TRAIN: as_frame(data)})
    if isinstance(data, Mapping) and data:
        tables = data.values()
        if all(isinstance(table, pd.DataFrame | Tabular) for table in tables):
            return named_splits("data set", data, any_split=any_split)
    if not isinstance(data, Mapping | list):
        raise DataError(
            "Cannot read the data.",
            got=f"an object of type {type(data).__name__}",
            fix="Give a path, a hub name, a pandas DataFrame, a datasets.Dataset, or a mapping of columns.",
        )
    columns = data
    if isinstance(data, Mapping):
        # Of all mappings, pandas takes dictionaries only.
        columns = dict(data)
    try:
        table = pd.DataFrame(columns, dtype=object)
    except ValueError as error:
        raise DataError("The columns do not form a table.", got=error) from None
    return Source("data", {Split.TRAIN: table})


def _from_path(location: str, encoding: str | None, *, any_split: bool) -> Source:
    """Return data from a file, a folder, or the hub.

    Raises:
        DataError: There is no such thing, or it cannot be read.
    """
    if not location.strip():
        # Python takes an empty path for the folder that it is in.
        raise DataError(
            "The name of the data is empty.",
            got=repr(location),
            fix="Give a file, folder or hub name. Is a variable of the shell not set?",
        )
    try:
        path = Path(location.removeprefix(FILE_ADDRESS)).expanduser()
        is_file = path.is_file()
        is_folder = path.is_dir()
        is_data_set = is_folder and is_saved(path)
        is_special = path.exists() or location == STANDARD_INPUT
    except (OSError, RuntimeError) as error:
        # A name that is too long, a folder that may not be entered, `~` of somebody who is not there.
        reason = getattr(error, "strerror", None) or str(error)
        raise _no_such_file(location, f"{reason}.") from None
    if is_file:
        return read_file(path, encoding)
    if is_data_set:
        return _whole(from_disk(path, any_split=any_split))
    if is_folder:
        return read_folder(path, encoding, any_split=any_split)
    if is_special:
        raise DataError(
            "Not a regular file.", got=location, fix="Write the data to a file, and give that."
        )
    # A name with a known suffix is meant as a file, though the hub could have one of that name.
    is_file_name = data_suffix(path) in READERS
    if is_file_name or not HUB_NAME.fullmatch(location):
        raise _no_such_file(location, _where_to_look(location, path))
    return _whole(from_hub(location, any_split=any_split))


def _no_such_file(location: str, advice: str) -> DataError:
    shown = location
    if len(location) > SHOWN or not location.isprintable() or location != location.strip():
        # What cannot be seen otherwise: blanks at the ends, and data in the place of its file's name.
        shown = repr(location[:SHOWN])
    return DataError("No such file.", got=shown, fix=advice)


def _where_to_look(location: str, path: Path) -> str:
    """Return what can be done about a name of a file that is not there."""
    if "://" in location:
        return "Download it and give the file."
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder}."
    names = [neighbor.name for neighbor in folder.iterdir()]
    similar = get_close_matches(path.name, names, n=1)
    if similar:
        return f"Did you mean {folder / similar[0]}?"
    return f"Looked in {folder.resolve()}."


def _whole(source: Source) -> Source:
    """Return tables whose columns have names of their own and whose texts are made of whole characters.

    Raises:
        DataError: Two columns of one name.
    """
    tables: dict[str, pd.DataFrame] = {}
    notes = list(source.notes)
    for split, table in source.splits.items():
        place = f"{split} split"
        check_column_names(table, f"{source.name}, {place}")
        # Files are repaired when they are read; this is for what comes from memory and from the hub.
        repaired, repair_notes = repaired_table(table, place)
        tables[split] = repaired
        notes.extend(repair_notes)
    return replace(source, splits=tables, notes=tuple(notes))
