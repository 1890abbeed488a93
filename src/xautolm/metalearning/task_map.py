"""Past tasks on a map: near each other as far as a search would take them to be alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.metalearning.similarity import measured
from xautolm.records import Experience

AXES = 2
"""Of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMap:
    """Hold where tasks lie."""

    placed: tuple[int, ...]
    """Which of the tasks, by their position; the others cannot be compared with these."""
    places: np.ndarray
    """Where they lie, shape (placed, 2); distances between them are those of the warm start, as far as a plane can."""
    share: float
    """Of the squared distances, as much as the plane shows; 1 where nothing is lost."""


def task_map(samples: Sequence[Experience]) -> TaskMap:
    """Return the map of some tasks by classical scaling (Torgerson, 1952) of their distances.

    Args:
        samples: An experience of each task, whose meta-features say what it is.
    """
    distances = _distances(samples)
    placed = _comparable(distances)
    among = distances[np.ix_(placed, placed)]
    places, share = classical_scaling(among)
    return TaskMap(placed=tuple(placed), places=places, share=share)


def classical_scaling(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the plane that keeps squared distances best, shape (points, 2), and the share of them that it keeps.

    Written in NumPy, because scikit-learn has it from version 1.8 on only, and is a second's import.

    Args:
        distances: Symmetric, shape (points, points).
    """
    count = len(distances)
    places = np.zeros((count, AXES))
    if count < 2:
        return places, 1.0
    # Squared distances, centred by rows and columns, are minus twice the inner products of the points.
    centering = np.eye(count) - 1 / count
    products = -centering @ distances**2 @ centering / 2
    eigenvalues, eigenvectors = np.linalg.eigh(products)
    # The largest last. Distances that no space has give eigenvalues below 0, which no axis shows.
    lengths = np.maximum(eigenvalues[::-1], 0.0)
    axes = eigenvectors[:, ::-1]
    shown = min(AXES, count)
    places[:, :shown] = axes[:, :shown] * np.sqrt(lengths[:shown])
    total = float(lengths.sum())
    share = float(lengths[:shown].sum()) / total if total > 0 else 1.0
    return places, share


def _distances(samples: Sequence[Experience]) -> np.ndarray:
    """Return the distance between each two tasks, NaN where they cannot be compared; shape (tasks, tasks)."""
    position_of = {sample.id: position for position, sample in enumerate(samples)}
    distances = np.full((len(samples), len(samples)), np.nan)
    for position, sample in enumerate(samples):
        neighbors, _ = measured(samples, sample.features)
        for neighbor in neighbors:
            distances[position, position_of[neighbor.experience.id]] = neighbor.distance
    # Which groups of features are compared depends on the task that is looked from, so the two ways may differ.
    both_ways = distances + distances.T
    return np.asarray(both_ways / 2)


def _comparable(distances: np.ndarray) -> list[int]:
    """Return the positions of tasks that can all be compared with each other, as many as is easily had."""
    positions = list(range(len(distances)))
    while positions:
        among = distances[np.ix_(positions, positions)]
        unknown = np.isnan(among).sum(axis=1)
        if not unknown.any():
            break
        # The one that fewest can be compared with goes; of equals the last, which has the fewest trials.
        worst = len(positions) - 1 - int(np.argmax(unknown[::-1]))
        del positions[worst]
    return positions
