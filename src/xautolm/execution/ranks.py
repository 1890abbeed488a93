"""A trial whose model is divided over several devices: a process for each, started, watched and ended together."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from xautolm.errors import DamagedFileError
from xautolm.execution.failures import failed, failure_of_exit
from xautolm.processes import end_with_parent
from xautolm.records import Failure, TrialOutcome, TrialSpec
from xautolm.symptoms import WEIGHTS_DO_NOT_FIT
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind
from xautolm.zoo import family_of

WorkAsRank = Callable[[TrialSpec, Path], int]
"""Runs a trial's order in this process and leaves the outcome in a folder of its own; returns the exit code."""
CLOCK_STEP = timedelta(milliseconds=10)
"""Times of files within so much may be in any order: a system's clock for them moves on every few milliseconds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Hold what came of processes that trained together."""

    outcome: TrialOutcome
    can_be_smaller: bool = False
    """Whether a process said that it lacked memory, but not that of the weights: a smaller batch may help."""


def run_ranks(spec: TrialSpec, folder: Path, work_as_rank: WorkAsRank) -> TrialOutcome:
    """Train one model in a process for each device, and return the outcome of the first.

    On lack of memory all of them are started again with half the per-device batch, and at last with gradient
    checkpointing: the one that lacks it cannot tell the others, which wait for its numbers.

    Args:
        spec: The trial's order; each process gets it with its own rank and GPU.
        folder: The trial's.
        work_as_rank: What a process does.
    """
    started = time.monotonic()
    adjustments: list[str] = []
    order = spec
    while True:
        attempt = _run_together(order, folder, work_as_rank)
        smaller = with_less_memory(order)
        if not attempt.can_be_smaller or smaller is None:
            break
        if spec.limits.seconds is not None:
            # What the attempt has used is gone.
            seconds = spec.limits.seconds - (time.monotonic() - started)
            if seconds <= 0:
                break
            smaller = replace(smaller, limits=replace(spec.limits, seconds=seconds))
        adjustments.append(_account(order, smaller, attempt.outcome.failure))
        order = smaller
    shutil.rmtree(TrialFolder(folder).ranks, ignore_errors=True)
    outcome = attempt.outcome
    return replace(outcome, adjustments=(*adjustments, *outcome.adjustments))


