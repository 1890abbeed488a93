"""What people call data: the name of a file, folder or hub data set, and what in it only says which part this is."""

from __future__ import annotations

import re
from pathlib import Path

from xautolm.data.split_names import ALIASES, PART_NUMBER

EMPTY_WORDS = frozenset(
    {"data", "default", "eval", "main", "plain", "raw", "split", "splits", "text"}
)
"""Words in names of files and folders that say nothing of the data, besides those for splits."""
PARTS = EMPTY_WORDS.union(*ALIASES.values())
"""Words that say which part of some data a file or folder holds, or nothing at all."""
SHARD = re.compile(PART_NUMBER)
SUFFIX = re.compile(
    r"(\.(csv|tsv|psv|txt|jsonl|jsonlines|ndjson|json|parquet|pq|xlsx|feather|arrow|gz|zip|bz2|xz|lzma|zst))+$",
    re.IGNORECASE,
)
VERSION = re.compile(r"v?\d+")
WORD = re.compile(r"[^\W_]+")


def data_name(data: object, name: str) -> str:
    """Return what the data is called: where its name only says which part it is, with folders up to one that says more.

    Args:
        data: What was given; the path of a file or folder if it is a text or a path.
        name: What it is called without its folders.

    Example:
        >>> data_name("corpora/squad/data/train-00000-of-00001.parquet", "train-00000-of-00001.parquet")
        'squad/data/train-00000-of-00001.parquet'
    """
    if not isinstance(data, str | Path) or _says_more(name):
        return name
    path = Path(data).expanduser()
    # The name of a data set on the hub is no path.
    if not path.exists():
        return name
    folders = path.resolve().parent.parts
    # The root of the file system names nothing.
    for count in range(1, len(folders)):
        innermost = folders[-count:]
        if _says_more(innermost[0]):
            return "/".join([*innermost, name])
    return name


def is_called(name: str, expected: str) -> bool:
    """Return whether data of a name may be called `expected`: a file, folder or owner in the name reads alike.

    Letters and digits count, case and signs do not: `SST-2/train.tsv` is sst2, `stanfordnlp/sst2` is too.
    """
    expected_letters = "".join(_words(expected))
    if not expected_letters:
        return False
    for piece in name.split("/"):
        letters = "".join(_words(piece))
        if letters == expected_letters:
            return True
    return False


def _says_more(name: str) -> bool:
    """Return whether a name says what the data is, not only which part or version of it."""
    return any(not VERSION.fullmatch(word) for word in _words(name))


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without its suffix and without those that say which part it is."""
    without_suffix = SUFFIX.sub("", name)
    stem = SHARD.sub("", without_suffix)
    words = WORD.findall(stem.lower())
    return [word for word in words if word not in PARTS]
