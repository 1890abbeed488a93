"""How far a score on a sample of rows may be from the score on all texts of the kind."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from xautolm.metrics.scoring import Answers, scores

logger = logging.getLogger(__name__)

CONFIDENCE = 0.95
"""Share of such intervals that hold the score on all texts."""
MOST_RESAMPLES = 500
"""Bootstrap samples: the ends of a 95 % interval then move by less than a tenth of its width from seed to seed."""
LEAST_RESAMPLES = 100
"""Below that, two or three samples would decide where each end lies."""
SECONDS = 5.0
"""For an interval; what cannot be had in that time has none. Metrics of texts are the slow ones."""


def bootstrap_interval(
    name: str,
    targets: np.ndarray | Sequence[Sequence[str]],
    predictions: Answers,
    probabilities: np.ndarray | None,
    seed: int,
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of a metric at `CONFIDENCE`, over the rows.

    Args:
        name: The metric.
        targets: What is right.
        predictions: The answers.
        probabilities: Of the classes, shape (rows, classes), for the metrics that need them.
        seed: Of the samples.

    Returns:
        None where the metric takes too long for `LEAST_RESAMPLES`, there are fewer than two rows, or a sample has no
        score: a metric of somebody's own may refuse one that lacks a class.
    """
    rows = len(targets)
    if rows < 2:
        return None
    # The first time, the metric's library is loaded.
    scores([name], targets, predictions, probabilities)
    before = time.perf_counter()
    scores([name], targets, predictions, probabilities)
    seconds = time.perf_counter() - before
    # One of two numbers, so that the interval of the same answers hardly ever depends on how busy the machine is.
    resamples = MOST_RESAMPLES
    if resamples * seconds > SECONDS:
        resamples = LEAST_RESAMPLES
    if resamples * seconds > SECONDS:
        return None

    generator = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        sample = generator.integers(0, rows, rows)
        drawn_probabilities = None if probabilities is None else probabilities[sample]
        try:
            drawn = scores(
                [name], _rows(targets, sample), _rows(predictions, sample), drawn_probabilities
            )
        except Exception as error:
            # The scores of the rows themselves are there by now, and must not be lost for want of an interval.
            logger.warning("%s has no interval: %s: %s", name, type(error).__name__, error)
            return None
        values.append(drawn[name])
    if not np.isfinite(values).all():
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _rows(values: np.ndarray | Sequence[Any], sample: np.ndarray) -> Any:
    """Return the rows of a sample, of an array or a list."""
    if isinstance(values, np.ndarray):
        return values[sample]
    return [values[row] for row in sample]
