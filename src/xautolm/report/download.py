"""How a download goes on: a bar in the terminal, or a line for each tenth of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Received = Callable[[int], None]
"""Takes the bytes that have come so far."""
TENTHS = 10
"""Parts of a download, after each of which a line is said."""


@contextmanager
def download_bar(console: Console, total: int) -> Iterator[Received]:
    """Draw a bar with bytes, speed and remaining time, which is gone when the download has ended.

    Args:
        console: Where to.
        total: Bytes to come.
    """
    columns = (
        TextColumn("fetching"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("fetching", total=total)
        yield lambda received: progress.update(task, completed=received)


@contextmanager
def tenths(total: int, say: Callable[[int], None]) -> Iterator[Received]:
    """Say how many bytes have come whenever another tenth has, for logs and programs.

    Args:
        total: Bytes to come.
        say: Takes the bytes that have come.
    """
    last_tenth = 0

    def receive(received: int) -> None:
        nonlocal last_tenth
        # A download of no bytes is complete from the start.
        tenth = TENTHS * received // total if total else TENTHS
        if tenth > last_tenth:
            last_tenth = tenth
            say(received)

    yield receive
