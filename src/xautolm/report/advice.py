"""Recommendations for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rich.table import Table

from xautolm.objectives import lead_of, recorded_objectives
from xautolm.records import Experience, Values
from xautolm.report.console import add_cells, add_columns
from xautolm.report.tables import duration, ending, hyperparameters

HEADINGS = (
    "model",
    "method",
    "quality",
    "time",
    "memory",
    "risk",
    "because of",
    "comes from",
    "hyperparameters",
)
NUMBERS = {"quality", "time", "memory", "risk"}
"""Headings of the columns that are aligned at the right."""
UNKNOWN = "unknown"
"""Stands for a prediction that no past trial of a near task supports."""
NOTHING = "nothing near is known"


class AdviceRow(TypedDict):
    """One recommendation, as `AutoLM.recommend` returns it."""

    configuration: Values
    origin: str
    quality: float | None
    """In standard deviations from the mean of a data set."""
    seconds: float
    seconds_interval: tuple[float, float]
    """What nine of ten such trials take."""
    memory: float
    """Bytes."""
    memory_interval: tuple[float, float]
    """What nine of ten such trials need, in bytes."""
    failure: float | None
    """Chance of failure, 0 to 1."""
    because: Sequence[str]
    """The most similar past trials, each in a few words."""


def advice_table(rows: Sequence[AdviceRow]) -> Table:
    """Return a table with one row for each recommendation."""
    table = Table(box=None)
    add_columns(table, HEADINGS, NUMBERS)
    for row in rows:
        configuration = row["configuration"]
        # With a sign: the mean of a data set is 0, and a quality lies above or below it.
        quality = UNKNOWN if row["quality"] is None else f"{row['quality']:+.2f}"
        risk = UNKNOWN if row["failure"] is None else f"{row['failure']:.0%}"
        time = duration(row["seconds"])
        least_time, most_time = row["seconds_interval"]
        least_memory, most_memory = row["memory_interval"]
        memory = gigabytes(row["memory"])
        reasons = "; ".join(row["because"]) or NOTHING
        cells = (
            configuration["model"],
            configuration["method"],
            quality,
            f"{time} ({duration(least_time)} to {duration(most_time)})",
            f"{memory} ({gigabytes(least_memory)} to {gigabytes(most_memory)})",
            risk,
            reasons,
            row["origin"],
            hyperparameters(configuration),
        )
        add_cells(table, cells)
    return table


def gigabytes(memory: float) -> str:
    """Return bytes in a person's unit."""
    return f"{memory / 1e9:.1f} GB"


def reason(experience: Experience) -> str:
    """Return a past trial in a few words."""
    outcome = experience.outcome
    result = ending(outcome)
    if outcome.failure is None:
        lead = lead_of(recorded_objectives(experience))
        # Without its name, a good loss would be read as a poor score.
        result = f"{lead.name} {outcome.metrics[lead.name]:.3f}"
    trial = f"{experience.data.name}/{experience.trial}"
    return f"{trial} {experience.configuration.model} {result}"
