"""How far predicted numbers lie from right ones, in the data's own units."""

from __future__ import annotations

import numpy as np

from xautolm.metrics.base import Metric
from xautolm.vocabulary import Targets

NUMBERS = (Targets.NUMBERS,)


def mean_absolute_error(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean of the absolute differences."""
    errors = np.abs(differences(targets, predictions))
    return float(errors.mean())


def root_mean_squared_error(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the root of the mean of the squared differences."""
    squares = np.square(differences(targets, predictions))
    return float(np.sqrt(squares.mean()))


def differences(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return predictions minus targets, shape (n,), in double precision."""
    # In single precision, squares overflow from 1.8e19 on.
    exact_targets = np.asarray(targets, dtype=np.float64)
    exact_predictions = np.asarray(predictions, dtype=np.float64)
    return exact_predictions - exact_targets


METRICS = (
    Metric(
        name="mae",
        title="mean absolute error",
        compute=mean_absolute_error,
        targets=NUMBERS,
        maximize=False,
        low=0.0,
    ),
    Metric(
        name="rmse",
        title="root mean squared error",
        compute=root_mean_squared_error,
        targets=NUMBERS,
        maximize=False,
        low=0.0,
    ),
)
