"""Metrics by name."""

from __future__ import annotations

from xautolm.importable import is_function_name
from xautolm.metrics.base import Metric
from xautolm.metrics.own import own_metric
from xautolm.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    "xautolm.metrics",
    "METRICS",
    helpers=("base", "chrf", "own", "registered", "intervals", "scoring"),
)


def metric_named(name: str) -> Metric:
    """Return a metric.

    Args:
        name: Of a registered one, or the place of a function of somebody's own, `package.module:function`.

    Raises:
        UnknownNameError: No metric is registered by that name.
        UsageError: The function cannot be imported, or is no metric.
    """
    if is_function_name(name):
        return own_metric(name)
    return METRICS.get(name)


def offered_metrics(problem_type: str) -> list[str]:
    """Return the names of the registered metrics that can be computed for tasks of a problem type.

    Args:
        problem_type: As a task says it.
    """
    names = []
    for metric in METRICS.things.values():
        if problem_type in metric.targets:
            names.append(metric.name)
    return names
