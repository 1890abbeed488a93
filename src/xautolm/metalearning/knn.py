"""The paper's memory baseline, to compare with: the nearest experiences, all with equal weight (arXiv 2508.00924)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures import Part
from xautolm.metalearning.similarity import (
    PAPER,
    Distances,
    FeatureTable,
    Near,
    PerExperience,
    Row,
    compared_groups,
    is_comparable,
    nearest_first,
)
from xautolm.metalearning.utility import as_of_all_rows, oriented_values
from xautolm.metalearning.warm_start import Warmed, applied, by_outcome
from xautolm.objectives import Objectives, recorded_objectives
from xautolm.records import Experience, Experiences, Features
from xautolm.space import Prior

FEATURE_SHARE, METRIC_SHARE = 0.7, 0.3
"""Weights of the distance of features, and of that of objectives to the best of the store (paper)."""


def knn_start(prior: Prior, experiences: Experiences, current: Features, k: int = 50) -> Warmed:
    """Shape a prior by the k nearest successes and k failures, each with the learning rate 1/k or -1/k.

    Successes are nearest by 0.7 of the distance of their features, min-max normalised over the successes, plus 0.3 of
    the distance of their objectives to the best ones of the store; failures, which have no objectives, are taken
    farthest first.
    """
    comparable: list[Experience] = []
    for experience in experiences:
        comparable.append(as_of_all_rows(experience))
    neighbors, incomparable = raw_distances(comparable, current)
    successes, failures = by_outcome(neighbors)

    # All of shape (successes,), and the smaller the better.
    distances = np.zeros(len(successes))
    for position, neighbor in enumerate(successes):
        distances[position] = neighbor.distance
    feature_gaps = _min_max(distances)
    metric_gaps = _gaps_to_best(successes)
    features_part = FEATURE_SHARE * feature_gaps
    metrics_part = METRIC_SHARE * metric_gaps
    scores = features_part + metrics_part
    # Stable: of equals, the one whose features are nearer comes first.
    order = np.argsort(scores, kind="stable")
    positives = [successes[position] for position in order[:k]]
    # Neighbors come nearest first, so the farthest failures are the last.
    negatives = failures[::-1][:k]

    # Where there are fewer than k, the rates of those that are there have the same sum.
    rates: list[tuple[Near, float]] = []
    for neighbor in positives:
        rate = 1 / len(positives)
        rates.append((neighbor, rate))
    for neighbor in negatives:
        rate = -1 / len(negatives)
        rates.append((neighbor, rate))
    return applied(prior, rates, incomparable)


def raw_distances(experiences: Experiences, current: Features) -> Distances:
    """Return Euclidean distances over the paper's features of task and machine as they are, without normalising any.

    So the number of samples decides nearly alone, as it does in the paper's baseline. An experience that lacks one of
    the groups cannot be compared.
    """
    table = FeatureTable.of(experiences)
    parts = compared_groups(table, current, aspect=PAPER)
    if Part.TASK not in parts:
        return [], len(experiences)
    task_groups = parts[Part.TASK]
    # Where the machine is not described, the task's features alone are compared.
    system_groups = parts.get(Part.SYSTEM, ())
    groups = (*task_groups, *system_groups)
    row = _joined(current, groups)
    # Of each distinct features; None where a group cannot be compared.
    distances: list[float | None] = []
    for features in table.distinct:
        distance = None
        if all(is_comparable(features, current, group) for group in groups):
            difference = _joined(features, groups) - row
            distance = float(np.linalg.norm(difference))
        distances.append(distance)
    neighbors: list[Near] = []
    for experience, position in zip(experiences, table.position_of.tolist(), strict=True):
        distance = distances[position]
        if distance is not None:
            neighbors.append(Near(experience, distance))
    incomparable = len(experiences) - len(neighbors)
    return nearest_first(neighbors), incomparable


def _joined(features: Features, groups: Sequence[str]) -> Row:
    """Return the numbers of some groups in a row."""
    numbers: list[tuple[float, ...]] = []
    for group in groups:
        numbers.append(features[group])
    return np.concatenate(numbers)


def _min_max(values: PerExperience) -> PerExperience:
    """Return values between 0 for the smallest and 1 for the largest; zeros where all are equal."""
    if not len(values):
        return values
    low = values.min()
    high = values.max()
    if low == high:
        return np.zeros(len(values))
    scaled = (values - low) / (high - low)
    return np.asarray(scaled)


def _gaps_to_best(successes: Sequence[Near]) -> PerExperience:
    """Return the Euclidean distance of the objectives of each to the best of each, min-max normalised.

    Searches with different objectives cannot be compared; each is normalised among its like.
    """
    # Positions among the successes by what their search improved.
    positions: dict[Objectives, list[int]] = {}
    for position, neighbor in enumerate(successes):
        objectives = recorded_objectives(neighbor.experience)
        members = positions.setdefault(objectives, [])
        members.append(position)

    gaps = np.zeros(len(successes))
    for members in positions.values():
        points: list[list[float]] = []
        for position in members:
            experience = successes[position].experience
            points.append(oriented_values(experience))
        # Shape (members, objectives), larger is better.
        values = np.asarray(points)
        # Both of shape (objectives,). An objective in which all are equal adds nothing to the gap.
        best = values.max(axis=0)
        width = np.ptp(values, axis=0)
        scaled = np.zeros_like(values)
        below_best = best - values
        np.divide(below_best, width, out=scaled, where=width > 0)
        gaps[members] = np.linalg.norm(scaled, axis=1)
    return gaps
