"""From past experiences to a prior for the task at hand."""

from xautolm.metalearning.knn import knn_start
from xautolm.metalearning.similarity import DISTANCES, Near, Weights, measured, own_features
from xautolm.metalearning.utility import still_tells, telling
from xautolm.metalearning.warm_start import PRESETS, Influence, Warmed, WarmStart, warm_start

__all__ = [
    "DISTANCES",
    "PRESETS",
    "Influence",
    "Near",
    "WarmStart",
    "Warmed",
    "Weights",
    "knn_start",
    "measured",
    "own_features",
    "still_tells",
    "telling",
    "warm_start",
]