def with_less_memory(spec: TrialSpec) -> TrialSpec | None:
    """Return an order with half the per-device batch, of one with gradient checkpointing; None where neither helps."""
    if spec.micro_batch > 1:
        # Upwards, as a trial of one process does: from 3 to 2, not to 1.
        return replace(spec, micro_batch=(spec.micro_batch + 1) // 2)
    if spec.gradient_checkpointing or not family_of(spec.card.family).has_checkpointing:
        return None
    return replace(spec, gradient_checkpointing=True)


def _account(order: TrialSpec, smaller: TrialSpec, failure: Failure | None) -> str:
    """Return a line for a person that says what is tried instead, and why."""
    reason = failure.headline if failure is not None else ""
    if smaller.micro_batch < order.micro_batch:
        return f"per-device batch {order.micro_batch} to {smaller.micro_batch}: {reason}"
    return f"gradient checkpointing: {reason}"


def _run_together(spec: TrialSpec, folder: Path, work_as_rank: WorkAsRank) -> Attempt:
    """Start a process for each device and wait for them; when one fails, the others are killed."""
    ranks_folder = TrialFolder(folder).ranks
    # Of an attempt before this one; who finds its file would wait for processes that are gone.
    shutil.rmtree(ranks_folder, ignore_errors=True)
    folders = []
    for rank in range(spec.shares):
        own_folder = ranks_folder / str(rank)
        own_folder.mkdir(parents=True)
        folders.append(own_folder)

    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    ranks: dict[int, int] = {}
    for rank, own_folder in enumerate(folders):
        # They stay in the trial's process group, which is killed as a whole.
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                end_with_parent(parent)
                code = work_as_rank(order_of_rank(spec, rank), own_folder)
            finally:
                os._exit(code)
        ranks[pid] = rank
    reports = [TrialFolder(own_folder) for own_folder in folders]
    codes = _wait_for(ranks, reports)
    return _attempt_of(codes, reports)


def order_of_rank(spec: TrialSpec, rank: int) -> TrialSpec:
    """Return the order of one process: the GPU that it sees, its share of the threads and of the main memory."""
    gpu = spec.devices[rank] if spec.gpu else ""
    limits = spec.limits
    if limits.memory is not None:
        limits = replace(limits, memory=limits.memory // spec.shares)
    threads = max(1, spec.threads // spec.shares)
    return replace(spec, rank=rank, gpu=gpu, limits=limits, threads=threads)


def _wait_for(ranks: Mapping[int, int], reports: list[TrialFolder]) -> dict[int, int]:
    """Return the exit codes of processes by rank, of those that ended by themselves.

    Args:
        ranks: By process id.
        reports: The processes' own folders, in which they leave outcomes, by rank.
    """
    running = dict(ranks)
    codes: dict[int, int] = {}
    while running:
        pid, status = os.waitpid(-1, 0)
        rank = running.pop(pid, None)
        if rank is None:
            continue
        codes[rank] = os.waitstatus_to_exitcode(status)
        if codes[rank] == 0 and not _outcome_in(reports[rank]).failed:
            continue
        # The others wait for its numbers for ever, or have lost the connection and say so. Which of them had ended
        # before it is kept: the first to fail is the reason.
        for peer_pid, peer in running.items():
            ended_pid, status = os.waitpid(peer_pid, os.WNOHANG)
            if ended_pid:
                codes[peer] = os.waitstatus_to_exitcode(status)
                continue
            os.kill(peer_pid, signal.SIGKILL)
            os.waitpid(peer_pid, 0)
            # It had said what came of it, and was about to end: perhaps it is the reason for what the first one lost.
            if reports[peer].result.exists():
                codes[peer] = 0
        break
    return codes


def _attempt_of(codes: Mapping[int, int], reports: list[TrialFolder]) -> Attempt:
    """Return what came of processes that have ended.

    Args:
        codes: Exit codes by rank, of those that were not killed here before they had left an outcome.
        reports: Their own folders.
    """
    # Whoever was ended by a signal leaves no account, and what others say of the lost connection is its consequence.
    for rank, code in codes.items():
        if code != 0:
            failure = _on_device(failure_of_exit(code), rank, len(reports))
            return Attempt(failed(failure))

    outcomes = {rank: _outcome_in(reports[rank]) for rank in codes}
    failures = [rank for rank in codes if outcomes[rank].failed]
    if not failures:
        first = outcomes[0]
        return Attempt(_of_all(first, list(outcomes.values())))
    root = _root_of(failures, outcomes, reports)
    outcome = outcomes[root]
    assert outcome.failure is not None
    failure = _on_device(outcome.failure, root, len(reports))
    lacks_memory = failure.kind == FailureKind.OUT_OF_MEMORY
    can_be_smaller = lacks_memory and WEIGHTS_DO_NOT_FIT not in failure.message
    return Attempt(replace(outcome, failure=failure), can_be_smaller=can_be_smaller)


def _root_of(
    failures: Sequence[int], outcomes: Mapping[int, TrialOutcome], reports: list[TrialFolder]
) -> int:
    """Return the rank whose failure is the reason for the others'."""
    first = min(reports[rank].ended() for rank in failures)
    at_once = [rank for rank in failures if reports[rank].ended() - first <= CLOCK_STEP]
    for rank in at_once:
        failure = outcomes[rank].failure
        # What a lost connection ends in is a crash.
        if failure is not None and failure.kind is not FailureKind.CRASH:
            return rank
    return at_once[0]


def _on_device(failure: Failure, rank: int, count: int) -> Failure:
    """Return a failure that says on which of the devices it came about."""
    return replace(failure, message=f"on device {rank + 1} of {count}: {failure.message}")


def _of_all(outcome: TrialOutcome, outcomes: list[TrialOutcome]) -> TrialOutcome:
    """Return an outcome with the main memory of all processes together, and the fullest of their GPUs."""
    memory = sum(of_rank.peak_memory or 0 for of_rank in outcomes)
    gpu_memories = [of_rank.peak_gpu_memory for of_rank in outcomes]
    measured = [peak for peak in gpu_memories if peak is not None]
    return replace(
        outcome,
        peak_memory=memory or None,
        peak_gpu_memory=max(measured, default=None),
        devices=len(outcomes),
    )


def _outcome_in(report: TrialFolder) -> TrialOutcome:
    """Return the outcome that a process has left."""
    try:
        return report.read_outcome()
    except DamagedFileError as error:
        failure = Failure(kind=FailureKind.CRASH, message=f"a process left no result: {error}")
        return failed(failure)
