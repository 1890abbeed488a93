"""How far past experiences are from the task at hand (XAutoLM, arXiv 2508.00924, warm start steps 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES, Part
from xautolm.records import Experience, Features

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rows of shape (n, features) and one row of shape (features,) to n distances."""
Scaler = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Rows of shape (n, features) and one row of shape (features,) to both, normalised over all of them together."""

PAPER = "paper"
"""The aspect that the paper compares."""
OWN = "own:"
"""Begins the name of a group of meta-features that a person brought."""
COVARIANCE_RIDGE = 1e-3
"""Added to the variances of normalised features before their covariance is inverted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of the three parts of the distance; the paper's by default."""

    task: float = 0.4
    semantic: float = 0.3
    system: float = 0.3

    def of(self, part: str) -> float:
        """Return the weight of a part of the distance, by its name."""
        weights: dict[str, float] = {
            Part.TASK: self.task,
            Part.SEMANTIC: self.semantic,
            Part.SYSTEM: self.system,
        }
        return weights[part]


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
    task_groups = groups.get(Part.TASK, ())
    comparable: list[Experience] = []
    for experience in experiences:
        features = experience.features
        if any(is_comparable(features, current, group) for group in task_groups):
            comparable.append(experience)
    shares = weights or Weights()
    total = np.zeros(len(comparable))
    known_share = np.zeros(len(comparable))
    for part, names in groups.items():
        share = shares.of(part)
        # A weight of 0 leaves a part out, also out of what other parts are scaled up to.
        if share == 0:
            continue
        part_distance, is_known = _part_distance(comparable, current, names, part, metric, scaler)
        total += share * part_distance
        known_share += share * is_known
    # What an experience lacks is left out, and what it has is scaled up to the same sum of weights as all others'.
    largest_share = known_share.max(initial=0.0)
    total *= np.divide(largest_share, known_share, out=np.zeros_like(total), where=known_share > 0)
    neighbors: list[Near] = []
    for experience, distance in zip(comparable, total.tolist(), strict=True):
        neighbors.append(Near(experience, distance))
    incomparable = len(experiences) - len(comparable)
    return nearest_first(neighbors), incomparable


def nearest_first(neighbors: Sequence[Near]) -> list[Near]:
    """Return neighbors by their distance; equal ones by their id, so that a store's order changes nothing."""

    def order(neighbor: Near) -> tuple[float, str]:
        return neighbor.distance, neighbor.experience.id

    return sorted(neighbors, key=order)


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
    by_aspect: dict[tuple[str, str], list[str]] = {}
    for name, group in FEATURES.things.items():
        is_compared = aspect is None or group.aspect == aspect
        if name in current and is_compared:
            key = (group.part, group.aspect)
            by_aspect.setdefault(key, []).append(name)
    # Groups that a person brought are in no registry; whatever they measure, they stand for the task.
    for name in current:
        if name.startswith(OWN):
            key = (Part.TASK, OWN)
            by_aspect.setdefault(key, []).append(name)
    by_part: dict[str, list[str]] = {}
    for (part, _), names in by_aspect.items():
        best = _most_shared(names, experiences, current)
        by_part.setdefault(part, []).append(best)
    return {part: tuple(names) for part, names in by_part.items()}


def _most_shared(names: Sequence[str], experiences: Sequence[Experience], current: Features) -> str:
    """Return the group that most experiences share with the current task; of equals the longest, then the last."""
    if len(names) == 1:
        # Counting takes a look at every experience of the store.
        return names[0]
    best = names[0]
    most = (-1, -1)
    for name in names:
        sharing = sum(
            is_comparable(experience.features, current, name) for experience in experiences
        )
        count = (sharing, len(current[name]))
        if count >= most:
            best, most = name, count
    return best


def is_comparable(features: Features, current: Features, group: str) -> bool:
    """Return whether a group of features has as many finite numbers as that of the current task."""
    values = features.get(group, ())
    if len(values) != len(current[group]):
        return False
    is_finite = np.isfinite(values)
    return bool(is_finite.all())


