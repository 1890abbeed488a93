"""How far past experiences are from the task at hand (XAutoLM, arXiv 2508.00924, warm start steps 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES, Part
from xautolm.records import Experience, Experiences, Features

Rows = np.ndarray
"""A group of features of past experiences, shape (experiences, features)."""
Row = np.ndarray
"""The same group of the current task, shape (features,)."""
PerExperience = np.ndarray
"""A number for each experience, shape (experiences,)."""
Distance = Callable[[Rows, Row], PerExperience]
"""Measures how far each experience is from the current task."""
GroupDistance = Callable[[Rows, Row, np.ndarray], PerExperience]
"""Measures the same from distinct rows, and which of them each experience has, shape (experiences,)."""
Scaler = Callable[[Rows, Row], tuple[Rows, Row]]
"""Normalises features over experiences and current task together."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTable:
    """Hold the distinct meta-features of experiences.

    A store has up to a hundred thousand trials and a few thousand searches, and the trials of a search share their
    features: what is looked at once for each distinct ones costs little.
    """

    distinct: Sequence[Features]
    position_of: np.ndarray
    """Position among the distinct features of those that each experience has, shape (experiences,)."""

    @classmethod
    def of(cls, experiences: Experiences) -> FeatureTable:
        """Return the table of some experiences."""
        by_content: dict[tuple[tuple[str, tuple[float, ...]], ...], int] = {}
        distinct: list[Features] = []
        position_of: list[int] = []
        for experience in experiences:
            features = experience.features
            content = tuple(features.items())
            position = by_content.setdefault(content, len(distinct))
            if position == len(distinct):
                distinct.append(features)
            position_of.append(position)
        return cls(distinct=distinct, position_of=np.asarray(position_of, dtype=int))

    def narrowed(self, is_kept: np.ndarray) -> FeatureTable:
        """Return the table of the experiences with some of the features.

        Args:
            is_kept: Which of the distinct features, shape (distinct,).
        """
        new_position = np.cumsum(is_kept) - 1
        remaining = self.position_of[is_kept[self.position_of]]
        distinct = [self.distinct[position] for position in np.flatnonzero(is_kept).tolist()]
        return FeatureTable(distinct=distinct, position_of=new_position[remaining])

    def comparable(self, current: Features, group: str) -> np.ndarray:
        """Return of which distinct features a group can be compared with the current task's, shape (distinct,)."""
        shared = [is_comparable(features, current, group) for features in self.distinct]
        return np.asarray(shared, dtype=bool)


Distances = tuple[list[Near], int]
"""The experiences that can be compared with the current task, nearest first, and how many cannot."""


