"""Experiences as rows for people and files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xautolm.objectives import EVALUATION_TIME, LATENCY, MODEL_SIZE, Objective
from xautolm.records import Experience, Scalar, TrialOutcome, Values
from xautolm.vocabulary import TrialStatus

HIDDEN = ("model", "method")
"""Values of a configuration that have columns of their own, beside those of the hyperparameters."""
SCORE_DECIMALS = 4
"""Of scores, wherever a person or a file reads them."""
LATENCY_DECIMALS = 5
"""Of seconds: small models take a few milliseconds, and differ by tenths of one."""
SMALLEST_SCORE = 1e-3
"""Below which a score has three significant digits instead: errors of small numbers would all be 0.0000."""
NOISE = 1e-12
"""Below which a score is nothing but rounding, such as the difference of equal ones."""
MINUTE, HOUR = 60, 3600
"""In seconds."""

Row = dict[str, Scalar]
"""One trial, by the names of columns."""


def best_first(experiences: Iterable[Experience], lead: Objective) -> list[Experience]:
    """Return the trials by how good they are in an objective; those without a value last.

    Args:
        experiences: The trials of one run.
        lead: The objective.
    """

    def place(experience: Experience) -> tuple[float, int]:
        # Of trials with the same value, or without any, the earlier one comes first.
        standing = lead.standing(experience.outcome.metrics)
        return -standing, experience.trial

    return sorted(experiences, key=place)


def leaderboard(
    experiences: Iterable[Experience], lead: Objective, front: Sequence[int]
) -> list[Row]:
    """Return one row for each trial, the best in an objective first, failures last, its hyperparameters in one text.

    Args:
        experiences: The trials of one run.
        lead: What the rows are ordered by.
        front: Numbers of the Pareto-optimal trials.
    """
    rows = []
    for experience in best_first(experiences, lead):
        is_optimal = experience.trial in front
        row = _row(experience, is_optimal=is_optimal)
        values = experience.configuration.values
        row["hyperparameters"] = hyperparameters(values)
        rows.append(row)
    return rows


def wide_leaderboard(
    experiences: Iterable[Experience], lead: Objective, front: Sequence[int]
) -> list[Row]:
    """Return the rows of `leaderboard` with a column for each hyperparameter that any trial has.

    It is None where a trial has none. These columns come last; one that is called like a column that all leaderboards
    have is left out.
    """
    ordered = best_first(experiences, lead)
    # A dictionary rather than a set, which has no order.
    names: dict[str, None] = {}
    for experience in ordered:
        names |= dict.fromkeys(experience.configuration.values)
    rows = []
    for experience in ordered:
        is_optimal = experience.trial in front
        row = _row(experience, is_optimal=is_optimal)
        values = experience.configuration.values
        for name in names:
            row.setdefault(name, values.get(name))
        rows.append(row)
    return rows


def _row(experience: Experience, *, is_optimal: bool) -> Row:
    """Return the columns that all leaderboards have."""
    outcome = experience.outcome
    configuration = experience.configuration
    row: Row = {
        "trial": experience.trial,
        "model": configuration.model,
        "method": configuration.method,
        "status": outcome.status.value,
        "pareto": is_optimal,
    }
    for metric, score in outcome.metrics.items():
        row[metric] = float(score_text(score))
    # The columns of numbers are empty where there is none, those of texts hold the empty text.
    row[EVALUATION_TIME] = None
    if outcome.evaluation_time is not None:
        row[EVALUATION_TIME] = round(outcome.evaluation_time, 2)
    if outcome.latency is not None:
        row[LATENCY] = round(outcome.latency, LATENCY_DECIMALS)
    if outcome.model_size is not None:
        row[MODEL_SIZE] = outcome.model_size
    row["wall_time"] = round(outcome.wall_time, 2)
    row["peak_memory_mb"] = None
    if outcome.peak_memory is not None:
        row["peak_memory_mb"] = round(outcome.peak_memory / 1e6)
    row["failure"] = ""
    row["message"] = ""
    if outcome.failure is not None:
        row["failure"] = outcome.failure.kind.value
        row["message"] = outcome.failure.message.partition("\n")[0]
    row["adjustments"] = "; ".join(outcome.adjustments)
    row["proposal"] = experience.proposal
    return row


def hyperparameters(values: Values) -> str:
    """Return the hyperparameters of a configuration in one line, without its model and method."""
    parts = []
    for name, value in values.items():
        if name not in HIDDEN:
            parts.append(f"{name}={number(value)}")
    return " ".join(parts)


def ending(outcome: TrialOutcome) -> str:
    """Return in one word how a trial ended: the kind of its failure, else its status."""
    if outcome.failure is not None:
        return outcome.failure.kind.value
    return outcome.status.value


def number(value: object) -> str:
    """Return a value as text; real numbers with three significant digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


