"""Texts in a folder for each class, one file a text: `train/pos/0_9.txt`, as reviews and news are often published."""

from __future__ import annotations

import mimetypes
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from xautolm.cells import listed
from xautolm.data.encodings import decoded
from xautolm.data.files import GIT_LFS_MAGIC, Content
from xautolm.data.source import FILE, Source
from xautolm.data.split_names import split_of
from xautolm.data.surrogates import repaired_table
from xautolm.errors import DataError
from xautolm.vocabulary import Split

UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})
"""Folders whose texts have no class."""
NO_TEXTS = frozenset({"image", "audio", "video", "font"})
"""Kinds of files that nobody takes for texts."""
LEAST_OF_CLASS = 0.1
"""Files of a folder that looks like one of a class, as a share of the median class."""
FEWEST_CLASSES = 2
FEWEST_TEXTS = 2
"""Of a class, on the mean: folders of single texts are laid by something else."""


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """The texts of a folder by split and class, paths relative to it."""

    splits: Mapping[Split, Mapping[str, tuple[PurePath, ...]]]
    unread: tuple[PurePath, ...]
    """Files in folders that are no texts, or of no class, or outside the folders of the splits where there are any."""


def class_folders(paths: Iterable[PurePath]) -> ClassFolders | None:
    """Return which texts have which class; None where files are not laid by class.

    A folder that a split is named by holds the classes of that split; without any, all is for training.

    Args:
        paths: Of all files, relative to the folder.
    """
    files = [path for path in paths if path.parent.name]
    texts = [path for path in files if _is_text(path)]
    splits = {path: _split_above(path.parent) for path in texts}
    has_splits = any(splits.values())
    # A folder that holds others is none of a class: a text beside them tells of the data.
    above = {folder for path in texts for folder in path.parent.parents}
    by_split: dict[Split, dict[str, list[PurePath]]] = {}
    read: set[PurePath] = set()
    for path, named_split in splits.items():
        is_elsewhere = has_splits and named_split is None
        if is_elsewhere or path.parent in above or not _is_class(path.parent):
            continue
        classes = by_split.setdefault(named_split or Split.TRAIN, {})
        classes.setdefault(path.parent.name, []).append(path)
        read.add(path)
    train = by_split.get(Split.TRAIN, {})
    if len(train) < FEWEST_CLASSES or _mean_size(train) < FEWEST_TEXTS:
        return None
    unread = [path for path in files if path not in read]
    _refuse_lost_classes(read, unread)
    paths_by_split: dict[Split, Mapping[str, tuple[PurePath, ...]]] = {}
    for split in sorted(by_split, key=list(Split).index):
        paths_by_split[split] = {name: tuple(own) for name, own in by_split[split].items()}
    return ClassFolders(paths_by_split, tuple(unread))


def _refuse_lost_classes(read: Collection[PurePath], unread: Sequence[PurePath]) -> None:
    """Refuse a folder that would be none of a class, for its name or for those of its files, though it looks like one.

    It stands beside theirs and has as many files as befits a class; a folder of documentation has fewer, and those of
    pictures or programs other ones.

    Raises:
        DataError: It is named, with what to do.
    """
    sizes = Counter(path.parent for path in read)
    places = {folder.parent for folder in sizes}
    fewest = max(FEWEST_TEXTS, LEAST_OF_CLASS * statistics.median(sizes.values()))
    unread_by_folder: dict[PurePath, list[PurePath]] = {}
    for path in unread:
        if path.parent.parent in places and path.parent not in sizes and _may_be_text(path):
            unread_by_folder.setdefault(path.parent, []).append(path)
    classes = listed(sorted({folder.name for folder in sizes}))
    for folder, paths in unread_by_folder.items():
        # Texts for a test may well have no class.
        is_without_class = folder.name.lower() in UNLABELLED or split_of(folder.name) is Split.TEST
        if len(paths) < fewest or is_without_class:
            continue
        got = f"{len(paths)} files such as {paths[0].name} in it, and beside it {classes}"
        if any(map(_is_text, paths)):
            raise DataError(
                f"The folder {folder} is named like a split, but holds texts as those of classes do.",
                got=got,
                fix=f"Put the folders of all classes into one called {Split.TRAIN}, or take it away.",
            )
        raise DataError(
            f"The folder {folder} stands beside those of classes, but holds no text that is read.",
            got=got,
            fix="Name each of its texts .txt, or take it away.",
        )


def _is_text(path: PurePath) -> bool:
    """Return whether a file may be a text of a class: outside any folder lie a `LICENSE` and a `notes.txt`."""
    # In the folders of newsgroups, files are named by a number alone.
    is_named_so = path.suffix.lower() == ".txt" or path.name.isdecimal()
    return bool(path.parent.name) and is_named_so


def _may_be_text(path: PurePath) -> bool:
    """Return whether a file may be a text of a class, whatever it is called: no picture, sound, film or program."""
    kind, _ = mimetypes.guess_type(path.name)
    if kind is None:
        return True
    return kind.split("/")[0] not in NO_TEXTS and not kind.startswith("text/x-")


def _is_class(folder: PurePath) -> bool:
    """Return whether a folder is a class: below that of a split any is, also `testing`; elsewhere that is a split."""
    name = folder.name
    if name.lower() in UNLABELLED:
        return False
    return split_of(name) is None or _split_above(folder) is not None


def _split_above(folder: PurePath) -> Split | None:
    """Return the split that the outermost of the folders above a class's folder is named by."""
    for name in folder.parent.parts:
        split = split_of(name)
        if split is not None:
            return split
    return None


def _mean_size(classes: Mapping[str, Sequence[PurePath]]) -> float:
    """Return how many texts a class has, on the mean."""
    return sum(len(texts) for texts in classes.values()) / len(classes)


def read_class_folders(folder: Path, laid: ClassFolders, encoding: str | None = None) -> Source:
    """Return the texts of a folder with the names of their folders as labels.

    Args:
        folder: The folder.
        laid: Which texts have which class.
        encoding: Of the texts, where it is not UTF-8.

    Raises:
        DataError: A text cannot be read, is none, or is in another encoding; its file is named.
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
    if laid.unread:
        folders = sorted({path.parent.as_posix() for path in laid.unread})
        notes.append(
            f"files not read, since they are no texts, or their folders say no class or no split: {len(laid.unread):,} "
            f"in {listed(folders)}"
        )
    return Source(folder.resolve().name, tables, tuple(notes))


def _text(path: Path, encoding: str | None) -> str:
    """Return the text of a file, without the line ends around it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}.", got=error.strerror or error) from None
    content = Content(data, str(path), encoding)
    # A pointer can be read as a text; pictures and archives cannot, and a web page may well be one.
    if data.startswith(GIT_LFS_MAGIC):
        content.check_is_data()
    # Notes on how a single text was decoded are left out: there may be thousands of them.
    text, _ = decoded(data, content.place, encoding)
    return text.strip()
