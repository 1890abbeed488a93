"""What a person sees while a search runs: a live table, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.jupyter import JupyterMixin
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xautolm.objectives import Objective
from xautolm.printable import printable
from xautolm.records import Configuration, Experience, TrialSpec
from xautolm.report.console import add_cells, add_columns, cell, sentence
from xautolm.report.download import Received, download_bar, tenths
from xautolm.report.tables import (
    best_first,
    duration,
    ending,
    failures_in_words,
    score_text,
    time_text,
)
from xautolm.run_folder import RunFolder
from xautolm.trial_folder import TrialFolder, score_so_far
from xautolm.vocabulary import TrialStatus
from xautolm.zoo import sized

REMARKS = {
    TrialStatus.TRUNCATED: " (stopped at the time limit)",
    TrialStatus.PRUNED: " (stopped: it could no longer reach the front)",
}
"""Stands behind the scores of trials that did not run to their end."""
ROWS = 8
"""Trials shown in the live table."""
BAR_WIDTH = 30
"""Characters of a bar."""
NOTES = 12
"""Notes below the table in a notebook, the newest: a cell's output has no lines that scroll away."""


@dataclass(slots=True)
class Standing:
    """Where a search stands."""

    lead: Objective
    """The first quality among the objectives."""
    folder: RunFolder
    used: float = 0.0
    """Seconds of the budget used."""
    left: float = float("inf")
    """Seconds of the budget left; infinite without a time budget."""
    trials_left: int | None = None
    """Trials of the budget left; None without a budget of trials."""
    experiences: list[Experience] = field(default_factory=list)
    """The trials that have ended."""
    front: Sequence[int] = ()
    """Numbers of the Pareto-optimal trials."""
    running: dict[int, TrialSpec] = field(default_factory=dict)
    """The orders of the running trials by number."""

    @property
    def best(self) -> Experience | None:
        """Return the trial that leads; None before the first success."""
        successes = [experience for experience in self.experiences if experience.outcome.succeeded]
        leaders = best_first(successes, self.lead)
        if not leaders:
            return None
        return leaders[0]

    @property
    def share_used(self) -> float | None:
        """Return the share of the budget that is used, 0 to 1: of time or trials, whichever is nearer to its end.

        None without a budget of either kind.
        """
        shares = []
        if math.isfinite(self.left):
            seconds = self.used + self.left
            # A budget of nothing is used up.
            share_of_time = self.used / seconds if seconds > 0 else 1.0
            shares.append(share_of_time)
        if self.trials_left is not None:
            ended = self._trials_that_count
            trials = ended + len(self.running) + self.trials_left
            share_of_trials = ended / trials if trials > 0 else 1.0
            shares.append(share_of_trials)
        if not shares:
            return None
        # Trials may end a little after the budget, so more than all of it may be used.
        return min(1.0, max(0.0, *shares))

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the search ends, by estimate: infinite while nothing says when."""
        ended = self._trials_that_count
        if self.trials_left is None or ended == 0:
            return self.left
        # As the trials so far went; those that run are taken to be in their middle.
        trials_to_come = self.trials_left + len(self.running) / 2
        seconds_per_trial = self.used / ended
        return min(self.left, trials_to_come * seconds_per_trial)

    @property
    def _trials_that_count(self) -> int:
        """Return how many of the ended trials count against the budget: not those that were ended from outside."""
        count = 0
        for experience in self.experiences:
            if experience.outcome.is_evidence:
                count += 1
        return count


class Display(Protocol):
    """An output of a notebook's cell that can be changed, as IPython gives it."""

    def update(self, shown: object) -> None:
        """Show something else in its place."""


class Screen(Protocol):
    """Shows a search."""

    def note(self, text: str) -> None:
        """Show something that is said once."""

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Show how a download of so many bytes goes on, as long as the context is open."""

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """Show that a trial began; it is predicted to take so many seconds."""

    def finished(self, experience: Experience, standing: Standing) -> None:
        """Show that a trial ended."""

    def update(self, standing: Standing) -> None:
        """Show where the search stands; called about twice a second."""

    def close(self) -> None:
        """Leave the screen as it is to stay: the search is over."""


class Quiet:
    """Shows nothing; also what the other screens build on."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Show nothing."""
        return tenths(total, lambda received: None)

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """Show nothing."""

    def finished(self, experience: Experience, standing: Standing) -> None:
        """Show nothing."""

    def update(self, standing: Standing) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class Plain(Quiet):
    """A line for each thing that happens, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def note(self, text: str) -> None:
        """Print the text."""
        print(printable(text), file=self.stream, flush=True)

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Print a line for each tenth."""

        def note(received: int) -> None:
            self.note(f"fetched {sized(received)} of {sized(total)}")

        return tenths(total, note)

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """Print what runs, and how long it is predicted to."""
        model = configuration.model
        time = duration(seconds)
        self.note(f"trial {number}: {model}, {configuration.method}, about {time}")

    def finished(self, experience: Experience, standing: Standing) -> None:
        """Print what came of the trial, and which one leads now."""
        metric = standing.lead.name
        leader = ""
        best = standing.best
        if best is not None:
            score = score_text(best.outcome.metrics[metric])
            leader = f"; best {score} (trial {best.trial})"
        outcome = summary(experience, metric)
        self.note(f"trial {experience.trial}: {outcome}{leader}")


