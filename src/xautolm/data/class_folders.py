"""Texts in a folder for each class, one file a text: `train/pos/0_9.txt`, as reviews and news are often published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from xautolm.data.encodings import decoded
from xautolm.data.source import FILE, Source
from xautolm.data.split_names import split_of
from xautolm.data.surrogates import repaired_table
from xautolm.errors import DataError
from xautolm.vocabulary import Split

TEXT_SUFFIXES = frozenset({".txt", ""})
"""Of texts: in the folders of newsgroups, files are named by a number alone."""
UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})
"""Folders whose texts have no class."""
FEWEST_CLASSES = 2
FEWEST_TEXTS = 2
"""Of a class, on the mean: folders of single texts are laid by something else."""


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """The texts of a folder by split and class, paths relative to it, and those without a class."""

    splits: Mapping[Split, Mapping[str, tuple[PurePath, ...]]]
    unlabelled: int
    """How many texts lie in folders for those without a class."""


def class_folders(paths: Iterable[PurePath]) -> ClassFolders | None:
    """Return which texts have which class; None where files are not laid by class.

    A folder that a split is named by holds the classes of that split; without any, all is for training.

    Args:
        paths: Of all files, relative to the folder.
    """
    by_split: dict[Split, dict[str, list[PurePath]]] = {}
    unlabelled = 0
    for path in paths:
        # Outside any folder lie a `LICENSE` and a `notes.txt`, and in that of a split they may, too.
        folder = path.parent.name
        if not folder or split_of(folder) is not None or path.suffix.lower() not in TEXT_SUFFIXES:
            continue
        if folder.lower() in UNLABELLED:
            unlabelled += 1
            continue
        split = _split_above(path.parent) or Split.TRAIN
        classes = by_split.setdefault(split, {})
        classes.setdefault(folder, []).append(path)
    train = by_split.get(Split.TRAIN, {})
    if len(train) < FEWEST_CLASSES or _mean_size(train) < FEWEST_TEXTS:
        return None
    splits: dict[Split, dict[str, tuple[PurePath, ...]]] = {}
    for split, classes in by_split.items():
        splits[split] = {name: tuple(texts) for name, texts in classes.items()}
    return ClassFolders(splits, unlabelled)


def _mean_size(classes: Mapping[str, Sequence[PurePath]]) -> float:
    """Return how many texts a class has, on the mean."""
    return sum(len(texts) for texts in classes.values()) / len(classes)


def _split_above(folder: PurePath) -> Split | None:
    """Return the split that the innermost of the folders above a class's folder is named by."""
    for name in reversed(folder.parent.parts):
        split = split_of(name)
        if split is not None:
            return split
    return None


def read_class_folders(folder: Path, laid: ClassFolders, encoding: str | None = None) -> Source:
    """Return the texts of a folder with the names of their folders as labels.

    Args:
        folder: The folder.
        laid: Which texts have which class.
        encoding: Of the texts, where it is not UTF-8.

    Raises:
        DataError: A text cannot be read, or is in another encoding; its file is named.
    """
    tables: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    for split, classes in laid.splits.items():
        texts: list[str] = []
        labels: list[str] = []
        places: list[str] = []
        for label, paths in classes.items():
            for path in paths:
                texts.append(_text(folder / path, encoding))
                labels.append(label)
                places.append(path.as_posix())
        index = pd.Index(places, name=FILE)
        table = pd.DataFrame({"text": texts, "label": labels}, index=index, dtype=object)
        tables[split], repairs = repaired_table(table, f"{split} split")
        notes.extend(repairs)
        names = ", ".join(sorted(classes))
        notes.append(f"{split}: {len(texts):,} files, classes by folder: {names}")
    if laid.unlabelled:
        notes.append(f"not read, since their folder says no class: {laid.unlabelled:,} files")
    return Source(folder.resolve().name, tables, tuple(notes))


def _text(path: Path, encoding: str | None) -> str:
    """Return the text of a file, without the line ends around it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}.", got=error.strerror or error) from None
    text, _ = decoded(content, str(path), encoding)
    return text.strip()
