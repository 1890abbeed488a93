"""Trials whose model is divided: a process for each device, which live, fail and end together."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.conftest import patience
from tests.execution.together import GIGABYTE
from xautolm.execution import ForkServerLauncher, LocalExecutor, SpawnLauncher
from xautolm.execution.failures import failed
from xautolm.execution.ranks import _attempt_of, with_less_memory
from xautolm.records import Failure, Limits, TrialOutcome, TrialSpec
from xautolm.testing import made_up_spec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, TrialStatus

ENTRY = "tests.execution.together:run"


@pytest.fixture(scope="module", autouse=True)
def entries_are_found() -> Iterator[None]:
    """Let children import these tests, and the same xautolm as this process."""
    folders = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
        yield


@pytest.fixture(scope="module")
def executor(entries_are_found: None) -> Iterator[LocalExecutor]:
    """Start one server for all tests."""
    made = LocalExecutor(ForkServerLauncher(["tests.execution.together"], 1), ENTRY)
    yield made
    made.close()


def order(do: str, *, micro_batch: int = 1, limits: Limits | None = None) -> TrialSpec:
    spec = made_up_spec(0, limits, do=do)
    return replace(spec, micro_batch=micro_batch, devices=("GPU-a", "GPU-b"), gpu="GPU-a")


def wait_for(executor: LocalExecutor) -> TrialOutcome:
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        for _, outcome in executor.finished(1.0):
            return outcome
    raise AssertionError("the trial did not end")


def run(executor: LocalExecutor, folder: Path, spec: TrialSpec) -> TrialOutcome:
    executor.start(spec, folder)
    return wait_for(executor)


def pids_in(folder: Path) -> list[int]:
    """Return the ids of both processes, once they run."""
    files = [folder / "pid0", folder / "pid1"]
    deadline = time.monotonic() + patience(60)
    while not all(file.exists() and file.read_text() for file in files):
        assert time.monotonic() < deadline, "the processes did not start"
        time.sleep(0.02)
    return [int(file.read_text()) for file in files]


def have_ended(pids: list[int]) -> bool:
    """Return whether processes end within seconds."""
    deadline = time.monotonic() + patience(10)
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_process_has_its_rank_its_gpu_and_its_share(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    spec = replace(order("tell", limits=Limits(memory=4 * GIGABYTE)), threads=6)
    outcome = run(executor, tmp_path, spec)
    # The outcome is that of the first.
    assert dict(outcome.metrics) == {"rank": 0.0, "threads": 3.0, "memory": 2.0 * GIGABYTE}
    assert outcome.peak_gpu_memory == 2 * GIGABYTE and outcome.devices == 2
    lines = sorted((tmp_path / "stdout.log").read_text().splitlines())
    assert lines == ["rank 0 sees GPU-a", "rank 1 sees GPU-b"]
    assert not TrialFolder(tmp_path).ranks.exists()


def test_an_interpreter_of_its_own_starts_them_too(tmp_path: Path) -> None:
    executor = LocalExecutor(SpawnLauncher(1), ENTRY)
    try:
        assert run(executor, tmp_path, order("tell")).succeeded
    finally:
        executor.close()


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        ("killed", FailureKind.OUT_OF_MEMORY, "on device 2 of 2: killed by the system"),
        ("segfault", FailureKind.CRASH, "on device 2 of 2: the process ended with signal SIGSEGV"),
        ("exit", FailureKind.CRASH, "on device 2 of 2: the process ended with exit code 3"),
        ("diverge", FailureKind.DIVERGED, "on device 2 of 2: TrialError: loss is nan"),
    ],
)
def test_the_failure_of_one_is_that_of_the_trial_and_ends_the_others(
    executor: LocalExecutor, tmp_path: Path, do: str, kind: FailureKind, message: str
) -> None:
    outcome = run(executor, tmp_path, order(do))
    assert outcome.failure is not None
    assert outcome.failure.kind is kind and outcome.failure.message.startswith(message)
    assert have_ended(pids_in(tmp_path))


@pytest.mark.parametrize(("later", "root"), [(0.0, 1), (0.005, 1), (-0.005, 1), (-1.0, 0)])
def test_a_lost_connection_is_no_reason_for_what_failed_at_once(
    tmp_path: Path, later: float, root: int
) -> None:
    failures = [
        Failure(kind=FailureKind.CRASH, message="Connection closed by peer"),
        Failure(kind=FailureKind.DIVERGED, message="loss is nan"),
    ]
    reports = []
    for rank, failure in enumerate(failures):
        report = TrialFolder(tmp_path / str(rank))
        report.root.mkdir()
        report.write_outcome(failed(failure))
        reports.append(report)
    # Both are written within a step of the file system's clock, or the crash a second before.
    written = reports[1].ended().timestamp() + later
    os.utime(reports[0].result, (written, written))
    attempt = _attempt_of({0: 0, 1: 0}, reports)
    assert attempt.outcome.failure is not None
    assert attempt.outcome.failure.kind is failures[root].kind


def test_lack_of_memory_on_one_starts_all_again_with_half_the_batch(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    limits = Limits(seconds=100)
    outcome = run(executor, tmp_path, order("lack memory above 2", micro_batch=5, limits=limits))
    assert outcome.succeeded and outcome.metrics["micro_batch"] == 2
    # What the attempts before took is gone from the limit.
    assert 10 < outcome.metrics["limit"] < 100
    assert [line.split(":")[0] for line in outcome.adjustments] == [
        "per-device batch 5 to 3",
        "per-device batch 3 to 2",
    ]


def test_lack_of_memory_that_nothing_mends_is_the_trials(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    outcome = run(executor, tmp_path, order("lack memory always", micro_batch=2))
    assert outcome.failure is not None and outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert outcome.failure.message == "on device 2 of 2: MemoryError: CUDA out of memory"
    assert outcome.adjustments[0].startswith("per-device batch 2 to 1: out_of_memory: on device 2")


def test_weights_that_do_not_fit_are_loaded_once(executor: LocalExecutor, tmp_path: Path) -> None:
    outcome = run(executor, tmp_path, order("lack memory for weights", micro_batch=16))
    assert outcome.failure is not None and outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert "the weights do not fit: CUDA out of memory" in outcome.failure.message
    assert outcome.adjustments == ()


def test_what_takes_less_memory_is_tried_in_the_order_of_a_trial_of_one_process() -> None:
    spec = order("tell", micro_batch=3)
    card = replace(spec.card, family="bert")
    orders = [replace(spec, card=card)]
    while True:
        smaller = with_less_memory(orders[-1])
        if smaller is None:
            break
        orders.append(smaller)
    steps = [(tried.micro_batch, tried.gradient_checkpointing) for tried in orders]
    assert steps == [(3, False), (2, False), (1, False), (1, True)]
    # A family without checkpointing has no last step.
    albert = replace(spec, card=replace(spec.card, family="albert"), micro_batch=1)
    assert with_less_memory(albert) is None


def test_a_limit_of_time_ends_all_of_them(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.execution.local.GRACE_SECONDS", 0.5)
    outcome = run(executor, tmp_path, order("train for ever", limits=Limits(seconds=4.0)))
    assert outcome.failure is not None and outcome.failure.kind is FailureKind.TIMEOUT
    assert have_ended(pids_in(tmp_path))


def test_a_pruned_trial_keeps_what_the_first_has_measured(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.start(order("train for ever"), tmp_path)
    pids = pids_in(tmp_path)
    while not (tmp_path / "progress.jsonl").exists():
        time.sleep(0.02)
    executor.cancel(0)
    outcome = wait_for(executor)
    assert outcome.status is TrialStatus.PRUNED and outcome.metrics == {"f1_macro": 0.25}
    assert outcome.devices == 2
    assert have_ended(pids)


def test_none_outlives_the_process_that_has_started_them(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.start(order("train for ever"), tmp_path)
    pids = pids_in(tmp_path)
    (trial,) = executor.trials.values()
    os.kill(trial.pid, signal.SIGKILL)
    assert wait_for(executor).failed
    assert have_ended(pids)
