"""What a person reads when a search has ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xautolm.records import Experience
from xautolm.report.console import cell, sentence, table_console
from xautolm.report.tables import duration, hyperparameters
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
) -> None:
    """The Pareto front, the winner's scores, and the next commands.

    Args:
        folder: The run.
        best: Its winner.
        front: Its Pareto-optimal trials.
        test: Scores on the test split, if there is one.
        inputs: Names of the task's inputs.
        pruning: What stopping hopeless trials saved, in one line.
        console: Where to print; the terminal by default.
    """
    console = console or table_console()
    names = list(best.outcome.metrics)
    table = Table(title="Pareto front" if len(front) > 1 else "Best trial", title_justify="left", box=None)
    for heading in ("trial", "model", "method", *names, "time", "hyperparameters"):
        is_number = heading in {"trial", "time", *names}
        table.add_column(cell(heading), justify="right" if is_number else "left", no_wrap=heading != "hyperparameters")
    for one in front:
        scores = [f"{one.outcome.metrics[name]:.4f}" for name in names]
        cells = [str(one.trial), one.configuration.model, one.configuration.method, *scores]
        cells += [duration(one.outcome.evaluation_time or 0), hyperparameters(one)]
        table.add_row(*map(cell, cells), style="bold" if one.trial == best.trial else "")
    console.print(table)
    console.print(sentence(f"\nbest: trial {best.trial}, validation " + _scores(best.outcome.metrics)))
    if test:
        console.print(sentence(f"test (never seen by the search): {_scores(test)}"))
    if pruning:
        console.print(sentence(pruning))
    shown = shown_folder(folder.root)
    disk = disk_use(folder.root) / 1e6
    console.print(sentence(f"model: {shown / 'best'}    report: {shown / 'report.html'}    disk: {disk:.0f} MB"))
    # Not wrapped: it is there to be copied.
    console.print(sentence(f"next: {predict_command(shown, inputs)}"), soft_wrap=True)


def shown_folder(root: Path) -> Path:
    """Return a run's folder as a person would type it: relative to the working folder, where it lies in that."""
    here = Path.cwd()
    return root.relative_to(here) if root.is_relative_to(here) else root


def disk_use(root: Path) -> int:
    """Bytes that a folder takes on disk; files with two names count once."""
    sizes: dict[tuple[int, int], int] = {}
    for path, _, files in os.walk(root):
        for name in files:
            status = os.stat(os.path.join(path, name))
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _scores(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
