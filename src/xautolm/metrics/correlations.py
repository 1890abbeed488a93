"""Correlations of predicted numbers with right ones."""

from __future__ import annotations

import numpy as np

from xautolm.metrics.base import Compute, Metric
from xautolm.vocabulary import Targets

NUMBERS = (Targets.NUMBERS,)


def correlation(name: str) -> Compute:
    """Return a correlation by the name of its function in `scipy.stats`."""

    def compute(targets: np.ndarray, predictions: np.ndarray) -> float:
        from scipy import stats

        # The same number for everything says nothing; scipy would return NaN.
        if not np.ptp(targets) or not np.ptp(predictions):
            return 0.0
        return float(getattr(stats, name)(targets, predictions).statistic)

    return compute


METRICS = (
    Metric(
        name="spearman",
        title="Spearman correlation",
        compute=correlation("spearmanr"),
        targets=NUMBERS,
        low=-1.0,
        high=1.0,
    ),
    Metric(
        name="pearson",
        title="Pearson correlation",
        compute=correlation("pearsonr"),
        targets=NUMBERS,
        low=-1.0,
        high=1.0,
    ),
)