def score_text(score: float) -> str:
    """Return a score as tables, cards and screens write it."""
    if NOISE < abs(score) < SMALLEST_SCORE:
        return f"{score:.3g}"
    return f"{score:.{SCORE_DECIMALS}f}"


def millions(parameters: float) -> str:
    """Return the size of a model in millions of parameters."""
    return f"{parameters / 1e6:.1f} M"


def as_csv(rows: Sequence[Mapping[str, Scalar]]) -> str:
    """Return rows as CSV, with all columns that any of them has, in the order in which they first appear."""
    # A dictionary rather than a set, which has no order.
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    buffer = io.StringIO()
    # By itself, the library ends lines with a carriage return too.
    writer = csv.DictWriter(buffer, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def failures_by_kind(experiences: Iterable[Experience]) -> Counter[str]:
    """Return how many trials failed, by kind."""
    counts: Counter[str] = Counter()
    for experience in experiences:
        failure = experience.outcome.failure
        if failure is not None:
            counts[failure.kind.value] += 1
    return counts


def failures_in_words(experiences: Iterable[Experience]) -> str:
    """Return how many trials failed, by kind, such as `2 crash, 1 timeout`; nothing where none failed."""
    counts = failures_by_kind(experiences)
    parts = [f"{count} {kind}" for kind, count in counts.items()]
    return ", ".join(parts)


def pruning_account(experiences: Iterable[Experience]) -> str:
    """Return in one line what stopping hopeless trials saved, nothing where none was stopped.

    The seconds are an estimate: those that the trials were planned to take, less those that they took.
    """
    count, seconds = pruning_savings(experiences)
    if not count:
        return ""
    trials = "1 hopeless trial was"
    if count > 1:
        trials = f"{count} hopeless trials were"
    return f"{trials} stopped, which saved about {duration(seconds)}"


def pruning_savings(experiences: Iterable[Experience]) -> tuple[int, float]:
    """Return how many trials were stopped as hopeless, and the seconds that this saved by estimate."""
    count = 0
    seconds = 0.0
    for experience in experiences:
        outcome = experience.outcome
        if outcome.status is TrialStatus.PRUNED:
            count += 1
            planned = outcome.whole_time or 0.0
            taken = outcome.evaluation_time or 0.0
            # An estimate may be less than what the trial has taken by then.
            seconds += max(0.0, planned - taken)
    return count, seconds


def duration(seconds: float) -> str:
    """Return seconds as people say them: 8 s, 3 min 20 s, 1 h 5 min."""
    if seconds == float("inf"):
        return "unlimited"
    # The time that is left of a budget may be negative: a trial may end a little after it.
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        minutes, seconds_beyond = divmod(whole, MINUTE)
        return f"{minutes} min {seconds_beyond} s"
    hours, seconds_beyond = divmod(whole, HOUR)
    minutes = seconds_beyond // MINUTE
    return f"{hours} h {minutes} min"


def time_text(seconds: float | None) -> str:
    """Return seconds as people say them; nothing where they are not known."""
    if seconds is None:
        return ""
    return duration(seconds)


def explained(number: int, explanation: Mapping[str, Any]) -> str:
    """Return in one line where a proposal came from.

    Args:
        number: Of the trial.
        explanation: What the sampler noted beside the proposal.
    """
    parts = [f"trial {number} comes from: {explanation['origin']}"]
    if "trust" in explanation:
        parts.append(f"store trusted {explanation['trust']:.0%}")
    if "failure" in explanation:
        parts.append(f"chance of failure {explanation['failure']:.0%}")
    neighbors = explanation.get("because")
    if neighbors:
        names = "; ".join(neighbors)
        parts.append(f"most like {names}")
    return ", ".join(parts)
