"""What a person sees while a search runs: a live table, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xautolm.objectives import Objective
from xautolm.printable import printable
from xautolm.records import Configuration, Experience, TrialSpec
from xautolm.report.console import cell, sentence
from xautolm.report.download import Received, download_bar, tenths
from xautolm.report.tables import best_first, duration, failures_by_kind, leaderboard
from xautolm.run_folder import RunFolder
from xautolm.trial_folder import TrialFolder, score_so_far
from xautolm.vocabulary import TrialStatus
from xautolm.zoo.downloads import sized

REMARKS = {
    TrialStatus.TRUNCATED: " (stopped at the time limit)",
    TrialStatus.PRUNED: " (stopped: it could no longer reach the front)",
}
"""What is said behind the scores of trials that did not run to their end."""
ROWS = 8
"""Trials shown in the live table."""
BAR_WIDTH = 30
"""Characters of a bar."""


@dataclass(slots=True)
class Standing:
    """Where a search stands."""

    lead: Objective
    """The first quality among the objectives."""
    folder: RunFolder
    used: float = 0.0
    """Seconds of the budget used."""
    left: float = float("inf")
    trials_left: int | None = None
    experiences: list[Experience] = field(default_factory=list)
    front: Sequence[int] = ()
    running: dict[int, TrialSpec] = field(default_factory=dict)
    """The orders of the running trials by number."""

    @property
    def best(self) -> Experience | None:
        """Return the trial that leads; None before the first success."""
        successes = [experience for experience in self.experiences if experience.outcome.succeeded]
        leaders = best_first(successes, self.lead)
        return leaders[0] if leaders else None

    @property
    def share_used(self) -> float | None:
        """Share of the budget that is used, between 0 and 1, of time or trials whichever is nearer to its end.

        None without a budget of either kind.
        """
        shares = []
        if math.isfinite(self.left):
            total = self.used + self.left
            shares.append(self.used / total if total > 0 else 1.0)
        if self.trials_left is not None:
            ended = self._trials_that_count
            total = ended + len(self.running) + self.trials_left
            shares.append(ended / total if total > 0 else 1.0)
        if not shares:
            return None
        return min(1.0, max(0.0, *shares))

    @property
    def seconds_left(self) -> float:
        """Seconds until the search will have ended, by estimate: infinite while nothing says when."""
        ended = self._trials_that_count
        if self.trials_left is None or ended == 0:
            return self.left
        # As the trials so far went; those that run are taken to be in their middle.
        still = self.trials_left + len(self.running) / 2
        return min(self.left, still * self.used / ended)

    @property
    def _trials_that_count(self) -> int:
        return sum(trial.outcome.is_evidence for trial in self.experiences)


class Screen(Protocol):
    """Shows a search."""

    def note(self, text: str) -> None:
        """Something that is said once."""

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Show how a download of so many bytes goes on, as long as the context is open."""

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """A trial began; it is predicted to take so many seconds."""

    def finished(self, experience: Experience, standing: Standing) -> None:
        """A trial ended."""

    def update(self, standing: Standing) -> None:
        """Called about twice a second."""

    def close(self) -> None:
        """The search is over."""


class Quiet:
    """Shows nothing; also what the other screens build on."""

    def note(self, text: str) -> None:
        """Nothing."""

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Show nothing."""
        return tenths(total, lambda received: None)

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """Nothing."""

    def finished(self, experience: Experience, standing: Standing) -> None:
        """Nothing."""

    def update(self, standing: Standing) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain(Quiet):
    """A line for each thing that happens, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def note(self, text: str) -> None:
        """One line."""
        print(printable(text), file=self.stream, flush=True)

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Print a line for each tenth."""
        return tenths(total, lambda received: self.note(f"fetched {sized(received)} of {sized(total)}"))

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """What runs, and how long it is predicted to."""
        self.note(f"trial {number}: {configuration.model}, {configuration.method}, about {duration(seconds)}")

    def finished(self, experience: Experience, standing: Standing) -> None:
        """What came of it."""
        best = standing.best
        leader = f"; best {best.outcome.metrics[standing.lead.name]:.4f} (trial {best.trial})" if best else ""
        self.note(f"trial {experience.trial}: {summary(experience, standing.lead.name)}{leader}")


class JsonLines(Quiet):
    """A JSON object for each thing that happens, for programs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout

    def note(self, text: str) -> None:
        """`{"event": "note"}`."""
        self._write({"event": "note", "text": text})

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Write `{"event": "download"}` for each tenth."""
        return tenths(total, lambda received: self._write({"event": "download", "bytes": received, "total": total}))

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """`{"event": "started"}`."""
        values = dict(configuration.values)
        self._write({"event": "started", "trial": number, "configuration": values, "predicted_seconds": seconds})

    def finished(self, experience: Experience, standing: Standing) -> None:
        """`{"event": "finished"}`."""
        outcome = experience.outcome
        failure = outcome.failure and {"kind": outcome.failure.kind.value, "message": outcome.failure.message}
        self._write(
            {
                "event": "finished",
                "trial": experience.trial,
                "status": outcome.status.value,
                "metrics": dict(outcome.metrics),
                "evaluation_time": outcome.evaluation_time,
                "failure": failure,
                "front": list(standing.front),
            }
        )

    def _write(self, value: Mapping[str, Any]) -> None:
        print(json.dumps(value), file=self.stream, flush=True)


class LiveTable(Quiet):
    """A table in the terminal that is redrawn in place."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=False)

    def note(self, text: str) -> None:
        """A line above the table."""
        self.console.print(sentence(text, style="dim"))

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Draw a bar."""
        return download_bar(self.console, total)

    def update(self, standing: Standing) -> None:
        """Draw, the first time, or redraw."""
        self.live.start()
        parts: list[RenderableType] = [_head(standing), *_budget_bar(standing), _trials(standing), *_running(standing)]
        self.live.update(Group(*parts), refresh=True)

    def close(self) -> None:
        """Leave the last state on the screen."""
        self.live.stop()


def choose_screen(*, quiet: bool, as_json: bool) -> Screen:
    """The screen that fits the flags and the terminal."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    console = Console(stderr=True)
    return LiveTable(console) if console.is_terminal else Plain()


