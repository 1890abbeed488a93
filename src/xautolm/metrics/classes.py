"""Metrics of predicted classes."""

from __future__ import annotations

import numpy as np

from xautolm.metrics.base import Compute, Metric
from xautolm.vocabulary import Targets

BOTH = (Targets.CLASSES, Targets.INDICATORS)


def f1(average: str) -> Compute:
    """Return F1, averaged over classes as scikit-learn calls it: `macro`, `micro` or `weighted`."""

    def compute(targets: np.ndarray, predictions: np.ndarray) -> float:
        from sklearn.metrics import f1_score

        # A class that is neither right nor predicted anywhere has no F1; it counts as 0.
        return float(f1_score(targets, predictions, average=average, zero_division=0))

    return compute


def accuracy(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the share of right rows; with several labels a row, all of them have to be right."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets, predictions))


def mcc(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return Matthews' correlation coefficient."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(targets, predictions))


METRICS = (
    Metric(name="f1_macro", title="macro F1", compute=f1("macro"), targets=BOTH, low=0.0, high=1.0),
    Metric(name="f1_micro", title="micro F1", compute=f1("micro"), targets=BOTH, low=0.0, high=1.0),
    Metric(
        name="f1_weighted",
        title="weighted F1",
        compute=f1("weighted"),
        targets=BOTH,
        low=0.0,
        high=1.0,
    ),
    Metric(name="accuracy", title="accuracy", compute=accuracy, targets=BOTH, low=0.0, high=1.0),
    Metric(
        name="mcc",
        title="Matthews correlation",
        compute=mcc,
        targets=(Targets.CLASSES,),
        low=-1.0,
        high=1.0,
    ),
)
