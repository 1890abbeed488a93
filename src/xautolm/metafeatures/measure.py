"""All meta-features that apply to a task, computed once for each data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xautolm.errors import DamagedFileError
from xautolm.metafeatures.base import FeatureGroup, Part, Sample
from xautolm.notices import warn_once
from xautolm.records import Features, is_fingerprint
from xautolm.serialization import read_json, write_json

SAMPLE = 4_000
"""Rows looked at, drawn with the seed."""


def measure(
    groups: Iterable[FeatureGroup], sample: Sample, kind: str, cache: Path | None, key: str
) -> Features:
    """Return the meta-features of a task on a machine.

    Args:
        groups: All groups there are.
        sample: The data, whole or already sampled.
        kind: What the targets are: `classes`, `numbers` or `texts`.
        cache: Folder where task features are kept by data fingerprint; None to compute them anew.
        key: The data's fingerprint.

    Returns:
        Numbers by the groups' versioned names. A value that is not finite is stored as 0; a group that cannot be had
        here is left out.
    """
    rows = _sampled(sample)
    cached = known_features(cache, key) if cache else {}
    features: dict[str, tuple[float, ...]] = {}
    of_data: dict[str, tuple[float, ...]] = {}
    for group in groups:
        if group.targets not in {kind, "any"}:
            continue
        # The machine may be another one by the next search, or busier.
        is_of_machine = group.part == Part.SYSTEM
        values: tuple[float, ...] = ()
        if not is_of_machine:
            values = cached.get(group.name, ())
        if not values:
            values = _finite(group.compute(rows))
        # A group that cannot be had here, such as a sentence encoder that is not installed.
        if not values:
            continue
        features[group.name] = values
        if not is_of_machine:
            of_data[group.name] = values
    if cache:
        _keep(cache, key, of_data)
    return features


def _finite(values: Sequence[float]) -> tuple[float, ...]:
    """Return numbers with 0 in the place of what is not finite, which neither a store nor a distance can hold."""
    numbers = np.asarray(values, dtype=float)
    finite = np.nan_to_num(numbers, posinf=0, neginf=0)
    return tuple(finite.tolist())


def known_features(cache: Path, key: str) -> Features:
    """Return the task features that were measured on this machine before; none if none were, or if they are damaged.

    Args:
        cache: Folder where they are kept.
        key: The data's fingerprint; anything else, such as a path, is not looked for.
    """
    path = _place(cache, key)
    if path is None or not path.is_file():
        return {}
    try:
        stored = read_json(path)
        features = {}
        for name, values in stored.items():
            features[str(name)] = tuple(float(value) for value in values)
    except (DamagedFileError, AttributeError, TypeError, ValueError, OverflowError) as error:
        # Once: a store has many experiences of one data set.
        warn_once(f"meta-features in the cache cannot be read and are left out: {path}: {error}")
        return {}
    # What `measure` keeps is finite: anything else is damage, and its group is measured anew.
    return {name: values for name, values in features.items() if np.isfinite(values).all()}


def _keep(cache: Path, key: str, features: Features) -> None:
    """Write features to the cache; where that cannot be, they will be measured again."""
    path = _place(cache, key)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, features)
    except OSError as error:
        warn_once(
            f"meta-features cannot be kept in the cache ({error}); XAUTOLM_CACHE names another place"
        )


def _place(cache: Path, key: str) -> Path | None:
    """Return the file of some data's features; None for a key that is no fingerprint."""
    if not is_fingerprint(key):
        return None
    return cache / f"{key}.json"


def _sampled(sample: Sample) -> Sample:
    """Return at most `SAMPLE` of the rows, in their order; the same ones for the same seed."""
    row_count = len(sample.texts)
    if row_count <= SAMPLE:
        return sample
    generator = np.random.default_rng(sample.seed)
    drawn = generator.choice(row_count, SAMPLE, replace=False)
    positions = np.sort(drawn).tolist()
    texts = [sample.texts[position] for position in positions]
    targets = [sample.targets[position] for position in positions]
    return replace(sample, texts=texts, targets=targets)
