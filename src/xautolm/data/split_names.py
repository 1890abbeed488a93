"""What files, folders and data sets call their splits."""

from __future__ import annotations

import re
from collections.abc import Mapping

from xautolm.vocabulary import Split

ALIASES: Mapping[Split, tuple[str, ...]] = {
    Split.TRAIN: ("train", "training", "trainset", "trn"),
    Split.VALIDATION: ("validation", "valid", "val", "dev", "validate", "devset", "development"),
    Split.TEST: ("test", "testing", "testset", "tst"),
}
"""Splits and the words for them, the usual one first."""

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
"""Words in names such as `train_data`, `TrainData`, `TRAIN-00000-of-00001` and `my.train2`."""
PART_NUMBER = r"-(?P<number>\d{5})-of-(?P<count>\d{5})"
"""How the hub numbers the files that hold the parts of one table, as a pattern: `train-00000-of-00003.parquet`."""


def split_of(name: str) -> Split | None:
    """Return the split that a name means, or None: no word for one in it, or words for two."""
    words = {word.lower() for word in WORDS.findall(name)}
    splits: list[Split] = []
    for split, aliases in ALIASES.items():
        if not words.isdisjoint(aliases):
            splits.append(split)
    if len(splits) != 1:
        return None
    return splits[0]
