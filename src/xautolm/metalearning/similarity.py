"""How far past experiences are from the task at hand (XAutoLM, arXiv 2508.00924, warm start steps 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES
from xautolm.records import Experience, Features

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rows of shape (n, features) and one row of shape (features,) to n distances."""
Scaler = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Rows of shape (n, features) and one row of shape (features,) to both, normalised over all of them together."""

SEMANTIC = "semantic"
"""The part that is compared by the angle between vectors, as they are."""
PAPER = "paper"
"""The aspect that the paper compares."""
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


Distances = tuple[list[Near], int]
"""The experiences that can be compared with the current task, nearest first, and how many cannot."""


def measured(
    experiences: Sequence[Experience],
    current: Features,
    metric: str = "euclidean",
    weights: Weights | None = None,
    scaler: str = "min-max",
) -> Distances:
    """Return the distances of experiences to the current task and machine.

    Each group of features is normalised over store and current task together, feature by feature. A part of the
    distance is the mean over its aspects; for each aspect, the group that most experiences share with the current task
    is compared, by `metric` or, for the semantic vectors, by the cosine. The distance is the weighted sum of the parts.
    A part that either side lacks is left out and the other weights are scaled up to the same sum.

    Args:
        experiences: Past experiences.
        current: Meta-features of the task at hand.
        metric: A name of `DISTANCES`.
        weights: Of the parts.
        scaler: A name of `SCALERS`.

    Returns:
        The experiences whose task features can be compared, nearest first, and how many cannot: features of another
        version, of another length, or not finite.

    Raises:
        UnknownNameError: No such metric or scaler.
    """
    if metric not in DISTANCES:
        raise UnknownNameError("distance", metric, DISTANCES)
    if scaler not in SCALERS:
        raise UnknownNameError("scaler", scaler, SCALERS)
    groups = compared_groups(experiences, current)
    comparable = [
        experience
        for experience in experiences
        if any(is_comparable(experience.features, current, group) for group in groups.get("task", ()))
    ]
    shares = weights or Weights()
    total = np.zeros(len(comparable))
    used = np.zeros(len(comparable))
    for part, names in groups.items():
        share = getattr(shares, part)
        if not share:
            continue
        distance, is_known = _part_distance(comparable, current, names, part, metric, scaler)
        total += share * distance
        used += share * is_known
    total *= np.divide(used.max(initial=0.0), used, out=np.zeros_like(used), where=used > 0)
    near = [Near(experience, float(distance)) for experience, distance in zip(comparable, total, strict=True)]
    nearest_first = sorted(near, key=lambda item: (item.distance, item.experience.id))
    return nearest_first, len(experiences) - len(comparable)


def compared_groups(
    experiences: Sequence[Experience], current: Features, *, aspect: str | None = None
) -> Mapping[str, tuple[str, ...]]:
    """Return the groups of features to compare, by part of the distance: one for each aspect.

    Of several groups of one aspect, that which most experiences share with the current task; of equals, that of more
    numbers.

    Args:
        experiences: Past experiences.
        current: Meta-features of the task at hand.
        aspect: Only this one, and groups that a person brought; all by default.
    """
    candidates: dict[tuple[str, str], list[str]] = {}
    for name, group in FEATURES.things.items():
        if name in current and aspect in (None, group.aspect):
            candidates.setdefault((group.part, group.aspect), []).append(name)
    for name in current:
        if name.startswith(OWN):
            candidates.setdefault(("task", OWN), []).append(name)

    def sharing(name: str) -> int:
        return sum(is_comparable(experience.features, current, name) for experience in experiences)

    chosen: dict[str, tuple[str, ...]] = {}
    for (part, _), names in candidates.items():
        best = names[0]
        if len(names) > 1:
            order = {name: (sharing(name), len(current[name]), position) for position, name in enumerate(names)}
            best = max(names, key=order.__getitem__)
        chosen[part] = (*chosen.get(part, ()), best)
    return chosen


def is_comparable(features: Features, current: Features, group: str) -> bool:
    """Return whether a group of features has as many finite numbers as that of the current task."""
    values = features.get(group, ())
    return len(values) == len(current[group]) and bool(np.isfinite(values).all())


def _part_distance(
    experiences: Sequence[Experience], current: Features, groups: Sequence[str], part: str, metric: str, scaler: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return one part of the distance and whether it is known, each of shape (experiences,); 0 where it is not."""
    total = np.zeros(len(experiences))
    count = np.zeros(len(experiences))
    for group in groups:
        having = [
            index for index, experience in enumerate(experiences) if is_comparable(experience.features, current, group)
        ]
        if not having:
            continue
        rows = np.asarray([experiences[index].features[group] for index in having])
        row = np.asarray(current[group])
        rows = _without_noise(rows, row, group)
        if part == SEMANTIC:
            distance = DISTANCES["cosine"](rows, row)
        else:
            distance = DISTANCES[metric](*SCALERS[scaler](rows, row))
        total[having] += distance
        count[having] += 1
    return np.divide(total, count, out=total, where=count > 0), count > 0


def _without_noise(rows: np.ndarray, row: np.ndarray, group: str) -> np.ndarray:
    """Return rows with the current task's number wherever all differ by no more than what measuring alone can do."""
    noise = FEATURES.things[group].noise if group in FEATURES.things else 0.0
    if noise == 0:
        return rows
    width = np.ptp(np.log1p(np.maximum(np.vstack([rows, row]), 0.0)), axis=0)
    return np.where(width <= noise, row, rows)


def normalised(rows: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log1p, then min-max over rows and row together, feature by feature; a constant feature becomes 0."""
    together = np.log1p(np.maximum(np.vstack([rows, row]), 0.0))
    low, width = together.min(axis=0), np.ptp(together, axis=0)
    scaled = np.divide(together - low, width, out=np.zeros_like(together), where=width > 0)
    return scaled[:-1], scaled[-1]


def standardised(rows: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale to zero mean and unit deviation together, feature by feature; a constant feature becomes 0."""
    together = np.vstack([rows, row])
    # Of equal numbers, rounding can make a deviation that is not quite 0.
    width = np.where(np.ptp(together, axis=0) > 0, together.std(axis=0), 0.0)
    scaled = np.divide(together - together.mean(axis=0), width, out=np.zeros_like(together), where=width > 0)
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


def _euclidean(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(rows - row, axis=1))


def _manhattan(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(rows - row).sum(axis=1))


def _cosine(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """One minus the cosine; 0 between equal vectors of length 0, such as those of features that are all constant."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(row)
    similarity = np.divide(rows @ row, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    distance = np.maximum(1 - similarity, 0.0)  # rounding can take it below
    return np.where((rows == row).all(axis=1), 0.0, distance)


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
SCALERS: Mapping[str, Scaler] = {"min-max": normalised, "standard": standardised}
"""`min-max` is that of the paper's text, after log1p; `standard` is what its runs used."""