def _part_distance(
    experiences: Sequence[Experience],
    current: Features,
    groups: Sequence[str],
    part: str,
    metric: str,
    scaler: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return one part of the distance and whether it is known, each of shape (experiences,); 0 where it is not."""
    total = np.zeros(len(experiences))
    count = np.zeros(len(experiences))
    for group in groups:
        having: list[int] = []
        for index, experience in enumerate(experiences):
            if is_comparable(experience.features, current, group):
                having.append(index)
        if not having:
            continue
        row = np.asarray(current[group])
        rows = np.asarray([experiences[index].features[group] for index in having])
        rows = _without_noise(rows, row, group)
        # Embeddings are compared by their direction; normalised feature by feature, they would lose it.
        if part == Part.SEMANTIC:
            distance = _cosine(rows, row)
        else:
            scaled_rows, scaled_row = SCALERS[scaler](rows, row)
            distance = DISTANCES[metric](scaled_rows, scaled_row)
        total[having] += distance
        count[having] += 1
    is_known = count > 0
    mean = np.divide(total, count, out=total, where=is_known)
    return mean, is_known


def _without_noise(rows: np.ndarray, row: np.ndarray, group: str) -> np.ndarray:
    """Return rows with the current task's number wherever all differ by no more than what measuring alone can do."""
    noise = 0.0
    if group in FEATURES.things:
        noise = FEATURES.things[group].noise
    if noise == 0:
        return rows
    together = np.vstack([rows, row])
    logarithms = np.log1p(np.maximum(together, 0.0))
    width = np.ptp(logarithms, axis=0)
    return np.where(width <= noise, row, rows)


def normalised(rows: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log1p, then min-max over rows and row together, feature by feature; a constant feature becomes 0."""
    together = np.vstack([rows, row])
    # Counts span magnitudes: on their own scale, one huge data set would press all others together.
    logarithms = np.log1p(np.maximum(together, 0.0))
    low = logarithms.min(axis=0)
    width = np.ptp(logarithms, axis=0)
    zeros = np.zeros_like(logarithms)
    scaled = np.divide(logarithms - low, width, out=zeros, where=width > 0)
    return scaled[:-1], scaled[-1]


def standardised(rows: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale to zero mean and unit deviation together, feature by feature; a constant feature becomes 0."""
    together = np.vstack([rows, row])
    # Of equal numbers, rounding can make a deviation that is not quite 0.
    is_constant = np.ptp(together, axis=0) == 0
    deviation = np.where(is_constant, 0.0, together.std(axis=0))
    centered = together - together.mean(axis=0)
    zeros = np.zeros_like(together)
    scaled = np.divide(centered, deviation, out=zeros, where=deviation > 0)
    return scaled[:-1], scaled[-1]


def own_features(values: Mapping[str, float]) -> Features:
    """Meta-features of somebody's own as a group that takes the place of the task's; comparable by their names.

    Raises:
        UsageError: A value that is no finite number, or no value at all.
    """
    unusable = {name: value for name, value in values.items() if not _is_number(value)}
    if unusable or not values:
        raise UsageError("Meta-features must be finite numbers by name.", got=unusable or "none")
    names = sorted(values)
    group = OWN + ",".join(names)
    numbers = [float(values[name]) for name in names]
    return {group: tuple(numbers)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _euclidean(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    difference = rows - row
    return np.asarray(np.linalg.norm(difference, axis=1))


def _manhattan(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    gaps = np.abs(rows - row)
    return np.asarray(gaps.sum(axis=1))


def _cosine(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return one minus the cosine; 0 between equal vectors of length 0, such as those of features all constant."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(row)
    products = rows @ row
    zeros = np.zeros(len(rows))
    similarity = np.divide(products, lengths, out=zeros, where=lengths > 0)
    # Rounding can take it below 0, which no distance is.
    distance = np.maximum(1 - similarity, 0.0)
    is_equal = (rows == row).all(axis=1)
    return np.where(is_equal, 0.0, distance)


def _mahalanobis(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return Mahalanobis distances with the covariance of rows and row together."""
    together = np.vstack([rows, row])
    covariance = np.cov(together, rowvar=False)
    # Regularised: stores have fewer tasks than features, and such a covariance has no inverse.
    precision = np.linalg.inv(covariance + COVARIANCE_RIDGE * np.eye(len(row)))
    difference = rows - row
    squared = np.einsum("ij,jk,ik->i", difference, precision, difference)
    return np.asarray(np.sqrt(squared))


DISTANCES: Mapping[str, Distance] = {
    "euclidean": _euclidean,
    "cosine": _cosine,
    "manhattan": _manhattan,
    "mahalanobis": _mahalanobis,
}
SCALERS: Mapping[str, Scaler] = {"min-max": normalised, "standard": standardised}
"""`min-max` is that of the paper's text, after log1p; `standard` is what its runs used."""
