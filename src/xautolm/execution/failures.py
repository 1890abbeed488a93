"""From exceptions and exit codes to kinds of failure."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import IO

from xautolm.objectives import EVALUATION_TIME
from xautolm.records import Failure, TrialOutcome
from xautolm.symptoms import kind_of
from xautolm.vocabulary import FailureKind, TrialStatus

TAIL_LINES = 20
TAIL_BYTES = 8_192

UNWRITABLE = os.EX_IOERR
"""Exit code of a trial that could not write its result."""

KINDS_OF_SIGNALS = {
    # What people, shells and schedulers send to stop a process; nothing inside a trial does.
    signal.SIGTERM: FailureKind.INTERRUPTED,
    signal.SIGINT: FailureKind.INTERRUPTED,
    signal.SIGHUP: FailureKind.INTERRUPTED,
    signal.SIGQUIT: FailureKind.INTERRUPTED,
    # A file in memory without a disk behind it: the disk or /dev/shm is full, or fails.
    signal.SIGBUS: FailureKind.INFRASTRUCTURE,
}
"""Signals that say more of the machine than of the trial; every other is a crash."""


def failure_of(error: BaseException) -> Failure:
    """Return what an exception inside a trial means, with the first two lines of its text."""
    text = f"{type(error).__name__}: {error}"
    lines = text.strip().split("\n")
    # The second line of our own errors says what was got instead.
    message = "\n".join(lines[:2])
    return Failure(kind=kind_of(error), message=message[:500])


def failed(
    failure: Failure, wall_time: float = 0.0, peak_memory: int | None = None
) -> TrialOutcome:
    """Return the outcome of a failed trial."""
    return TrialOutcome(
        status=TrialStatus.FAILED, failure=failure, wall_time=wall_time, peak_memory=peak_memory
    )


def checked(outcome: TrialOutcome) -> TrialOutcome:
    """Return an outcome as it may be believed: a success whose numbers are not finite has diverged."""
    if outcome.failed:
        return outcome
    values = {**outcome.metrics, EVALUATION_TIME: outcome.evaluation_time}
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            failure = Failure(kind=FailureKind.DIVERGED, message=f"{name} is {value}")
            return failed(failure, outcome.wall_time, outcome.peak_memory)
    return outcome


def failure_of_exit(code: int | None) -> Failure:
    """Return what it means that a trial's process ended without leaving a result.

    Args:
        code: Exit code; negative for the signal that ended it, None if it ended because its server did.
    """
    if code is None:
        message = "the process that starts trials ended, and this trial with it"
        return Failure(kind=FailureKind.INTERRUPTED, message=message)
    if code == -signal.SIGKILL:
        # We did not kill it, so in all likelihood the kernel did, to free memory.
        return Failure(
            kind=FailureKind.OUT_OF_MEMORY,
            message="killed by the system, most likely for lack of memory",
        )
    if code == UNWRITABLE:
        message = "the result could not be written: the disk is full, or fails"
        return Failure(kind=FailureKind.INFRASTRUCTURE, message=message)
    if code >= 0:
        return Failure(
            kind=FailureKind.CRASH,
            message=f"the process ended with exit code {code} and left no result",
        )
    number = signal.Signals(-code)
    message = f"the process ended with signal {number.name} and left no result"
    return Failure(kind=KINDS_OF_SIGNALS.get(number, FailureKind.CRASH), message=message)


def tail(path: Path) -> str:
    """Return the last lines of a log; nothing if there is no such file."""
    try:
        with path.open("rb") as file:
            return last_lines(file, TAIL_LINES)
    except OSError:
        return ""


def last_lines(file: IO[bytes], count: int) -> str:
    """Return up to so many lines from the end of a file that is open for reading."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - TAIL_BYTES)
    file.seek(start)
    # The start may fall into the middle of a character.
    text = file.read().decode("utf-8", "replace")
    lines = text.splitlines()
    return "\n".join(lines[-count:])
