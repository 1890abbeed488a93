"""The paper's memory baseline, to compare with: the nearest experiences, all with equal weight (arXiv 2508.00924)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metalearning.similarity import Near, measured
from xautolm.metalearning.utility import is_negative, is_positive, objectives_of
from xautolm.metalearning.warm_start import Warmed, applied
from xautolm.records import Experience, Features
from xautolm.space import Prior

FEATURE_SHARE, METRIC_SHARE = 0.7, 0.3


def knn_start(prior: Prior, experiences: Sequence[Experience], current: Features, k: int = 50) -> Warmed:
    """Shape a prior by the k nearest successes and k failures, each with the learning rate 1/k or -1/k.

    Successes are nearest by 0.7 of the distance between tasks plus 0.3 of the distance of their objectives to the best
    ones of the store; failures, which have no objectives, are taken farthest first.
    """
    near, incomparable = measured(experiences, current)
    positives = [one for one in near if is_positive(one.experience)]
    negatives = [one for one in reversed(near) if is_negative(one.experience)][:k]
    gaps = _gaps_to_best(positives)
    ranked = sorted(
        zip(positives, gaps, strict=True), key=lambda pair: FEATURE_SHARE * pair[0].distance + METRIC_SHARE * pair[1]
    )
    chosen = [one for one, _ in ranked[:k]]
    rates = [(one, 1 / len(chosen)) for one in chosen] + [(one, -1 / len(negatives)) for one in negatives]
    return applied(prior, rates, incomparable)


def _gaps_to_best(positives: Sequence[Near]) -> list[float]:
    """Euclidean distance of each one's min-max normalised objectives to the best of each.

    Searches with different numbers of objectives cannot be compared; each is normalised among its like.
    """
    gaps = [0.0] * len(positives)
    kinds = {one.experience.objectives for one in positives}
    for kind in kinds:
        members = [index for index, one in enumerate(positives) if one.experience.objectives == kind]
        values = np.asarray([objectives_of(positives[index].experience) for index in members])
        width = np.ptp(values, axis=0)
        scaled = np.divide(values.max(axis=0) - values, width, out=np.zeros_like(values), where=width > 0)
        for index, gap in zip(members, np.linalg.norm(scaled, axis=1), strict=True):
            gaps[index] = float(gap)
    return gaps
