"""A folder as a person or the hub lays it: which of its files make up which split."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from xautolm.cells import listed
from xautolm.data.class_folders import class_folders, read_class_folders
from xautolm.data.files import READERS, read_file
from xautolm.data.source import FILE, NotedTable, Source, place_of
from xautolm.data.split_names import PART_NUMBER, split_of
from xautolm.data.unpacking import ARCHIVE, DECOMPRESSORS, data_suffix
from xautolm.errors import DataError
from xautolm.vocabulary import Split

DEEPEST = 3
"""Levels of folders that are looked into: the hub's are `data/` or `NAME/`, and a folder for each split."""
SHARD = re.compile(rf"(?P<stem>.*?){PART_NUMBER}(?P<rest>.*)")
"""The name of a part of a table, as the hub writes it: `train-00000-of-00003-a1b2c3.parquet`."""
TEXT_SUFFIXES = frozenset({".txt", ARCHIVE})
"""Of files that are tables only if they are named by a split."""
SURE_SUFFIXES = frozenset(READERS) - TEXT_SUFFIXES
NUMBERS = re.compile(r"\d+")
SHOWN_FILES = 6
"""Files, or numbers of files, that a message lists."""
NAMES_OF_NO_DATA = frozenset(
    {
        "dataset_info",
        "dataset_infos",
        "dataset_dict",
        "state",
        "config",
        "metadata",
        "package",
        "requirements",
    }
)
"""Stems of JSON and text files that describe a folder."""


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The data files of a folder by split, and those that no split is named by; paths are relative to it."""

    splits: Mapping[str, tuple[PurePath, ...]]
    nameless: tuple[PurePath, ...]


def read_folder(folder: Path, encoding: str | None = None, *, any_split: bool = False) -> Source:
    """Return the splits of a folder: files named by split, in it or in its folders, whole or in parts.

    Where there is none, it may have a folder of texts for each class.

    Args:
        folder: As a person or the hub lays it.
        encoding: Of text files, where it is not UTF-8.
        any_split: Whether it may be without a training split, as data to test on.

    Raises:
        DataError: No training file, two of one split, or a part is missing; all that matter are named.
    """
    files = data_files(folder)
    is_enough = Split.TRAIN in files.splits or (any_split and files.splits)
    if not is_enough:
        all_files = _files_below(folder)
        laid = class_folders(all_files)
        if laid is not None:
            return read_class_folders(folder, laid, encoding)
        content = _listed_paths(all_files) or "no file"
        raise DataError(
            "The folder has no training split.",
            got=f"{folder} with {content}",
            fix="Name the file train.csv, .tsv, .jsonl or .parquet, or give a file; a folder for each class, with one "
            ".txt a text, is read too.",
        )
    tables: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    for split, paths in files.splits.items():
        check_parts(folder, split, paths)
        table, part_notes = _joined(folder, paths, encoding)
        tables[split] = table
        notes.extend(part_notes)

    if files.nameless:
        unread = _listed_paths(files.nameless)
        notes.append(f"not read, since no split is in the name: {unread}")
    return Source(folder.resolve().name, tables, tuple(notes))


def data_files(folder: Path) -> DataFiles:
    """Return the files of a folder that hold tables, by the split that their names, or else their folders', say."""
    splits: dict[str, list[PurePath]] = {}
    nameless: list[PurePath] = []
    for path in _files_below(folder):
        if not _is_table(path):
            continue
        # The file's own name says most, then the innermost folder's.
        split = split_of(_stem(path))
        for parent in reversed(path.parent.parts):
            split = split or split_of(parent)
        if split is None:
            nameless.append(path)
            continue
        paths_of_split = splits.setdefault(split, [])
        paths_of_split.append(path)
    paths_by_split: dict[str, tuple[PurePath, ...]] = {}
    for split_name, paths in splits.items():
        paths_by_split[split_name] = tuple(paths)
    return DataFiles(paths_by_split, tuple(nameless))


def _is_table(path: PurePath) -> bool:
    """Return whether a file holds a table; texts and archives do if a split is in their names."""
    if path.stem.lower() in NAMES_OF_NO_DATA:
        return False
    # A text may be a licence or a list of requirements, an archive anything.
    suffix = data_suffix(path)
    if suffix in TEXT_SUFFIXES:
        return split_of(_stem(path)) is not None
    return suffix in SURE_SUFFIXES


def _files_below(folder: Path) -> list[PurePath]:
    """Return the files of a folder, relative to it, in order; hidden ones are left out."""
    files: list[PurePath] = []
    root = folder.resolve()
    linked: set[Path] = set()

    def is_new(place: Path) -> bool:
        """Return whether a folder has files that are not listed under another name: it is none, or a further, link."""
        if not place.is_symlink():
            return True
        target = place.resolve()
        is_inside = target == root or root in target.parents
        # A link to a folder around this one would lead back here.
        is_around = target in root.parents
        if is_inside or is_around or target in linked:
            return False
        linked.add(target)
        return True

    for parent, folders, names in os.walk(folder, followlinks=True):
        place = Path(parent).relative_to(folder)
        subfolders: list[str] = []
        if len(place.parts) < DEEPEST:
            # Folders such as `.git`, `__pycache__` and macOS' `__MACOSX` are made by programs.
            visible = [name for name in folders if not name.startswith((".", "__"))]
            subfolders = [name for name in sorted(visible) if is_new(Path(parent, name))]
        # `os.walk` goes on into the folders that it finds in its own list.
        folders[:] = subfolders
        for name in sorted(names):
            if not name.startswith("."):
                files.append(place / name)
    return files


