"""From exceptions and exit codes to kinds of failure."""

from __future__ import annotations

import signal
from pathlib import Path

from xautolm.records import Failure, TrialOutcome
from xautolm.symptoms import kind_of
from xautolm.vocabulary import FailureKind, TrialStatus

TAIL_LINES = 20
TAIL_BYTES = 8_192


def failure_of(error: BaseException) -> Failure:
    """What an exception inside a trial means."""
    message = f"{type(error).__name__}: {error}".strip().split("\n")
    return Failure(kind=kind_of(error), message="\n".join(message[:2])[:500])


def failed(failure: Failure, wall_time: float = 0.0, peak_memory: int | None = None) -> TrialOutcome:
    """The outcome of a failed trial."""
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=wall_time, peak_memory=peak_memory)


def failure_of_exit(code: int) -> Failure:
    """What it means that a trial's process ended without leaving a result.

    Args:
        code: Exit code; negative for the signal that ended it.
    """
    if code == -signal.SIGKILL:
        # We did not kill it, so in all likelihood the kernel did, to free memory.
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message="killed by the system, most likely for lack of memory")
    reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return Failure(kind=FailureKind.CRASH, message=f"the process ended with {reason} and left no result")


def tail(path: Path) -> str:
    """The last lines of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])
