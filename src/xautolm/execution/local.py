"""Runs trials on this machine, several at once if asked, within their limits."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import psutil

from xautolm.errors import DamagedFileError
from xautolm.execution.failures import checked, failed, failure_of_exit, tail
from xautolm.execution.launchers import Launcher
from xautolm.execution.strays import RUNNING_BYTES, remove_strays, stray_bytes
from xautolm.metrics import metric_named
from xautolm.processes import kill_group
from xautolm.records import Failure, Limits, Machines, TrialOutcome, TrialSpec
from xautolm.trial_folder import TrialFolder, pruned_outcome
from xautolm.vocabulary import FailureKind

logger = logging.getLogger(__name__)

POLL = 0.05
"""Seconds between looks at the running trials."""
MEMORY_POLL = 0.2
"""Seconds between measurements of their memory."""
FILES_POLL = 2.0
"""Seconds between looks at the files that they write."""
GRACE_SECONDS, GRACE_SHARE = 10.0, 0.1
"""A trial may pass its time limit by this much, to evaluate and save, before it is killed."""

CANCELLED = Failure(
    kind=FailureKind.INTERRUPTED, message="it was stopped before its first evaluation"
)
"""What is said of a trial that was cancelled and leaves no score."""


class Executor(Protocol):
    """Runs trials somewhere."""

    def start(self, spec: TrialSpec, folder: Path) -> None:
        """Start a trial; its folder exists."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Return the trials that ended, by number, waiting up to `timeout` seconds for the first."""

    def running(self) -> dict[int, Path]:
        """Return the folders of the running trials by number."""

    def cancel(self, number: int) -> None:
        """Stop a running trial; `finished` then returns it as pruned, or as what it had become meanwhile.

        One that has no score yet comes back as interrupted.
        """

    def close(self) -> None:
        """Stop everything that still runs."""


@runtime_checkable
class ClusterExecutor(Executor, Protocol):
    """Runs trials on other machines, each where there is room for it."""

    wants_weights: Callable[[int, TrialOutcome], bool]
    """Says of a trial that has ended whether its model is fetched, or deleted where it lies; asked in other threads."""

    def machines(self) -> Machines:
        """Return what a search plans with."""

    def slots(self) -> int:
        """Return how many trials the machines that are there now can hold at once."""

    def require(self, folders: Collection[str]) -> None:
        """Check that folders which are not sent are on every machine."""


@dataclass(slots=True)
class Running:
    """A trial in progress."""

    spec: TrialSpec
    folder: Path
    pid: int
    started: float
    measured: float = 0.0
    """When its memory was measured last, on the monotonic clock."""
    looked: float = 0.0
    """When its files were looked at last."""
    peak_memory: int = 0
    killed_for: Failure | None = None
    is_cancelled: bool = False

    @property
    def number(self) -> int:
        """Return the trial's number."""
        return self.spec.number

    @property
    def limits(self) -> Limits:
        """Return what it may use."""
        return self.spec.limits