class JsonLines(Quiet):
    """A JSON object for each thing that happens, for programs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout

    def note(self, text: str) -> None:
        """Write `{"event": "note"}`."""
        self._write({"event": "note", "text": text})

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Write `{"event": "download"}` for each tenth."""

        def write(received: int) -> None:
            self._write({"event": "download", "bytes": received, "total": total})

        return tenths(total, write)

    def started(self, number: int, configuration: Configuration, seconds: float) -> None:
        """Write `{"event": "started"}`."""
        values = dict(configuration.values)
        self._write(
            {
                "event": "started",
                "trial": number,
                "configuration": values,
                "predicted_seconds": seconds,
            }
        )

    def finished(self, experience: Experience, standing: Standing) -> None:
        """Write `{"event": "finished"}`."""
        outcome = experience.outcome
        failure = None
        if outcome.failure is not None:
            failure = {"kind": outcome.failure.kind.value, "message": outcome.failure.message}
        event = {
            "event": "finished",
            "trial": experience.trial,
            "status": outcome.status.value,
            "metrics": dict(outcome.metrics),
            "evaluation_time": outcome.evaluation_time,
            "latency": outcome.latency,
            "model_size": outcome.model_size,
            "failure": failure,
            "front": list(standing.front),
        }
        self._write(event)

    def _write(self, event: Mapping[str, object]) -> None:
        line = json.dumps(event)
        # Flushed: a program reads an event when it happens, not when a buffer is full.
        print(line, file=self.stream, flush=True)


class LiveTable(Quiet):
    """A table in the terminal that is redrawn in place."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        # Drawn when the search says so, about twice a second, and not by a thread of its own.
        self.live = Live(console=self.console, auto_refresh=False, transient=False)

    def note(self, text: str) -> None:
        """Print a line above the table."""
        self.console.print(sentence(text, style="dim"))

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Draw a bar of the bytes."""
        return download_bar(self.console, total)

    def update(self, standing: Standing) -> None:
        """Draw, the first time, or redraw."""
        # Starting once more does nothing.
        self.live.start()
        self.live.update(drawn(standing), refresh=True)

    def close(self) -> None:
        """Leave the last state on the screen."""
        self.live.stop()


class Shown(JupyterMixin):
    """What rich can draw, as a notebook takes it: in HTML, and as text where that is not shown."""

    def __init__(self, renderable: RenderableType) -> None:
        self.renderable = renderable

    def __rich__(self) -> RenderableType:
        """Return what is drawn."""
        return self.renderable


class NotebookTable(Quiet):
    """The same table as one output of a notebook's cell, which is changed in place, with what was said last below it.

    By IPython's own displays: rich's `Live` takes a widget there, which needs another package, and which a notebook
    that is saved and opened elsewhere does not show.
    """

    def __init__(self) -> None:
        self.notes: deque[str] = deque(maxlen=NOTES)
        self.fetched = ""
        self.table: RenderableType | None = None
        self.display: Display | None = None

    def note(self, text: str) -> None:
        """Show the text below the table."""
        self.notes.append(text)
        self._draw()

    def download(self, total: int) -> AbstractContextManager[Received]:
        """Show how far it is, in tenths."""

        def note(received: int) -> None:
            self.fetched = f"fetched {sized(received)} of {sized(total)}"
            self._draw()

        return tenths(total, note)

    def update(self, standing: Standing) -> None:
        """Draw anew."""
        self.fetched = ""
        self.table = drawn(standing)
        self._draw()

    def _draw(self) -> None:
        """Change what the cell shows; the first time, begin its output."""
        parts: list[RenderableType] = []
        if self.table is not None:
            parts.append(self.table)
        parts += [sentence(note, style="dim") for note in self.notes]
        if self.fetched:
            parts.append(sentence(self.fetched))
        shown = Shown(Group(*parts))
        if self.display is not None:
            self.display.update(shown)
            return
        from IPython.display import display

        self.display = display(shown, display_id=True)


def drawn(standing: Standing) -> Group:
    """Return where a search stands as a table, with the bars of the budget and of the running trials."""
    parts: list[RenderableType] = [_head(standing)]
    parts += _budget_bar(standing)
    parts.append(_trials(standing))
    parts += _running(standing)
    return Group(*parts)


