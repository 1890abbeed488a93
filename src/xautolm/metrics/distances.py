"""How far predicted numbers lie from right ones, in the data's own units."""

from __future__ import annotations

import numpy as np

from xautolm.metrics.base import Metric, Targets

NUMBERS = (Targets.NUMBERS,)


def mean_absolute_error(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean of the absolute differences."""
    return float(np.abs(differences(targets, predictions)).mean())


def root_mean_squared_error(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the root of the mean of the squared differences."""
    return float(np.sqrt(np.square(differences(targets, predictions)).mean()))


def differences(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return predictions minus targets; in double precision, because the squares of large float32 overflow."""
    return np.asarray(predictions, dtype=np.float64) - np.asarray(targets, dtype=np.float64)


METRICS = (
    Metric(name="mae", compute=mean_absolute_error, targets=NUMBERS, maximize=False, low=0.0),
    Metric(name="rmse", compute=root_mean_squared_error, targets=NUMBERS, maximize=False, low=0.0),
)
