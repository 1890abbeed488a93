"""What files, folders and data sets call their splits."""

from __future__ import annotations

import re
from collections.abc import Mapping

TRAIN, VALIDATION, TEST = "train", "validation", "test"

ALIASES: Mapping[str, tuple[str, ...]] = {
    TRAIN: ("train", "training", "trainset", "trn"),
    VALIDATION: ("validation", "valid", "val", "dev", "validate", "devset", "development"),
    TEST: ("test", "testing", "testset", "tst"),
}
"""Splits and the words for them, the usual one first."""

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
"""Words in names such as `train_data`, `TrainData`, `TRAIN-00000-of-00001` and `my.train2`."""


def split_of(name: str) -> str | None:
    """Return the split that a name means, or None: no word for one in it, or words for two."""
    words = {word.lower() for word in WORDS.findall(name)}
    splits = [split for split, aliases in ALIASES.items() if not words.isdisjoint(aliases)]
    if len(splits) != 1:
        return None
    return splits[0]