def choose_screen(*, quiet: bool, as_json: bool) -> Screen:
    """Return the screen that fits the flags, and the terminal or notebook."""
    # Progress goes to standard error, results to standard output; as JSON, both are lines of one stream.
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    console = Console(stderr=True)
    if console.is_jupyter:
        return NotebookTable()
    if console.is_terminal:
        return LiveTable(console)
    return Plain()


def summary(experience: Experience, metric: str) -> str:
    """Return the outcome of a trial in a few words."""
    outcome = experience.outcome
    if outcome.failure is not None:
        return outcome.failure.headline
    remark = REMARKS.get(outcome.status, "")
    score = score_text(outcome.metrics[metric])
    time = duration(outcome.evaluation_time or 0)
    return f"{metric} {score} in {time}{remark}"


def _head(standing: Standing) -> Text:
    """Return the line at the top: the budget, the best score, and the failures."""
    metric = standing.lead.name
    failures = failures_in_words(standing.experiences) or "none"
    leader = "none yet"
    best = standing.best
    if best is not None:
        score = score_text(best.outcome.metrics[metric])
        leader = f"{score} by trial {best.trial}"
    budget = f"{duration(standing.used)} used, {duration(standing.left)} left"
    if standing.trials_left is not None:
        budget += f", {standing.trials_left} trials left"
    line = f"{budget}   best {metric}: {leader}   failures: {failures}"
    return sentence(line, style="bold")


def _trials(standing: Standing) -> Table:
    """Return the leading trials as a table; green ones are on the front, red ones failed."""
    metric = standing.lead.name
    table = Table(expand=True, header_style="dim", box=None, pad_edge=False)
    add_columns(
        table,
        ("", "trial", "model", "method", metric, "time", "outcome"),
        numbers={"trial", metric, "time"},
    )
    ordered = best_first(standing.experiences, standing.lead)
    for experience in ordered[:ROWS]:
        outcome = experience.outcome
        configuration = experience.configuration
        is_optimal = experience.trial in standing.front
        style = ""
        if outcome.failure is not None:
            style = "red"
        elif is_optimal:
            style = "green"
        score = outcome.metrics.get(metric)
        cells = (
            "*" if is_optimal else "",
            experience.trial,
            configuration.model,
            configuration.method,
            "" if score is None else score_text(score),
            time_text(outcome.evaluation_time),
            ending(outcome),
        )
        add_cells(table, cells, style)
    return table


def _budget_bar(standing: Standing) -> list[Table]:
    """Return the bar of the whole budget with the time that is left; nothing without a budget."""
    share = standing.share_used
    if share is None:
        return []
    seconds = standing.seconds_left
    forecast = "nothing says yet when it ends"
    if math.isfinite(seconds):
        forecast = f"ends in about {duration(seconds)}"
    state = f"{share:.0%}, {forecast}"
    return [_bar_line("budget", share, 1.0, state)]


def _bar_line(title: str, completed: float, total: float, state: str) -> Table:
    """Return a line with a title, a bar and, in words, where it stands."""
    bar = ProgressBar(total=total, completed=completed, width=BAR_WIDTH)
    line = Table.grid(padding=(0, 1))
    line.add_row(cell(title), bar, cell(state))
    return line


def _running(standing: Standing) -> list[Table]:
    """Return a line for each trial that runs: how far it is, and what it scores so far."""
    lines = []
    for number, spec in standing.running.items():
        folder = TrialFolder(standing.folder.trial(number))
        steps = folder.progress_lines()
        # A trial that is still loading has written nothing.
        last = steps[-1] if steps else {}
        configuration = spec.configuration
        title = f"trial {number}  {configuration.model} {configuration.method}"
        # A training that has not said yet how many steps it takes: a bar of total 0 would be drawn as finished.
        planned_steps = last.get("steps", 0) or 1
        steps_done = last.get("step", 0)
        state = _state(steps, standing.lead)
        lines.append(_bar_line(title, steps_done, planned_steps, state))
    return lines


def _state(steps: Sequence[Mapping[str, float]], lead: Objective) -> str:
    """Return in words how far a training is, and its score so far; `about` is before what a sample says.

    Args:
        steps: Its progress, the newest last.
        lead: The first quality among the objectives.
    """
    epochs = [step["epoch"] for step in steps if "epoch" in step]
    state = "loading"
    if epochs:
        state = f"epoch {epochs[-1]:.1f}"
    score = score_so_far(steps, lead)
    if score is None:
        return state
    value, is_estimate = score
    about = "about " if is_estimate else ""
    return f"{state}, {lead.name} {about}{score_text(value)} so far"
