"""How processes hang together: a child ends with its parent, and nothing that it started outlives it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

# From <linux/prctl.h>; Python has no names for them.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

WATCH_SECONDS = 0.5
"""Seconds between looks at the parent, where the system does not tell of its end."""
KILL_SECONDS = 3.0
"""Seconds after which processes that do not die (they wait for a disk) are left to the system."""
KILL_POLL_SECONDS = 0.01
LOW_PRIORITY = 10
"""Niceness of what must not disturb others: beside a process of niceness 0, it gets about a tenth of a core. At 19 it
would be a sixtieth, and on a machine that others use it would not come to an end."""
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux groups processes by session, niceness counts within a group only; this is the group's own."""


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Let this process get a signal when its parent ends, however that ends; at once if it has ended already.

    Linux does it (`PR_SET_PDEATHSIG`), also while this process computes or hangs. Elsewhere a thread looks.

    Args:
        parent: Process id of the parent, which the caller knows from before.
        number: The signal. Linux sends it also when only the thread ends that started this process.
    """
    is_told_by_system = _prctl(PR_SET_PDEATHSIG, number)
    if not is_told_by_system:
        watch = threading.Thread(target=_watch_parent, args=(parent, number), daemon=True)
        watch.start()
    # The parent may have ended before the system was asked, and then nothing would tell of it.
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> bool:
    """Make this process the parent of all descendants whose own parent ends, those in sessions of their own too.

    Returns:
        Whether the system can do it; only Linux can (`PR_SET_CHILD_SUBREAPER`).
    """
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def usable_cores() -> int:
    """Return the logical cores that this process may use: batch systems and `taskset` give fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    # macOS and Windows do not say which cores are ours.
    return psutil.cpu_count() or 1


def give_way() -> None:
    """Let this process, and what it will start, run where nothing else wants to."""
    os.nice(LOW_PRIORITY)
    with suppress(OSError):
        AUTOGROUP.write_text(str(LOW_PRIORITY), encoding="ascii")


def kill_group(pid: int) -> None:
    """Kill a process and everything in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def kill_descendants(spared: Collection[int] = ()) -> None:
    """Kill and reap what descends from this process; returns when it is gone.

    Args:
        spared: Leaders of process groups; children of this process in these groups are left alone, with all that
            descends from them.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        # Killing a parent hands its children to us where we adopt orphans, so one round may not be enough.
        children = []
        for child in psutil.Process().children():
            if not _is_spared(child.pid, spared):
                children.append(child)
        if not children:
            return
        for child in children:
            for descendant in _tree(child):
                with suppress(psutil.Error):
                    descendant.kill()
            # An entry that nobody reaps stays in the table of processes, and would count as running.
            _reap(child.pid)
        time.sleep(KILL_POLL_SECONDS)


def kill_marked(variable: str, mark: str) -> None:
    """Kill every process that was started with a variable of its environment set to a mark.

    It finds what ran away from its parents, in a session of its own too, on every system.
    """
    own = os.getpid()
    for process in psutil.process_iter():
        # Processes of others do not show their environment, and any may end meanwhile.
        with suppress(psutil.Error, OSError):
            if process.pid == own:
                continue
            if process.environ().get(variable) == mark:
                process.kill()


def _prctl(option: int, value: int) -> bool:
    """Set a property of this process; return whether the system could do it."""
    if sys.platform != "linux":
        return False
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        status = library.prctl(option, value, 0, 0, 0)
        return bool(status == 0)
    return False


def _watch_parent(parent: int, number: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), number)


def _is_spared(pid: int, spared: Collection[int]) -> bool:
    if pid in spared:
        return True
    try:
        return os.getpgid(pid) in spared
    except ProcessLookupError:
        return True


def _tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that descends from it."""
    descendants: list[psutil.Process] = []
    with suppress(psutil.Error):
        descendants = process.children(recursive=True)
    return [process, *descendants]


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
