"""Experiences of many runs as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from xautolm.records import Experience
from xautolm.report.console import cell
from xautolm.report.tables import duration

ID_DIGITS = 10


def damaged_table(rows: Sequence[tuple[str, str, str, str]]) -> Table:
    """Return a table of damaged records: id, run, data, and what is wrong with each."""
    table = Table(box=None)
    for name in ("id", "run", "data", "problem"):
        table.add_column(name)
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def experience_table(experiences: Sequence[Experience]) -> Table:
    """One row for each experience, with its first objective."""
    table = Table(box=None)
    for name in ("id", "when", "data", "model", "method", "outcome", "score", "time"):
        table.add_column(name, justify="right" if name in {"score", "time"} else "left")
    for one in experiences:
        outcome = one.outcome
        names = [name for name in one.objectives if name in outcome.metrics]
        cells = (
            one.id[:ID_DIGITS],
            one.created[:16].replace("T", " "),
            one.data.name,
            one.configuration.model,
            one.configuration.method,
            outcome.failure.kind.value if outcome.failure else outcome.status.value,
            f"{names[0]} {outcome.metrics[names[0]]:.4f}" if names else "",
            duration(outcome.evaluation_time) if outcome.evaluation_time is not None else "",
        )
        table.add_row(*map(cell, cells), style="red" if outcome.failure else "")
    return table
