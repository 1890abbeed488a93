"""Metrics of somebody's own: functions that are named by the module they lie in, `package.module:function`."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

from xautolm.errors import UsageError
from xautolm.importable import object_named, search_here
from xautolm.metrics.base import Metric
from xautolm.objectives import Objective
from xautolm.vocabulary import Targets

ERRORS = ("_error", "_loss", "_deviance")
"""How the names of scikit-learn's functions end of which smaller is better."""
FIX = "Name a function of targets and predictions that returns a number, for example my_metrics:mean_cost."


def own_metric(name: str) -> Metric:
    """Return the metric that a function is; `metric` in `xautolm.metrics` sets the attributes that describe it.

    Without the attribute `greater_is_better` larger is better, unless the function's name ends as those of
    scikit-learn's errors do.

    Args:
        name: `package.module:function`, which is imported; the working folder is searched, too. It may also name a
            `Metric`.

    Raises:
        UsageError: It cannot be imported, or is no function of two arguments.
    """
    search_here()
    try:
        function = object_named(name)
    except ValueError as error:
        raise UsageError("The metric cannot be imported.", got=str(error), fix=FIX) from None
    if isinstance(function, Metric):
        return replace(function, name=name)
    if not callable(function):
        raise UsageError(
            "The metric is no function.",
            got=f"{name} is of type {type(function).__name__}",
            fix=FIX,
        )
    try:
        # Whether it takes two arguments is asked before the search, which would only learn of it in its first trial.
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise UsageError(
            "The metric does not take targets and predictions.", got=f"{name}: {error}", fix=FIX
        ) from None
    except ValueError:
        # Functions in C may not say what they take.
        pass
    greater_is_better = getattr(function, "greater_is_better", not name.endswith(ERRORS))
    needs_probabilities = getattr(function, "needs_probabilities", False)
    low = getattr(function, "low", -math.inf)
    high = getattr(function, "high", math.inf)
    return Metric(
        name=name,
        compute=function,
        # What it can be computed of shows when it is called.
        targets=tuple(Targets),
        maximize=bool(greater_is_better),
        low=float(low),
        high=float(high),
        needs_probabilities=bool(needs_probabilities),
    )


def direction_note(objective: Objective) -> str:
    """Return which values of a function of somebody's own count as better, and how to say otherwise."""
    better = "larger" if objective.maximize else "smaller"
    otherwise = f"greater_is_better={not objective.maximize}"
    return (
        f"{objective.name}: {better} is better; if that is wrong, say {otherwise} where it is defined, "
        "by the decorator xautolm.metrics.metric"
    )
