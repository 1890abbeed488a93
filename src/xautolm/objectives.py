"""Several objectives at once: non-dominated fronts, crowding distance, hypervolume.

Everywhere `values` has shape (points, objectives) and larger is better; `oriented` turns values to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.records import Objective


def oriented(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> np.ndarray:
    """Values with the sign of each objective to be minimised turned, shape (points, objectives)."""
    signs = np.asarray([1.0 if objective.maximize else -1.0 for objective in objectives])
    return np.asarray(np.reshape(values, (-1, len(signs))) * signs, dtype=float)


def fronts(values: np.ndarray) -> list[np.ndarray]:
    """Positions of the points by non-dominated front, the best front first (Deb et al., 2002)."""
    at_least = np.all(values[:, None, :] >= values[None, :, :], axis=2)
    better = np.any(values[:, None, :] > values[None, :, :], axis=2)
    dominates = np.logical_and(at_least, better)
    left = np.arange(len(values))
    result = []
    while len(left):
        dominated = dominates[np.ix_(left, left)].any(axis=0)
        result.append(left[~dominated])
        left = left[dominated]
    return result


def crowding(values: np.ndarray) -> np.ndarray:
    """Crowding distance of each point of one front, shape (points,); infinite at the ends (Deb et al., 2002)."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        distance[order[[0, -1]]] = np.inf
        width = column[order[-1]] - column[order[0]]
        if width > 0 and len(order) > 2:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return distance


def ranked(values: np.ndarray) -> np.ndarray:
    """Positions of the points from best to worst: by front, then by crowding distance, the lonely first."""
    if not len(values):
        return np.zeros(0, dtype=int)
    return np.concatenate([front[np.argsort(-crowding(values[front]), kind="stable")] for front in fronts(values)])


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Volume that the points dominate above a reference point, for one or two objectives.

    Args:
        values: Shape (points, objectives).
        reference: Shape (objectives,); points that do not exceed it in every objective add nothing.

    Raises:
        ValueError: More than two objectives.
    """
    above = values[(values > reference).all(axis=1)] - reference
    if not len(above):
        return 0.0
    if above.shape[1] == 1:
        return float(above.max())
    if above.shape[1] != 2:
        raise ValueError(f"hypervolume of {above.shape[1]} objectives is not implemented")
    volume, height = 0.0, 0.0
    for width, tall in above[np.argsort(-above[:, 0], kind="stable")]:
        if tall > height:
            volume += width * (tall - height)
            height = tall
    return float(volume)
