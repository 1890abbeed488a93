"""What a person sees while a search runs: a live table, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xautolm.printable import printable
from xautolm.records import Configuration, Experience, TrialSpec
from xautolm.report.console import cell, sentence
from xautolm.report.download import Received, download_bar, tenths
from xautolm.report.tables import duration, failures_by_kind, leaderboard
from xautolm.run_folder import RunFolder
from xautolm.zoo.downloads import sized

ROWS = 8
"""Trials shown in the live table."""


@dataclass(slots=True)
class Standing:
    """Where a search stands."""

    metric: str
    """The first objective."""
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
        """The trial that leads in the first objective."""
        scored = [one for one in self.experiences if self.metric in one.outcome.metrics]
        return max(scored, key=lambda one: one.outcome.metrics[self.metric], default=None)


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
        leader = f"; best {best.outcome.metrics[standing.metric]:.4f} (trial {best.trial})" if best else ""
        self.note(f"trial {experience.trial}: {summary(experience, standing.metric)}{leader}")


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
        self.live.update(Group(_head(standing), _trials(standing), *_progress(standing)), refresh=True)

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
    cut = " (stopped at the time limit)" if outcome.status.value == "truncated" else ""
    return f"{metric} {outcome.metrics[metric]:.4f} in {duration(outcome.evaluation_time or 0)}{cut}"


def _head(standing: Standing) -> Text:
    kinds = failures_by_kind(standing.experiences)
    failed = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    best = standing.best
    score = f"{best.outcome.metrics[standing.metric]:.4f} by trial {best.trial}" if best else "none yet"
    budget = f"{duration(standing.used)} used, {duration(standing.left)} left"
    if standing.trials_left is not None:
        budget += f", {standing.trials_left} trials left"
    return sentence(f"{budget}   best {standing.metric}: {score}   failures: {failed}", style="bold")


def _trials(standing: Standing) -> Table:
    table = Table(expand=True, header_style="dim", box=None, pad_edge=False)
    for name in ("", "trial", "model", "method", standing.metric, "time", "outcome"):
        table.add_column(name, justify="right" if name in {"trial", standing.metric, "time"} else "left")
    for row in leaderboard(standing.experiences, standing.metric, standing.front)[:ROWS]:
        score = row.get(standing.metric)
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


def _progress(standing: Standing) -> list[Table]:
    lines = []
    for number, spec in standing.running.items():
        last, configuration = last_progress(standing.folder.trial(number)), spec.configuration
        step, steps = last.get("step", 0), last.get("steps", 0) or 1
        line = Table.grid(padding=(0, 1))
        name = f"trial {number}  {configuration.model} {configuration.method}"
        state = f"epoch {last['epoch']:.1f}" if last.get("epoch") is not None else "loading"
        line.add_row(cell(name), ProgressBar(total=steps, completed=step, width=30), cell(state))
        lines.append(line)
    return lines


def last_progress(folder: Path) -> dict[str, Any]:
    """Return the numbers in the last whole line of a trial's progress, or nothing."""
    try:
        lines = (folder / "progress.jsonl").read_text(encoding="utf-8").splitlines()
        last = json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return {}
    if not isinstance(last, dict):
        return {}
    return {name: value for name, value in last.items() if isinstance(value, int | float)}
