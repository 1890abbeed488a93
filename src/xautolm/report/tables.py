"""Experiences as rows for people and files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xautolm.objectives import EVALUATION_TIME, Objective
from xautolm.records import Experience
from xautolm.vocabulary import TrialStatus

HIDDEN = ("model", "method")


def best_first(experiences: Iterable[Experience], lead: Objective) -> list[Experience]:
    """Return the trials by how good they are in an objective; those without a value last.

    Args:
        experiences: The trials of one run.
        lead: The objective.
    """

    def place(experience: Experience) -> tuple[float, int]:
        return -lead.standing(experience.outcome.metrics), experience.trial

    return sorted(experiences, key=place)


def leaderboard(experiences: Iterable[Experience], lead: Objective, front: Sequence[int]) -> list[dict[str, Any]]:
    """Return one row for each trial, the best in an objective first, failures last.

    Args:
        experiences: The trials of one run.
        lead: What the rows are ordered by.
        front: Numbers of the Pareto-optimal trials.
    """
    ordered = best_first(experiences, lead)
    return [_row(experience, experience.trial in front) for experience in ordered]


def _row(experience: Experience, is_optimal: bool) -> dict[str, Any]:
    outcome, configuration = experience.outcome, experience.configuration
    return {
        "trial": experience.trial,
        "model": configuration.model,
        "method": configuration.method,
        "status": outcome.status.value,
        "pareto": is_optimal,
        **{name: round(value, 4) for name, value in outcome.metrics.items()},
        EVALUATION_TIME: None if outcome.evaluation_time is None else round(outcome.evaluation_time, 2),
        "wall_time": round(outcome.wall_time, 2),
        "peak_memory_mb": None if outcome.peak_memory is None else round(outcome.peak_memory / 1e6),
        "failure": outcome.failure.kind.value if outcome.failure else "",
        "message": outcome.failure.message.partition("\n")[0] if outcome.failure else "",
        "adjustments": "; ".join(outcome.adjustments),
        "proposal": experience.proposal,
        "hyperparameters": hyperparameters(experience),
    }


def hyperparameters(experience: Experience) -> str:
    """The hyperparameters in one line."""
    shown = {name: value for name, value in experience.configuration.values.items() if name not in HIDDEN}
    return " ".join(f"{name}={number(value)}" for name, value in shown.items())


def number(value: Any) -> str:
    """A value as short as it can be said."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV, with all columns that any of them has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def failures_by_kind(experiences: Iterable[Experience]) -> Counter[str]:
    """How many trials failed, by kind."""
    return Counter(one.outcome.failure.kind.value for one in experiences if one.outcome.failure is not None)


def pruning_account(experiences: Iterable[Experience]) -> str:
    """Return in one line what stopping hopeless trials saved, nothing where none was stopped.

    The seconds are an estimate: those that the trials were planned to take, less those that they took.
    """
    count, seconds = pruning_savings(experiences)
    if not count:
        return ""
    trials = "1 hopeless trial was" if count == 1 else f"{count} hopeless trials were"
    return f"{trials} stopped, which saved about {duration(seconds)}"


def pruning_savings(experiences: Iterable[Experience]) -> tuple[int, float]:
    """Return how many trials were stopped as hopeless, and the seconds that this saved by estimate."""
    count = 0
    seconds = 0.0
    for experience in experiences:
        outcome = experience.outcome
        if outcome.status is TrialStatus.PRUNED:
            count += 1
            seconds += max(0.0, (outcome.whole_time or 0.0) - (outcome.evaluation_time or 0.0))
    return count, seconds


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min 20 s, 1 h 5 min."""
    if seconds == float("inf"):
        return "unlimited"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def explained(number: int, explanation: Mapping[str, Any]) -> str:
    """Where a proposal came from, in one line."""
    parts = [f"trial {number} comes from: {explanation['origin']}"]
    if "trust" in explanation:
        parts.append(f"store trusted {explanation['trust']:.0%}")
    if "failure" in explanation:
        parts.append(f"chance of failure {explanation['failure']:.0%}")
    if explanation.get("because"):
        parts.append("most like " + "; ".join(explanation["because"]))
    return ", ".join(parts)
