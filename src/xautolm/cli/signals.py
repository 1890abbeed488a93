"""What ends a command from outside, and how it ends then."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from xautolm.report.console import say

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C; what batch systems, containers and `kill` send; a terminal that is closed. Not all are there on Windows."""
HANG_UP = "SIGHUP"
Handler = Callable[[int, FrameType | None], object] | int | None
"""What the signal module keeps for a signal: a function, a number for the system's way, None for a foreign handler."""
FIRST_CODE = 128
"""Exit code of a program that a signal ended, less the signal's number."""


class Ended(KeyboardInterrupt):
    """A signal asks the process to end: what runs is stopped, and what finished is kept.

    Args:
        number: The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let each signal that ends a process do so like Ctrl-C inside; a second one ends it at once.

    Signals that whoever started the process has told it to ignore, as `nohup` does, stay ignored.

    Raises:
        SystemExit: A signal came, and what runs inside has ended for it; the code is 128 and the signal's number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows handlers in the main thread only
        return
    handlers_before: dict[int, Handler] = {}
    for name in ENDING:
        if not hasattr(signal, name):
            continue
        number = getattr(signal, name)
        handler = signal.getsignal(number)
        if handler is not signal.SIG_IGN:
            handlers_before[number] = handler

    def end(number: int, frame: FrameType | None) -> NoReturn:
        # A person who asks again does not want to wait for what is still being written.
        for heeded_number in handlers_before:
            signal.signal(heeded_number, _end_at_once)
        if signal.Signals(number).name == HANG_UP:
            _leave_terminal()
        raise Ended(number)

    for number in handlers_before:
        signal.signal(number, end)
    try:
        yield
    except Ended as ended:
        # Typer would make of a KeyboardInterrupt what it makes of Ctrl-C, whatever the signal was.
        say_interrupted(f"interrupted by {ended}", ended)
        sys.exit(FIRST_CODE + ended.number)
    finally:
        for number, handler in handlers_before.items():
            signal.signal(number, handler)


def say_interrupted(headline: str, ended: BaseException) -> None:
    """Print that a command was ended from outside, what is there already, and how to go on.

    Args:
        headline: What happened.
        ended: Carries as notes what the command has to say of it (`BaseException.add_note`).
    """
    notes: list[str] = getattr(ended, "__notes__", ["no further trial had begun"])
    lines = [headline, *notes, "the same command goes on from here"]
    say("\n".join(lines), is_error=True)


def _leave_terminal() -> None:
    """Send what is still printed nowhere: writing to a terminal that was closed is an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        # A descriptor may be closed itself. One that leads to a file or a pipe still works, and keeps what is printed.
        with suppress(OSError):
            status = os.fstat(descriptor)
            is_terminal = stat.S_ISCHR(status.st_mode)
            if is_terminal:
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """End the process without writing anything."""
    # Trials end with their parent, however it ends.
    os._exit(FIRST_CODE + number)
