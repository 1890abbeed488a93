"""The paper's memory baseline, to compare with: the nearest experiences, all with equal weight (arXiv 2508.00924)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures import Part
from xautolm.metalearning.similarity import (
    PAPER,
    Distances,
    Near,
    compared_groups,
    is_comparable,
    nearest_first,
)
from xautolm.metalearning.utility import as_of_all_rows, is_negative, is_positive, oriented_values
from xautolm.metalearning.warm_start import Warmed, applied
from xautolm.objectives import Objective, recorded_objectives
from xautolm.records import Experience, Features
from xautolm.space import Prior

FEATURE_SHARE, METRIC_SHARE = 0.7, 0.3
"""Weights of the distance of features, and of that of objectives to the best of the store (paper)."""


def knn_start(
    prior: Prior, experiences: Sequence[Experience], current: Features, k: int = 50
) -> Warmed:
    """Shape a prior by the k nearest successes and k failures, each with the learning rate 1/k or -1/k.

    Successes are nearest by 0.7 of the distance of their features, min-max normalised over the successes, plus 0.3 of
    the distance of their objectives to the best ones of the store; failures, which have no objectives, are taken
    farthest first.
    """
    comparable = [as_of_all_rows(experience) for experience in experiences]
    neighbors, incomparable = raw_distances(comparable, current)
    successes = [neighbor for neighbor in neighbors if is_positive(neighbor.experience)]
    failures = [neighbor for neighbor in neighbors if is_negative(neighbor.experience)]

    feature_gaps = _min_max([neighbor.distance for neighbor in successes])
    metric_gaps = np.asarray(_gaps_to_best(successes))
    scores = FEATURE_SHARE * feature_gaps + METRIC_SHARE * metric_gaps
    order = np.argsort(scores, kind="stable")
    positives = [successes[position] for position in order[:k].tolist()]
    negatives = failures[::-1][:k]

    # Where there are fewer than k, the rates of those that are there have the same sum.
    rates = [(neighbor, 1 / len(positives)) for neighbor in positives]
    rates += [(neighbor, -1 / len(negatives)) for neighbor in negatives]
    return applied(prior, rates, incomparable)


def raw_distances(experiences: Sequence[Experience], current: Features) -> Distances:
    """Return Euclidean distances over the paper's features of task and machine as they are, without normalising any.

    So the number of samples decides nearly alone, as it does in the paper's baseline. An experience that lacks one of
    the groups cannot be compared.
    """
    parts = compared_groups(experiences, current, aspect=PAPER)
    if Part.TASK not in parts:
        return [], len(experiences)
    groups = [*parts[Part.TASK], *parts.get(Part.SYSTEM, ())]
    row = _joined(current, groups)
    neighbors: list[Near] = []
    for experience in experiences:
        features = experience.features
        if all(is_comparable(features, current, group) for group in groups):
            difference = _joined(features, groups) - row
            distance = float(np.linalg.norm(difference))
            neighbors.append(Near(experience, distance))
    incomparable = len(experiences) - len(neighbors)
    return nearest_first(neighbors), incomparable


def _joined(features: Features, groups: Sequence[str]) -> np.ndarray:
    """Return the numbers of some groups in a row."""
    numbers = [features[group] for group in groups]
    return np.concatenate(numbers)


def _min_max(values: Sequence[float]) -> np.ndarray:
    """Return values between 0 for the smallest and 1 for the largest; zeros where all are equal."""
    array = np.asarray(values, dtype=float)
    if len(array) == 0:
        return array
    low, high = array.min(), array.max()
    if low == high:
        return np.zeros(len(array))
    scaled: np.ndarray = (array - low) / (high - low)
    return scaled


def _gaps_to_best(successes: Sequence[Near]) -> list[float]:
    """Return the Euclidean distance of the objectives of each to the best of each, min-max normalised.

    Searches with different objectives cannot be compared; each is normalised among its like.
    """
    members: dict[tuple[Objective, ...], list[int]] = {}
    for index, neighbor in enumerate(successes):
        objectives = recorded_objectives(neighbor.experience)
        positions = members.setdefault(objectives, [])
        positions.append(index)
    gaps = [0.0] * len(successes)
    for positions in members.values():
        rows: list[list[float]] = []
        for index in positions:
            experience = successes[index].experience
            rows.append(oriented_values(experience))
        values = np.asarray(rows)
        best = values.max(axis=0)
        width = np.ptp(values, axis=0)
        scaled = np.divide(best - values, width, out=np.zeros_like(values), where=width > 0)
        distances = np.linalg.norm(scaled, axis=1)
        for index, gap in zip(positions, distances.tolist(), strict=True):
            gaps[index] = gap
    return gaps
