"""How surprised a model's probabilities are by the right classes."""

from __future__ import annotations

import numpy as np

from xautolm.metrics.base import Metric
from xautolm.vocabulary import Targets

LEAST_PROBABILITY = 1e-7
"""As which a smaller probability counts, about float32's precision: one row of which a model is sure and wrong adds 16,
not infinity."""


def log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative logarithm of the probability of what is right, in nats.

    Args:
        targets: Class indices of shape (n,), or 0/1 indicators of shape (n, classes), of which each counts as one.
        probabilities: Of each class, shape (n, classes).
    """
    targets = np.asarray(targets)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if targets.ndim == 2:
        # Of a label that the row has not, the probability that it is absent.
        right = np.where(targets > 0, probabilities, 1 - probabilities)
    else:
        rows = np.arange(len(targets))
        right = probabilities[rows, targets]
    clipped = np.clip(right, LEAST_PROBABILITY, 1.0)
    losses = -np.log(clipped)
    return float(losses.mean())


METRICS = (
    Metric(
        name="log_loss",
        title="log loss",
        compute=log_loss,
        targets=(Targets.CLASSES, Targets.INDICATORS),
        maximize=False,
        low=0.0,
        high=-float(np.log(LEAST_PROBABILITY)),
        needs_probabilities=True,
    ),
)
