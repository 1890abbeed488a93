"""All meta-features that apply to a task, computed once for each data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.documents import read_json, write_json
from xautolm.metafeatures.base import FeatureGroup, Sample
from xautolm.records import Features

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
    path = cache / f"{key}.json" if cache else None
    known = known_features(cache, key) if cache else {}
    found: dict[str, tuple[float, ...]] = {}
    for group in groups:
        if group.targets not in {kind, "any"}:
            continue
        if group.part != "system" and group.name in known:
            found[group.name] = known[group.name]
        elif values := group.compute(few):
            found[group.name] = tuple(float(np.nan_to_num(value, posinf=0, neginf=0)) for value in values)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = {group.name: group.part for group in groups}
        write_json(path, {name: values for name, values in found.items() if parts[name] != "system"})
    return found


def known_features(cache: Path, key: str) -> Features:
    """Task features that were measured on this machine before, by the data's fingerprint; empty if none were."""
    path = cache / f"{key}.json"
    stored = read_json(path) if path.is_file() else {}
    return {name: tuple(map(float, values)) for name, values in stored.items()}


def _few(sample: Sample) -> Sample:
    if len(sample.texts) <= SAMPLE:
        return sample
    chosen = np.sort(np.random.default_rng(sample.seed).choice(len(sample.texts), SAMPLE, replace=False))
    return replace(sample, texts=_taken(sample.texts, chosen), targets=_taken(sample.targets, chosen))


def _taken(values: Sequence[Any], positions: np.ndarray) -> list[Any]:
    return [values[position] for position in positions.tolist()]
