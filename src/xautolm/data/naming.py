"""What people call data: the name of a file, folder or hub data set, and what in it only says which part this is."""

from __future__ import annotations

import re
from pathlib import Path

PARTS = frozenset(
    {
        "data",
        "default",
        "dev",
        "eval",
        "main",
        "plain",
        "raw",
        "split",
        "splits",
        "test",
        "text",
        "train",
        "training",
        "val",
        "valid",
        "validation",
    }
)
"""Words that say which part of some data a file or folder holds, or nothing at all."""
SHARD = re.compile(r"-\d{5}-of-\d{5}")
"""Ends the names of files that hold one of several parts, as the hub writes them."""
SUFFIX = re.compile(r"(\.(csv|tsv|txt|jsonl|ndjson|json|parquet|xlsx|feather|arrow|gz|zip|bz2|xz))+$", re.IGNORECASE)
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
    if not path.exists():
        return name
    folders = path.resolve().parent.parts
    for count in range(1, len(folders)):
        if _says_more(folders[-count]):
            return "/".join([*folders[-count:], name])
    return name


def is_called(name: str, wanted: str) -> bool:
    """Return whether data of a name may be called `wanted`: a file, folder or owner in the name reads alike.

    Letters and digits count, case and signs do not: `SST-2/train.tsv` is sst2, `stanfordnlp/sst2` is too.
    """
    wanted_words = _words(wanted)
    return bool(wanted_words) and any("".join(_words(piece)) == "".join(wanted_words) for piece in name.split("/"))


def _says_more(name: str) -> bool:
    """Return whether a name says what the data is, not only which part or version of it."""
    return any(not VERSION.fullmatch(word) for word in _words(name))


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without its suffix and without those that say which part it is."""
    stem = SHARD.sub("", SUFFIX.sub("", name)).lower()
    return [word for word in WORD.findall(stem) if word not in PARTS]
