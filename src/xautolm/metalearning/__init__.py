"""From past experiences to a prior for the task at hand."""

from xautolm.metalearning.knn import knn_start
from xautolm.metalearning.nearness import Nearness, gap, near_neighbors, nearness
from xautolm.metalearning.similarity import (
    DISTANCES,
    OWN,
    SCALERS,
    Distances,
    Near,
    Weights,
    measured,
    own_features,
)
from xautolm.metalearning.task_map import TaskMap, task_map
from xautolm.metalearning.utility import is_negative, is_scored, still_tells, telling
from xautolm.metalearning.warm_start import (
    PRESETS,
    SETTINGS,
    Influence,
    Mode,
    Warmed,
    WarmStart,
    decay,
    distances_of,
    shaped,
    warm_start,
)

__all__ = [
    "DISTANCES",
    "OWN",
    "PRESETS",
    "SCALERS",
    "SETTINGS",
    "Distances",
    "Influence",
    "Mode",
    "Near",
    "Nearness",
    "TaskMap",
    "WarmStart",
    "Warmed",
    "Weights",
    "decay",
    "distances_of",
    "gap",
    "is_negative",
    "is_scored",
    "knn_start",
    "measured",
    "near_neighbors",
    "nearness",
    "own_features",
    "shaped",
    "still_tells",
    "task_map",
    "telling",
    "warm_start",
]
