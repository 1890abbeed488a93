"""From past experiences to a prior for the task at hand."""

from xautolm.metalearning.knn import knn_start
from xautolm.metalearning.similarity import (
    DISTANCES,
    SCALERS,
    Distances,
    Near,
    Weights,
    measured,
    own_features,
)
from xautolm.metalearning.utility import still_tells, telling
from xautolm.metalearning.warm_start import (
    PRESETS,
    SETTINGS,
    Influence,
    Warmed,
    WarmStart,
    distances_of,
    shaped,
    warm_start,
)

__all__ = [
    "DISTANCES",
    "PRESETS",
    "SCALERS",
    "SETTINGS",
    "Distances",
    "Influence",
    "Near",
    "WarmStart",
    "Warmed",
    "Weights",
    "distances_of",
    "knn_start",
    "measured",
    "own_features",
    "shaped",
    "still_tells",
    "telling",
    "warm_start",
]
