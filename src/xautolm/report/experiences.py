"""Experiences of many runs as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from xautolm.objectives import lead_of, recorded_objectives
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
    """Return one row for each experience, with the first quality among its objectives."""
    table = Table(box=None)
    for name in ("id", "when", "data", "model", "method", "outcome", "score", "time"):
        table.add_column(name, justify="right" if name in {"score", "time"} else "left")
    for experience in experiences:
        outcome = experience.outcome
        lead = lead_of(recorded_objectives(experience)).name
        end = outcome.status.value if outcome.failure is None else outcome.failure.kind.value
        score = f"{lead} {outcome.metrics[lead]:.4f}" if lead in outcome.metrics else ""
        time = "" if outcome.evaluation_time is None else duration(outcome.evaluation_time)
        cells = (
            experience.id[:ID_DIGITS],
            experience.created[:16].replace("T", " "),
            experience.data.name,
            experience.configuration.model,
            experience.configuration.method,
            end,
            score,
            time,
        )
        table.add_row(*map(cell, cells), style="red" if outcome.failure else "")
    return table
