"""Experiences of many runs as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from xautolm.objectives import lead_of, recorded_objectives
from xautolm.records import Experience
from xautolm.report.console import add_cells, add_columns
from xautolm.report.tables import ending, score_text, time_text

ID_DIGITS = 10
"""Digits of an experience's id that the table shows."""
MINUTES = len("2026-01-02T03:04")
"""Characters of a time in ISO 8601 that say it to the minute."""


def damaged_table(rows: Sequence[tuple[str, str, str, str]]) -> Table:
    """Return a table of damaged records: id, run, data, and what is wrong with each."""
    table = Table(box=None)
    add_columns(table, ("id", "run", "data", "problem"))
    for row in rows:
        add_cells(table, row)
    return table


def experience_table(experiences: Sequence[Experience]) -> Table:
    """Return a table with one row for each experience, with the first quality among its objectives."""
    table = Table(box=None)
    headings = ("id", "when", "data", "model", "method", "outcome", "score", "time")
    add_columns(table, headings, numbers={"score", "time"})
    for experience in experiences:
        has_failed = experience.outcome.failure is not None
        add_cells(table, _cells(experience), style="red" if has_failed else "")
    return table


def _cells(experience: Experience) -> tuple[str, ...]:
    """Return the cells of an experience's row, in the order of the headings."""
    outcome = experience.outcome
    configuration = experience.configuration
    lead = lead_of(recorded_objectives(experience)).name
    score = ""
    # A failure has no scores.
    if lead in outcome.metrics:
        score = f"{lead} {score_text(outcome.metrics[lead])}"
    return (
        experience.id[:ID_DIGITS],
        experience.created[:MINUTES].replace("T", " "),
        experience.data.name,
        configuration.model,
        configuration.method,
        ending(outcome),
        score,
        time_text(outcome.evaluation_time),
    )
