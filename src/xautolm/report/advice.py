"""Recommendations for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from xautolm.objectives import lead_of, recorded_objectives
from xautolm.records import Experience
from xautolm.report.console import cell
from xautolm.report.tables import duration, number

HEADINGS = ("model", "method", "quality", "time", "memory", "risk", "because of", "comes from", "hyperparameters")
NUMBERS = {"quality", "time", "memory", "risk"}
HIDDEN = ("model", "method")
UNKNOWN = "unknown"
NOTHING = "nothing near is known"


def advice_table(rows: Sequence[dict[str, Any]]) -> Table:
    """One row for each recommendation."""
    table = Table(box=None)
    for name in HEADINGS:
        table.add_column(name, justify="right" if name in NUMBERS else "left")
    for row in rows:
        values = row["configuration"]
        shown = " ".join(f"{name}={number(value)}" for name, value in values.items() if name not in HIDDEN)
        cells = (
            str(values["model"]),
            str(values["method"]),
            UNKNOWN if row["quality"] is None else f"{row['quality']:+.2f}",
            duration(row["seconds"]),
            f"{row['memory'] / 1e9:.1f} GB",
            UNKNOWN if row["failure"] is None else f"{row['failure']:.0%}",
            "; ".join(row["because"]) or NOTHING,
            row["origin"],
            shown,
        )
        table.add_row(*map(cell, cells))
    return table


def reason(experience: Experience) -> str:
    """Return a past trial in a few words."""
    outcome = experience.outcome
    if outcome.failure is not None:
        result = outcome.failure.kind.value
    else:
        lead = lead_of(recorded_objectives(experience))
        result = f"{outcome.metrics[lead.name]:.3f}"
    return f"{experience.data.name}/{experience.trial} {experience.configuration.model} {result}"
