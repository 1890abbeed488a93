"""What a person reads when a search has ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xautolm.objectives import LATENCY
from xautolm.records import Experience
from xautolm.report.console import add_cells, add_columns, sentence, table_console
from xautolm.report.page.words import short_time
from xautolm.report.tables import duration, hyperparameters, score_text
from xautolm.report.usage import predict_command
from xautolm.run_folder import RunFolder


def print_result(
    folder: RunFolder,
    best: Experience,
    front: Sequence[Experience],
    test: Mapping[str, float] | None,
    inputs: Sequence[str],
    pruning: str = "",
    console: Console | None = None,
    *,
    is_refit: bool = False,
) -> None:
    """Print the Pareto front, the winner's scores, and the next commands.

    Args:
        folder: The run.
        best: Its winner.
        front: Its Pareto-optimal trials.
        test: Scores on the test split, if there is one.
        inputs: Names of the task's inputs.
        pruning: What stopping hopeless trials saved, in one line.
        console: Where to print; the terminal by default.
        is_refit: Whether the model was trained once more, on the rows of validation too.
    """
    console = console or table_console()
    table = _front_table(best, front)
    console.print(table)

    validation = _scores(best.outcome.metrics)
    lines = [f"\nbest: trial {best.trial}, validation {validation}"]
    if is_refit:
        lines.append("the model: that training once more, on the rows of validation, too")
    if test:
        lines.append(f"test (never seen by the search): {_scores(test)}")
    if pruning:
        lines.append(pruning)
    root = shown_folder(folder.root)
    model = root / folder.best.name
    report = root / folder.report.name
    megabytes = disk_use(folder.root) / 1e6
    lines.append(f"model: {model}    report: {report}    disk: {megabytes:.0f} MB")
    for line in lines:
        console.print(sentence(line))

    command = predict_command(root, inputs)
    # Not wrapped: it is there to be copied.
    next_step = sentence(f"next: {command}")
    console.print(next_step, soft_wrap=True)


def _front_table(best: Experience, front: Sequence[Experience]) -> Table:
    """Return the Pareto-optimal trials as a table, the best one in bold."""
    # All trials of a run report the same metrics.
    metrics = list(best.outcome.metrics)
    title = "Best trial"
    if len(front) > 1:
        title = "Pareto front"
    table = Table(title=title, title_justify="left", box=None)
    # Measured where the search minimises it.
    has_latency = any(experience.outcome.latency is not None for experience in front)
    costs = ["time", LATENCY] if has_latency else ["time"]
    headings = ("trial", "model", "method", *metrics, *costs, "hyperparameters")
    add_columns(table, headings, numbers={"trial", *costs, *metrics})
    # Only the last column may take several lines: the hyperparameters are long.
    for column in table.columns[:-1]:
        column.no_wrap = True
    for experience in front:
        configuration = experience.configuration
        outcome = experience.outcome
        cells: list[object] = [experience.trial, configuration.model, configuration.method]
        for metric in metrics:
            score = outcome.metrics[metric]
            cells.append(score_text(score))
        time = duration(outcome.evaluation_time or 0)
        cells.append(time)
        if has_latency:
            cells.append("" if outcome.latency is None else short_time(outcome.latency))
        cells.append(hyperparameters(configuration.values))
        is_best = experience.trial == best.trial
        style = "bold" if is_best else ""
        add_cells(table, cells, style)
    return table


def shown_folder(root: Path) -> Path:
    """Return a run's folder as a person would type it: relative to the working folder, where it lies in that."""
    working_folder = Path.cwd()
    if root.is_relative_to(working_folder):
        return root.relative_to(working_folder)
    return root


def disk_use(root: Path) -> int:
    """Return the bytes that a folder takes on disk; files with two names count once."""
    # Files of `best/` are mostly second names of a trial's. Device and number there tell a file, whatever its names.
    sizes: dict[tuple[int, int], int] = {}
    for path, _, files in os.walk(root):
        for name in files:
            place = os.path.join(path, name)
            status = os.stat(place)
            file = status.st_dev, status.st_ino
            sizes[file] = status.st_size
    return sum(sizes.values())


def _scores(scores: Mapping[str, float]) -> str:
    """Return scores in one line, such as `f1_macro 0.7000, mcc 0.5500`."""
    parts = []
    for name, score in scores.items():
        parts.append(f"{name} {score_text(score)}")
    return ", ".join(parts)