class LocalExecutor:
    """Child processes on this machine.

    Args:
        launcher: How processes are started.
        entry: The function that runs a trial, as `package.module:function`.
    """

    def __init__(self, launcher: Launcher, entry: str) -> None:
        self.launcher = launcher
        self.entry = entry
        self.trials: dict[Path, Running] = {}

    def start(self, spec: TrialSpec, folder: Path) -> None:
        """Write the spec and start the process."""
        TrialFolder(folder).write_spec(spec)
        pid = self.launcher.launch(folder, self.entry)
        # After the launch, which may have had to wait for the server: that is no time of the trial's.
        started = time.monotonic()
        logger.info("trial %d is process %d; its files are in %s", spec.number, pid, folder)
        self.trials[folder] = Running(spec, folder, pid, started)

    def running(self) -> dict[int, Path]:
        """Return the folders of the running trials by number."""
        folders: dict[int, Path] = {}
        for trial in self.trials.values():
            folders[trial.number] = trial.folder
        return folders

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Return trials that ended; kill those beyond their limits meanwhile."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self._conclude_ended()
            is_late = time.monotonic() >= deadline
            if ended or is_late or not self.trials:
                return ended
            for trial in self.trials.values():
                # Read anew for each: to measure the memory of the one before takes time.
                now = time.monotonic()
                self._enforce(trial, now)
            time.sleep(POLL)

    def cancel(self, number: int) -> None:
        """Kill the process group of a trial that still runs within its limits."""
        for trial in self.trials.values():
            if trial.number != number:
                continue
            # What was killed for a limit is a failure, and stays one.
            if trial.killed_for is None and not trial.is_cancelled:
                trial.is_cancelled = True
                kill_group(trial.pid)

    def close(self) -> None:
        """Kill what still runs."""
        for trial in self.trials.values():
            kill_group(trial.pid)
        self.trials.clear()
        self.launcher.close()

    def _conclude_ended(self) -> list[tuple[int, TrialOutcome]]:
        ended = []
        for folder, code in self.launcher.exits().items():
            trial = self.trials.pop(folder, None)
            if trial is None:
                continue
            outcome = self._conclude(trial, code)
            ended.append((trial.number, outcome))
        return ended

    def _enforce(self, trial: Running, now: float) -> None:
        """Kill a trial that is beyond one of its limits, or cancelled."""
        if trial.is_cancelled:
            # Once more: a process that has only just been started is not yet the group that can be killed.
            kill_group(trial.pid)
            return
        limits = trial.limits
        if now - trial.looked >= FILES_POLL:
            trial.looked = now
            written = stray_bytes(trial.folder)
            if written > RUNNING_BYTES:
                message = f"wrote {written / 1e9:.1f} GB of files that nobody reads"
                self._kill(trial, FailureKind.CRASH, message)

        if now - trial.measured >= MEMORY_POLL:
            trial.measured = now
            # Weights on their way to a GPU pass through mapped files; on a processor they are computed with there.
            memory = group_memory(trial.pid, with_files=not trial.spec.gpu)
            trial.peak_memory = max(trial.peak_memory, memory)
            if limits.memory is not None and memory > limits.memory:
                message = f"{memory / 1e9:.2f} GB passed the memory limit"
                self._kill(trial, FailureKind.OUT_OF_MEMORY, message)

        if limits.seconds is not None:
            limit = hard_limit(limits.seconds)
            if now - trial.started > limit:
                message = f"no result {limit:.0f} s after its start"
                self._kill(trial, FailureKind.TIMEOUT, message)

    def _kill(self, trial: Running, kind: FailureKind, message: str) -> None:
        # The first limit that was passed is the reason that is told.
        if trial.killed_for is None:
            trial.killed_for = Failure(kind=kind, message=message)
            kill_group(trial.pid)

    def _conclude(self, trial: Running, code: int | None) -> TrialOutcome:
        """Return the outcome of a trial that has ended, and leave it in its folder."""
        # First of all: what a trial has filled the disk with could keep its result from being written.
        remove_strays(trial.folder)
        files = TrialFolder(trial.folder)
        # What a trial has left counts, also if it was killed or cancelled right after it wrote that.
        outcome = left_outcome(files)
        if outcome is None and trial.is_cancelled:
            lead = metric_named(trial.spec.metric).objective
            outcome = pruned_outcome(files, trial.spec, lead)
            if outcome is None:
                outcome = failed(CANCELLED)
        if outcome is None:
            reason = trial.killed_for or failure_of_exit(code)
            outcome = failed(reason)

        failure = outcome.failure
        if failure is not None:
            failure = replace(failure, stderr_tail=tail(files.stderr))
        # The trial measures itself only, we its descendants too, but only every now and then.
        peak_memory = max(outcome.peak_memory or 0, trial.peak_memory)
        if trial.spec.gpu and trial.peak_memory:
            # It counts the files, too, that weights on their way to a GPU are read from.
            peak_memory = trial.peak_memory
        wall_time = time.monotonic() - trial.started
        outcome = replace(
            outcome, failure=failure, wall_time=wall_time, peak_memory=peak_memory or None
        )
        files.write_outcome(outcome)
        return outcome


def left_outcome(folder: TrialFolder) -> TrialOutcome | None:
    """Return the outcome in a trial's folder; nothing if the trial has not got that far, or left something else."""
    if not folder.result.exists():
        return None
    try:
        return checked(folder.read_outcome())
    except DamagedFileError as error:
        logger.warning("%s", error)
        return None


def hard_limit(seconds: float) -> float:
    """Return when a trial is killed, in seconds after its start."""
    grace = max(GRACE_SECONDS, GRACE_SHARE * seconds)
    return seconds + grace


def group_memory(pid: int, *, with_files: bool = True) -> int:
    """Return the resident memory of a process and its descendants, in bytes.

    Args:
        pid: The process.
        with_files: Whether pages of mapped files count, which the system drops when others need the memory.
    """
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += _memory_of(member, with_files=with_files)
    return total


def _memory_of(process: psutil.Process, *, with_files: bool) -> int:
    """Return the resident memory of a process, in bytes; with files all the same where the system counts no other.

    Raises:
        psutil.Error: It has ended.
    """
    resident: int = process.memory_info().rss
    if with_files:
        return resident
    without_files = _memory_without_files(process.pid)
    if without_files is None:
        return resident
    return without_files


def _memory_without_files(pid: int) -> int | None:
    """Return the resident memory of a process but for mapped files, in bytes; None where the system does not say it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # Memory of its own, and what it shares with other processes.
    kilobytes = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", status, re.MULTILINE)
    if not kilobytes:
        return None
    return 1024 * sum(int(number) for number in kilobytes)