def summary(experience: Experience, metric: str) -> str:
    """The outcome of a trial in a few words."""
    outcome = experience.outcome
    if outcome.failure is not None:
        return outcome.failure.headline
    remark = REMARKS.get(outcome.status, "")
    return f"{metric} {outcome.metrics[metric]:.4f} in {duration(outcome.evaluation_time or 0)}{remark}"


def _head(standing: Standing) -> Text:
    kinds = failures_by_kind(standing.experiences)
    failed = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    best = standing.best
    score = f"{best.outcome.metrics[standing.lead.name]:.4f} by trial {best.trial}" if best else "none yet"
    budget = f"{duration(standing.used)} used, {duration(standing.left)} left"
    if standing.trials_left is not None:
        budget += f", {standing.trials_left} trials left"
    return sentence(f"{budget}   best {standing.lead.name}: {score}   failures: {failed}", style="bold")


def _trials(standing: Standing) -> Table:
    table = Table(expand=True, header_style="dim", box=None, pad_edge=False)
    metric = standing.lead.name
    for name in ("", "trial", "model", "method", metric, "time", "outcome"):
        table.add_column(name, justify="right" if name in {"trial", metric, "time"} else "left")
    for row in leaderboard(standing.experiences, standing.lead, standing.front)[:ROWS]:
        score = row.get(metric)
        seconds = row["evaluation_time"]
        cells = (
            "*" if row["pareto"] else "",
            str(row["trial"]),
            row["model"],
            row["method"],
            "" if score is None else f"{score:.4f}",
            "" if seconds is None else duration(seconds),
            row["failure"] or row["status"],
        )
        table.add_row(*map(cell, cells), style="red" if row["failure"] else "green" if row["pareto"] else "")
    return table


def _budget_bar(standing: Standing) -> list[Table]:
    """Return the bar of the whole budget with the time that is left; nothing without a budget."""
    share = standing.share_used
    if share is None:
        return []
    seconds = standing.seconds_left
    ending = f"ends in about {duration(seconds)}" if math.isfinite(seconds) else "nothing says yet when it ends"
    line = Table.grid(padding=(0, 1))
    line.add_row(cell("budget"), _bar(share, 1.0), cell(f"{share:.0%}, {ending}"))
    return [line]


def _bar(completed: float, total: float) -> ProgressBar:
    return ProgressBar(total=total, completed=completed, width=BAR_WIDTH)


def _running(standing: Standing) -> list[Table]:
    """Return a line for each trial that runs: how far it is, and what it scores so far."""
    lines = []
    for number, spec in standing.running.items():
        steps = TrialFolder(standing.folder.trial(number)).progress_lines()
        last = steps[-1] if steps else {}
        done, planned = last.get("step", 0), last.get("steps", 0)
        configuration = spec.configuration
        name = f"trial {number}  {configuration.model} {configuration.method}"
        state = _state(steps, standing.lead)
        line = Table.grid(padding=(0, 1))
        line.add_row(cell(name), _bar(done, planned or 1), cell(state))
        lines.append(line)
    return lines


def _state(steps: Sequence[Mapping[str, float]], lead: Objective) -> str:
    """Return in words how far a training is, and its score so far; `about` is before what a sample says.

    Args:
        steps: Its progress, the newest last.
        lead: The first quality among the objectives.
    """
    epochs = [step["epoch"] for step in steps if "epoch" in step]
    state = f"epoch {epochs[-1]:.1f}" if epochs else "loading"
    score = score_so_far(steps, lead)
    if score is None:
        return state
    value, is_estimate = score
    return f"{state}, {lead.name} {'about ' if is_estimate else ''}{value:.4f} so far"
