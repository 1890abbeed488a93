"""All meta-features that apply to a task, computed once for each data set."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.errors import DamagedFileError
from xautolm.metafeatures.base import FeatureGroup, Sample
from xautolm.records import Features, is_fingerprint
from xautolm.serialization import read_json, write_json

logger = logging.getLogger(__name__)

SAMPLE = 4_000
"""Rows looked at, drawn with the seed."""


def measure(groups: Iterable[FeatureGroup], sample: Sample, kind: str, cache: Path | None, key: str) -> Features:
    """The meta-features of a task on a machine.

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
    few = _few(sample)
    known = known_features(cache, key) if cache else {}
    found: dict[str, tuple[float, ...]] = {}
    for group in groups:
        if group.targets not in {kind, "any"}:
            continue
        if group.part != "system" and group.name in known:
            found[group.name] = known[group.name]
        elif values := group.compute(few):
            found[group.name] = tuple(float(np.nan_to_num(value, posinf=0, neginf=0)) for value in values)
    if cache:
        parts = {group.name: group.part for group in groups}
        _keep(cache, key, {name: values for name, values in found.items() if parts[name] != "system"})
    return found


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
        features = {str(name): tuple(map(float, values)) for name, values in stored.items()}
    except (DamagedFileError, AttributeError, TypeError, ValueError, OverflowError) as error:
        _warn_once(f"meta-features in the cache cannot be read and are left out: {path}: {error}")
        return {}
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
        _warn_once(f"meta-features cannot be kept in the cache ({error}); XAUTOLM_CACHE names another place")


@cache
def _warn_once(message: str) -> None:
    """Log a warning the first time: a store has many experiences of one data set."""
    logger.warning(message)


def _place(cache: Path, key: str) -> Path | None:
    """Return the file of some data's features; None for a key that is no fingerprint."""
    return cache / f"{key}.json" if is_fingerprint(key) else None


def _few(sample: Sample) -> Sample:
    if len(sample.texts) <= SAMPLE:
        return sample
    chosen = np.sort(np.random.default_rng(sample.seed).choice(len(sample.texts), SAMPLE, replace=False))
    return replace(sample, texts=_taken(sample.texts, chosen), targets=_taken(sample.targets, chosen))


def _taken(values: Sequence[Any], positions: np.ndarray) -> list[Any]:
    return [values[position] for position in positions.tolist()]
