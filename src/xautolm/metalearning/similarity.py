"""How far past experiences are from the task at hand (XAutoLM, arXiv 2508.00924, warm start steps 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.records import Experience, Features

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rows of shape (n, features) and one row of shape (features,) to n distances."""

PARTS = {
    "task": ("classification-paper.v1", "generation-paper.v1", "regression.v1"),
    "system": ("system-paper.v1",),
    "semantic": ("semantic-minilm.v1", "semantic-hashed.v1"),
}
"""The groups of meta-features that can enter each part of the distance, the best first."""
OWN = "own:"
"""Begins the name of a group of meta-features that a person brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of the three parts of the distance; the paper's by default."""

    task: float = 0.4
    semantic: float = 0.3
    system: float = 0.3


@dataclass(frozen=True, slots=True)
class Near:
    """A past experience and its distance to the current task."""

    experience: Experience
    distance: float


def measured(
    experiences: Sequence[Experience], current: Features, metric: str = "euclidean", weights: Weights | None = None
) -> tuple[list[Near], int]:
    """Distances of experiences to the current task and machine.

    Each group of features is normalised over store and current task together: log1p, then min-max, feature by feature.
    The distance is the weighted sum of the parts: `metric` for task and system, cosine for the semantic vectors. Of
    several groups for a part, the one that most experiences share with the current task is used. A part that either
    side lacks is left out and the other weights are scaled up to the same sum.

    Args:
        experiences: Past experiences.
        current: Meta-features of the task at hand.
        metric: `euclidean`, `cosine`, `manhattan` or `mahalanobis`.
        weights: Of the parts.

    Returns:
        The experiences whose task features can be compared, nearest first, and how many cannot: features of another
        version, of another length, or not finite.

    Raises:
        UnknownNameError: No such metric.
    """
    if metric not in DISTANCES:
        raise UnknownNameError("distance", metric, DISTANCES)
    parts = _parts(experiences, current)
    if "task" not in parts:
        return [], len(experiences)
    shares = weights or Weights()
    comparable = [one for one in experiences if _is_comparable(one.features, current, parts["task"])]
    total = np.zeros(len(comparable))
    used = np.zeros(len(comparable))
    for part, group in parts.items():
        share = getattr(shares, part)
        having = [index for index, one in enumerate(comparable) if _is_comparable(one.features, current, group)]
        if not having or not share:
            continue
        rows = np.asarray([comparable[index].features[group] for index in having])
        row = np.asarray(current[group])
        distance = DISTANCES["cosine"](rows, row) if part == "semantic" else DISTANCES[metric](*normalised(rows, row))
        total[having] += share * distance
        used[having] += share
    total *= np.divide(used.max(initial=0.0), used, out=np.zeros_like(used), where=used > 0)
    near = [Near(one, float(distance)) for one, distance in zip(comparable, total, strict=True)]
    return sorted(near, key=lambda one: (one.distance, one.experience.id)), len(experiences) - len(comparable)


def normalised(rows: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log1p, then min-max over rows and row together, feature by feature; a constant feature becomes 0."""
    together = np.log1p(np.maximum(np.vstack([rows, row]), 0.0))
    low, width = together.min(axis=0), np.ptp(together, axis=0)
    scaled = np.divide(together - low, width, out=np.zeros_like(together), where=width > 0)
    return scaled[:-1], scaled[-1]


def own_features(values: Mapping[str, float]) -> Features:
    """Meta-features of somebody's own as a group that takes the place of the task's; comparable by their names.

    Raises:
        UsageError: A value that is no finite number, or no value at all.
    """
    wrong = {name: value for name, value in values.items() if not _is_number(value)}
    if wrong or not values:
        raise UsageError("Meta-features must be finite numbers by name.", got=wrong or "none")
    names = sorted(values)
    return {OWN + ",".join(names): tuple(float(values[name]) for name in names)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _parts(experiences: Sequence[Experience], current: Features) -> dict[str, str]:
    found = {part: [group for group in groups if group in current] for part, groups in PARTS.items()}
    found["task"] += [group for group in current if group.startswith(OWN)]

    def shared(group: str) -> int:
        return sum(_is_comparable(one.features, current, group) for one in experiences)

    return {part: max(groups, key=shared) if len(groups) > 1 else groups[0] for part, groups in found.items() if groups}


def _is_comparable(features: Features, current: Features, group: str) -> bool:
    values = features.get(group, ())
    return len(values) == len(current[group]) and bool(np.isfinite(values).all())


def _euclidean(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(rows - row, axis=1))


def _manhattan(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(rows - row).sum(axis=1))


def _cosine(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(row)
    similarity = np.divide(rows @ row, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    return np.asarray(np.maximum(1 - similarity, 0.0))  # rounding can take it below


def _mahalanobis(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """With the covariance of rows and row, regularised: stores have fewer tasks than features."""
    covariance = np.cov(np.vstack([rows, row]), rowvar=False) + 1e-3 * np.eye(len(row))
    difference = rows - row
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", difference, np.linalg.inv(covariance), difference)))


DISTANCES: Mapping[str, Distance] = {
    "euclidean": _euclidean,
    "cosine": _cosine,
    "manhattan": _manhattan,
    "mahalanobis": _mahalanobis,
}
