"""What quality is set against on the page: the first cost among a search's objectives, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xautolm.objectives import COSTS, EVALUATION_TIME, LATENCY, MODEL_SIZE, measured_value
from xautolm.records import TrialOutcome
from xautolm.report.page.words import in_bytes, short_time
from xautolm.report.tables import time_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCost:
    """A cost as the page speaks of it."""

    name: str
    """Of the objective."""
    axis: str
    title: str
    """Of the picture of the front."""
    lower: str
    """Of a trial that costs less than another."""
    lowest: str
    """Of the trial that costs least."""
    text: Callable[[float], str]
    """Returns a value with its unit."""

    def of(self, outcome: TrialOutcome) -> float | None:
        """Return what a trial costs; None where it was not measured, or is nothing that an axis could show."""
        value = measured_value(outcome, COSTS[self.name], outcome.evaluation_time)
        if math.isnan(value) or value <= 0:
            return None
        return value


TIME_TAKEN = ShownCost(
    name=EVALUATION_TIME,
    axis="seconds to train and validate",
    title="Quality against time",
    lower="faster",
    lowest="fastest",
    text=time_text,
)
TIME_IN_USE = ShownCost(
    name=LATENCY,
    axis="seconds to answer one text",
    title="Quality against latency",
    lower="faster in use",
    lowest="fastest in use",
    text=short_time,
)
SIZE = ShownCost(
    name=MODEL_SIZE,
    axis="bytes of the weights",
    title="Quality against size",
    lower="smaller",
    lowest="smallest",
    text=in_bytes,
)
SHOWN: Mapping[str, ShownCost] = {cost.name: cost for cost in (TIME_TAKEN, TIME_IN_USE, SIZE)}


def shown_cost(objectives: Sequence[str]) -> ShownCost:
    """Return the first cost among the names of objectives; the time of a search that minimises none."""
    for name in objectives:
        if name in SHOWN:
            return SHOWN[name]
    return TIME_TAKEN