def measured(
    experiences: Experiences,
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
    table = FeatureTable.of(experiences)
    groups = compared_groups(table, current)
    # Without the task's own features nothing says whether an experience matters, however alike the machines are.
    shares_task = np.zeros(len(table.distinct), dtype=bool)
    for group in groups.get(Part.TASK, ()):
        shares_task |= table.comparable(current, group)
    comparable: list[Experience] = []
    for experience, position in zip(experiences, table.position_of.tolist(), strict=True):
        if shares_task[position]:
            comparable.append(experience)
    table = table.narrowed(shares_task)

    shares = weights or Weights()
    # The weighted sum of the parts, and the sum of the weights of those that are known, both for each experience.
    total = np.zeros(len(comparable))
    known_share = np.zeros(len(comparable))
    for part, names in groups.items():
        share = shares.of(part)
        # A weight of 0 leaves a part out, also out of what other parts are scaled up to.
        if share == 0:
            continue
        distance_of_group = _distance_of_groups(part, metric, scaler)
        part_distance, is_known = _mean_distance(table, current, names, distance_of_group)
        total += share * part_distance
        known_share += share * is_known

    # What an experience lacks is left out, and what it has is scaled up to the same sum of weights as all others'.
    largest_share = known_share.max(initial=0.0)
    zeros = np.zeros_like(total)
    factor = np.divide(largest_share, known_share, out=zeros, where=known_share > 0)
    total *= factor
    neighbors: list[Near] = []
    for experience, distance in zip(comparable, total.tolist(), strict=True):
        neighbor = Near(experience, distance)
        neighbors.append(neighbor)
    incomparable = len(experiences) - len(comparable)
    return nearest_first(neighbors), incomparable


def nearest_first(neighbors: Sequence[Near]) -> list[Near]:
    """Return neighbors by their distance; equal ones by their id, so that a store's order changes nothing."""
    return sorted(neighbors, key=_distance_and_id)


def _distance_and_id(neighbor: Near) -> tuple[float, str]:
    return neighbor.distance, neighbor.experience.id


def compared_groups(
    table: FeatureTable, current: Features, *, aspect: str | None = None
) -> Mapping[str, tuple[str, ...]]:
    """Return the groups of features to compare, by part of the distance: one for each aspect.

    Of several groups of one aspect, that which most experiences share with the current task; of equals, that of more
    numbers.

    Args:
        table: Meta-features of past experiences.
        current: Meta-features of the task at hand.
        aspect: Only this one, and groups that a person brought; all by default.
    """
    by_part: dict[str, tuple[str, ...]] = {}
    versions_of_aspects = _versions(current, aspect)
    for (part, _), versions in versions_of_aspects.items():
        # Two versions of one feature would count it twice, so the aspect has one group.
        group = _most_shared(versions, table, current)
        groups_so_far = by_part.get(part, ())
        by_part[part] = (*groups_so_far, group)
    return by_part


def _versions(current: Features, aspect: str | None) -> dict[tuple[str, str], list[str]]:
    """Return the groups of features of the current task by part of the distance and aspect.

    Groups of one aspect measure the same in another way, such as two versions of a sentence encoder.

    Args:
        current: Meta-features of the task at hand.
        aspect: Only this one, and groups that a person brought; all if None.
    """
    versions: dict[tuple[str, str], list[str]] = {}
    for name, group in FEATURES.things.items():
        if name not in current:
            continue
        if aspect is not None and group.aspect != aspect:
            continue
        key = (group.part, group.aspect)
        names = versions.setdefault(key, [])
        names.append(name)
    # Groups that a person brought are in no registry; whatever they measure, they stand for the task.
    own: list[str] = []
    for name in current:
        if name.startswith(OWN):
            own.append(name)
    if own:
        versions[Part.TASK, OWN] = own
    return versions


def _most_shared(names: Sequence[str], table: FeatureTable, current: Features) -> str:
    """Return the group that most experiences share with the current task; of equals the longest, then the last."""
    best = names[0]
    most = (-1, -1)
    for name in names:
        is_shared = table.comparable(current, name)[table.position_of]
        sharing = int(is_shared.sum())
        length = len(current[name])
        if (sharing, length) >= most:
            best = name
            most = (sharing, length)
    return best


def is_comparable(features: Features, current: Features, group: str) -> bool:
    """Return whether a group of features has as many finite numbers as that of the current task."""
    values = features.get(group, ())
    # Of another length, it comes from another version of what measures it.
    if len(values) != len(current[group]):
        return False
    # A single number that is not finite would make every distance to the experience so.
    is_finite = np.isfinite(values)
    return bool(is_finite.all())


def _distance_of_groups(part: str, metric: str, scaler: str) -> GroupDistance:
    """Return what measures the distance of each group of a part, by names of `DISTANCES` and `SCALERS`."""
    scale = SCALERS[scaler]
    measure = DISTANCES[metric]

    def direction_distance(rows: Rows, row: Row, position_of: np.ndarray) -> PerExperience:
        # Before it is spread over the experiences: 384 numbers for each of 100,000 would need 300 MB.
        distances = _cosine(rows, row)
        return np.asarray(distances[position_of])

    def scaled_distance(rows: Rows, row: Row, position_of: np.ndarray) -> PerExperience:
        # A mean or covariance over the store counts each experience, not each of the distinct features.
        scaled_rows, scaled_row = scale(rows[position_of], row)
        return measure(scaled_rows, scaled_row)

    # Embeddings are compared by their direction; normalised feature by feature, they would lose it.
    if part == Part.SEMANTIC:
        return direction_distance
    return scaled_distance


def _mean_distance(
    table: FeatureTable,
    current: Features,
    groups: Sequence[str],
    distance_of_group: GroupDistance,
) -> tuple[PerExperience, PerExperience]:
    """Return the mean distance over some groups, and whether there is any; 0 where there is none.

    The mean of each experience is that over the groups that it shares with the current task.
    """
    experiences = len(table.position_of)
    total = np.zeros(experiences)
    count = np.zeros(experiences)
    for group in groups:
        has_group = table.comparable(current, group)
        # Scaled over those that have the group, so that the others change nothing.
        sharing = table.narrowed(has_group)
        if not sharing.distinct:
            continue
        row = np.asarray(current[group])
        rows = np.asarray([features[group] for features in sharing.distinct])
        rows = _without_noise(rows, row, group)
        is_measured = has_group[table.position_of]
        total[is_measured] += distance_of_group(rows, row, sharing.position_of)
        count[is_measured] += 1
    is_known = count > 0
    mean = np.divide(total, count, out=total, where=is_known)
    return mean, is_known


def _without_noise(rows: Rows, row: Row, group: str) -> Rows:
    """Return rows with the current task's number wherever all differ by no more than what measuring alone can do."""
    noise = 0.0
    # Groups that a person brought are in no registry, which says how noisy a group is.
    if group in FEATURES.things:
        noise = FEATURES.things[group].noise
    if noise == 0:
        return rows
    together = np.vstack([rows, row])
    logarithms = logarithms_of(together)
    # Shape (features,). Normalised, a feature that differs by noise alone would weigh as much as any other.
    width = np.ptp(logarithms, axis=0)
    is_noise = width <= noise
    return np.where(is_noise, row, rows)


def logarithms_of(features: Rows) -> Rows:
    """Return log(1 + |x|) of features x, with the sign of x."""
    # Counts are never negative; features of somebody's own may be, and must not become one number.
    return np.asarray(np.copysign(np.log1p(np.abs(features)), features))


def normalised(rows: Rows, row: Row) -> tuple[Rows, Row]:
    """Return logarithms, then min-max over rows and row together, feature by feature; a constant feature becomes 0."""
    together = np.vstack([rows, row])
    # Counts span magnitudes: on their own scale, one huge data set would press all others together.
    logarithms = logarithms_of(together)
    # Both of shape (features,).
    low = logarithms.min(axis=0)
    width = np.ptp(logarithms, axis=0)
    scaled = np.zeros_like(logarithms)
    np.divide(logarithms - low, width, out=scaled, where=width > 0)
    # The current task was stacked below the experiences.
    return scaled[:-1], scaled[-1]


def standardised(rows: Rows, row: Row) -> tuple[Rows, Row]:
    """Scale to zero mean and unit deviation together, feature by feature; a constant feature becomes 0."""
    together = np.vstack([rows, row])
    # All of shape (features,).
    mean = together.mean(axis=0)
    deviation = together.std(axis=0)
    width = np.ptp(together, axis=0)
    # Of equal numbers, rounding can make a deviation that is not quite 0.
    deviation[width == 0] = 0.0
    centered = together - mean
    scaled = np.zeros_like(together)
    np.divide(centered, deviation, out=scaled, where=deviation > 0)
    # The current task was stacked below the experiences.
    return scaled[:-1], scaled[-1]


def own_features(values: Mapping[str, float]) -> Features:
    """Return meta-features of somebody's own as a group that takes the place of the task's; comparable by their names.

    Raises:
        UsageError: A value that is no finite number, or no value at all.
    """
    unusable: dict[str, object] = {}
    for name, value in values.items():
        if not _is_number(value):
            unusable[name] = value
    if unusable or not values:
        raise UsageError("Meta-features must be finite numbers by name.", got=unusable or "none")
    # In the order of their names: two dictionaries with the same keys are then the same group.
    names = sorted(values)
    numbers = [float(values[name]) for name in names]
    joined_names = ",".join(names)
    group = OWN + joined_names
    return {group: tuple(numbers)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


# These are written in NumPy rather than taken from SciPy's `cdist`: it sums in another order, and of distances over 12
# features about a fifth would change in the last digit, and with them what a recorded run was given to begin with.


def _euclidean(rows: Rows, row: Row) -> PerExperience:
    difference = rows - row
    return np.asarray(np.linalg.norm(difference, axis=1))


def _manhattan(rows: Rows, row: Row) -> PerExperience:
    gaps = np.abs(rows - row)
    return np.asarray(gaps.sum(axis=1))


def _cosine(rows: Rows, row: Row) -> PerExperience:
    """Return one minus the cosine; 0 between equal vectors of length 0, such as those of features all constant."""
    # All of shape (experiences,).
    products = rows @ row
    length_of_row = np.linalg.norm(row)
    lengths_of_rows = np.linalg.norm(rows, axis=1)
    lengths = lengths_of_rows * length_of_row
    similarity = np.zeros(len(rows))
    np.divide(products, lengths, out=similarity, where=lengths > 0)
    # Rounding can take it below 0, which no distance is.
    distance = np.maximum(1 - similarity, 0.0)
    # Rounding can take it above 0 too, and two vectors of length 0 have no cosine.
    is_equal = (rows == row).all(axis=1)
    return np.where(is_equal, 0.0, distance)


def _mahalanobis(rows: Rows, row: Row) -> PerExperience:
    """Return Mahalanobis distances with the covariance of rows and row together."""
    together = np.vstack([rows, row])
    # Shape (features, features), as all that follows until the precision.
    covariance = np.cov(together, rowvar=False)
    # Regularised: stores have fewer tasks than features, and such a covariance has no inverse.
    ridge = COVARIANCE_RIDGE * np.eye(len(row))
    precision = np.linalg.inv(covariance + ridge)
    difference = rows - row
    # For each experience i, the sum over features j and k of difference_j precision_jk difference_k.
    squared = np.einsum("ij,jk,ik->i", difference, precision, difference)
    return np.asarray(np.sqrt(squared))


DISTANCES: Mapping[str, Distance] = {
    "euclidean": _euclidean,
    "cosine": _cosine,
    "manhattan": _manhattan,
    "mahalanobis": _mahalanobis,
}
SCALERS: Mapping[str, Scaler] = {"min-max": normalised, "standard": standardised}
"""`min-max` is that of the paper's text, after log1p with the sign of the number; `standard` is what its runs used."""