def _stem(path: PurePath) -> str:
    """Return a file's name without what says how it is written: `train` for `train.csv.gz`."""
    suffix = path.suffix.lower()
    if suffix == ARCHIVE or suffix in DECOMPRESSORS:
        # Of `train.csv.gz`, `train.csv` is left.
        path = path.with_suffix("")
    return path.stem


def check_parts(folder: Path, split: str, paths: Sequence[PurePath]) -> None:
    """Refuse several files of one split that are not the parts of one table, or not all of them.

    Raises:
        DataError: They are named.
    """
    shards: list[_Shard] = []
    for path in paths:
        shard = _shard(path)
        if shard is not None:
            shards.append(shard)
    tables = {(shard.table, shard.count) for shard in shards}
    if len(shards) == len(paths) and len(tables) == 1:
        _check_complete(folder, shards)
        return
    if len(paths) > 1 and not _are_numbered_parts(paths):
        raise DataError(
            f"Several files could be the {split} split.",
            got=f"{_listed_paths(paths)} in {folder}",
            fix="Keep one of them, give one of its folders, or give files: TRAIN.csv --validation FILE --test FILE.",
        )


@dataclass(frozen=True, slots=True)
class _Shard:
    """A part of a table that says which of how many it is."""

    table: PurePath
    """The path without number, count and what follows."""
    number: int
    count: int


def _shard(path: PurePath) -> _Shard | None:
    match = SHARD.fullmatch(path.name)
    if match is None:
        return None
    table = path.parent / match["stem"]
    number = int(match["number"])
    count = int(match["count"])
    return _Shard(table, number, count)


def _are_numbered_parts(paths: Sequence[PurePath]) -> bool:
    """Return whether files lie in a folder named by the split and differ in a number only, as Spark writes them."""
    parents: set[PurePath] = set()
    patterns: set[str] = set()
    for path in paths:
        parents.add(path.parent)
        patterns.add(NUMBERS.sub("#", path.name))
    if len(parents) > 1 or len(patterns) > 1:
        return False
    # Then it is the folder that names the split, not the files.
    return split_of(_stem(paths[0])) is None


def _check_complete(folder: Path, shards: Sequence[_Shard]) -> None:
    """Refuse parts of a table among which some are missing.

    Raises:
        DataError: The numbers of those.
    """
    count = shards[0].count
    table = shards[0].table
    present = {shard.number for shard in shards}
    missing = [number for number in range(count) if number not in present]
    # As many files as there are parts, and all numbers: then none of them is there twice either.
    if not missing and len(shards) == count:
        return
    numbers = ", ".join(map(str, missing[:SHOWN_FILES])) or "none"
    place = folder / table.parent
    raise DataError(
        f"Of {count} parts of {table.name!r} only {count - len(missing)} are there.",
        got=f"{len(shards)} files in {place}; missing: number {numbers}",
        fix="Fetch the missing ones, for example with `hf download`.",
    )


def _joined(folder: Path, paths: Sequence[PurePath], encoding: str | None) -> NotedTable:
    """Return the parts of a table one below the other; the index says in which file a row stands, and where.

    Raises:
        DataError: A part has other columns than the first.
    """
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    for path in paths:
        part = read_file(folder / path, encoding)
        split_names = list(part.splits)
        if split_names != [Split.TRAIN]:
            raise DataError(
                f"{folder / path} holds several splits of its own.",
                got=", ".join(split_names),
                fix="Give that file.",
            )
        table = part.splits[Split.TRAIN]
        tables.append(table)
        notes.extend(part.notes)
        _check_same_columns(table, path, tables[0], paths[0])
    if len(tables) == 1:
        return tables[0], notes

    for path, table in zip(paths, tables, strict=True):
        # A line says where a row stands only together with its file.
        places: list[str] = []
        for place in table.index:
            row = place_of(table, place)
            places.append(f"{path.name}, {row}")
        table.index = pd.Index(places, name=FILE)
    return pd.concat(tables), notes


def _check_same_columns(
    table: pd.DataFrame, path: PurePath, first: pd.DataFrame, first_path: PurePath
) -> None:
    """Refuse a part of a table that has other columns than the first.

    Raises:
        DataError: The columns of both.
    """
    if set(table.columns) == set(first.columns):
        return
    columns = ", ".join(map(str, table.columns))
    first_columns = ", ".join(map(str, first.columns))
    raise DataError(
        f"{path} has other columns than {first_path}.",
        got=f"{columns} instead of {first_columns}",
    )


def _listed_paths(paths: Sequence[PurePath]) -> str:
    names = [path.as_posix() for path in paths]
    return listed(names, SHOWN_FILES)
