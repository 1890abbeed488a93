"""The meta-features of a task's data on a machine: what they are computed from, and what is known of them already."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from xautolm.metafeatures import (
    FEATURES,
    Encode,
    FeatureGroup,
    Part,
    Sample,
    known_features,
    measure,
)
from xautolm.records import Features, Limits, SystemProfile
from xautolm.settings import cache_folder
from xautolm.tasks import Task
from xautolm.vocabulary import TargetKind

SEED = 0
"""Of the sample that is described: the same data gives the same numbers in every search."""
CACHE = "metafeatures"
"""Folder in the cache that keeps features of data by its fingerprint."""


def describe(
    table: pd.DataFrame,
    task: Task,
    system: SystemProfile,
    limits: Limits,
    fingerprint: str,
    encode: Encode | None = None,
) -> Features:
    """Return the meta-features of a task on a machine; those of the data are kept by its fingerprint.

    Args:
        table: The training rows; the last column has the targets.
        task: The task.
        system: The machine.
        limits: Of a trial.
        fingerprint: The data's.
        encode: Embeds texts where a sentence encoder can run in this process; by default it runs in one of its own.
    """
    inputs = table.iloc[:, :-1]
    # Several texts of a row (a question and its context) are described as one, a line each.
    texts = list(inputs.agg("\n".join, axis=1))
    targets = list(table.iloc[:, -1])
    if task.target_kind == TargetKind.TEXTS:
        targets = [task.words(target) for target in targets]
    sample = Sample(
        texts=texts,
        targets=targets,
        examples=len(table),
        system=system,
        limits=limits,
        seed=SEED,
        encode=encode,
    )
    groups = FEATURES.things.values()
    return measure(groups, sample, task.target_kind, feature_cache(), fingerprint)


def feature_cache() -> Path:
    """Return the folder that keeps features of data by its fingerprint."""
    return cache_folder() / CACHE


def known_description(
    task: Task, system: SystemProfile, limits: Limits, fingerprint: str
) -> Features:
    """Return the meta-features that are known without a look at the data: the machine's, and what the cache has."""
    # Groups of the system look at the machine and the limits only, so a sample without texts will do.
    machine = Sample(texts=(), targets=(), examples=0, system=system, limits=limits, seed=SEED)
    cached = known_features(feature_cache(), fingerprint)
    features: dict[str, tuple[float, ...]] = {}
    for name, group in groups_for(task).items():
        if group.part == Part.SYSTEM:
            features[name] = group.compute(machine)
        elif name in cached:
            features[name] = cached[name]
    return features


def is_whole(features: Features, task: Task) -> bool:
    """Return whether every group is there that applies to a task."""
    return all(name in features for name in groups_for(task))


def groups_for(task: Task) -> dict[str, FeatureGroup]:
    """Return the groups that apply to a task, by name."""
    groups: dict[str, FeatureGroup] = {}
    for name, group in FEATURES.things.items():
        if group.targets in {task.target_kind, TargetKind.ANY}:
            groups[name] = group
    return groups
