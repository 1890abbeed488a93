"""Start programs on one core, with one thread."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xautolm.processes import end_with_parent

ROOT = Path(__file__).parents[2]
TAIL = 2_000
"""Characters of a log that are shown when something fails."""
END_SECONDS = 20.0
"""A process gets so long to end in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a system runs."""

    python: str
    """The interpreter."""
    core: int
    """The only core that it may use."""
    source: Path | None = None
    """Folder of another version's packages, which come before what is installed."""

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a process: one thread, no network, these benchmarks importable.

        Args:
            variables: That only this process has.
        """
        paths = [str(ROOT)]
        if self.source is not None:
            paths.append(str(self.source))
        paths.append(os.environ.get("PYTHONPATH", ""))
        fixed = {
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        return {
            **os.environ,
            **fixed,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **variables,
        }


def start(
    command: Sequence[str], place: Place, variables: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program on the place's core, in a session of its own; what it prints goes to a file."""
    parent = os.getpid()

    def take_place() -> None:
        os.sched_setaffinity(0, {place.core})
        # However the benchmark ends: a search that runs on would disturb what is measured next.
        end_with_parent(parent, signal.SIGTERM)

    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            cwd=log.parent,
            env=place.environment(variables),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=take_place,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs: in order, then with everything in its session's group."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path) -> str:
    """Return the end of what a program printed."""
    return log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
