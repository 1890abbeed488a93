"""Measures of quality: one file for each family of metrics, every metric with its direction and range."""

from xautolm.metrics.base import Metric, metric
from xautolm.metrics.intervals import bootstrap_interval
from xautolm.metrics.own import direction_note
from xautolm.metrics.registered import METRICS, metric_named, offered_metrics
from xautolm.metrics.scoring import constant_scores, needs_probabilities, scores
from xautolm.vocabulary import Targets

__all__ = [
    "METRICS",
    "Metric",
    "Targets",
    "bootstrap_interval",
    "constant_scores",
    "direction_note",
    "metric",
    "metric_named",
    "needs_probabilities",
    "offered_metrics",
    "scores",
]
