"""The paper's memory baseline, to compare with: the nearest experiences, all with equal weight (arXiv 2508.00924)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metalearning.similarity import PAPER, Distances, Near, compared_groups, is_comparable
from xautolm.metalearning.utility import as_of_all_rows, is_negative, is_positive, oriented_values
from xautolm.metalearning.warm_start import Warmed, applied
from xautolm.objectives import Objective, recorded_objectives
from xautolm.records import Experience, Features
from xautolm.space import Prior

FEATURE_SHARE, METRIC_SHARE = 0.7, 0.3


def knn_start(prior: Prior, experiences: Sequence[Experience], current: Features, k: int = 50) -> Warmed:
    """Shape a prior by the k nearest successes and k failures, each with the learning rate 1/k or -1/k.

    Successes are nearest by 0.7 of the distance of their features, min-max normalised over the successes, plus 0.3 of
    the distance of their objectives to the best ones of the store; failures, which have no objectives, are taken
    farthest first.
    """
    comparable = [as_of_all_rows(experience) for experience in experiences]
    near, incomparable = raw_distances(comparable, current)
    positives = [item for item in near if is_positive(item.experience)]
    failures = [item for item in near if is_negative(item.experience)]
    negatives = failures[::-1][:k]
    feature_gaps = _min_max([item.distance for item in positives])
    scores = FEATURE_SHARE * feature_gaps + METRIC_SHARE * np.asarray(_gaps_to_best(positives))
    order = np.argsort(scores, kind="stable")[:k]
    chosen = [positives[position] for position in order.tolist()]
    rates = [(item, 1 / len(chosen)) for item in chosen]
    rates += [(item, -1 / len(negatives)) for item in negatives]
    return applied(prior, rates, incomparable)


def raw_distances(experiences: Sequence[Experience], current: Features) -> Distances:
    """Return Euclidean distances over the paper's features of task and machine as they are, without normalising any.

    So the number of samples decides nearly alone, as it does in the paper's baseline. An experience that lacks one of
    the groups cannot be compared.
    """
    parts = compared_groups(experiences, current, aspect=PAPER)
    groups = [*parts.get("task", ()), *parts.get("system", ())]
    if "task" not in parts:
        return [], len(experiences)
    comparable = [
        experience
        for experience in experiences
        if all(is_comparable(experience.features, current, group) for group in groups)
    ]
    row = np.concatenate([current[group] for group in groups])
    near = []
    for experience in comparable:
        numbers = np.concatenate([experience.features[group] for group in groups])
        near.append(Near(experience, float(np.linalg.norm(numbers - row))))
    nearest_first = sorted(near, key=lambda item: (item.distance, item.experience.id))
    return nearest_first, len(experiences) - len(comparable)


def _min_max(values: Sequence[float]) -> np.ndarray:
    """Return values between 0 for the smallest and 1 for the largest; zeros where all are equal."""
    array = np.asarray(values, dtype=float)
    width = np.ptp(array) if len(array) else 0.0
    return (array - array.min()) / width if width > 0 else np.zeros(len(array))


def _gaps_to_best(positives: Sequence[Near]) -> list[float]:
    """Return the Euclidean distance of each one's min-max normalised objectives to the best of each.

    Searches with different numbers of objectives cannot be compared; each is normalised among its like.
    """
    gaps = [0.0] * len(positives)
    members_by_kind: dict[tuple[Objective, ...], list[int]] = {}
    for index, item in enumerate(positives):
        members_by_kind.setdefault(recorded_objectives(item.experience), []).append(index)
    for members in members_by_kind.values():
        values = np.asarray([oriented_values(positives[index].experience) for index in members])
        width = np.ptp(values, axis=0)
        scaled = np.divide(values.max(axis=0) - values, width, out=np.zeros_like(values), where=width > 0)
        for index, gap in zip(members, np.linalg.norm(scaled, axis=1), strict=True):
            gaps[index] = float(gap)
    return gaps
