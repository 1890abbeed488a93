"""Real processes, by fork server and by spawning: results, limits, every kind of failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import patience
from xautolm.documents import read_json
from xautolm.execution import ForkServerLauncher, LocalExecutor, SpawnLauncher, hard_limit, local, read_outcome
from xautolm.records import Configuration, Limits, ModelCard, TrialOutcome, TrialSpec
from xautolm.vocabulary import FailureKind, TrialStatus

ENTRY = "tests.execution.entries:run"
LAUNCHERS = {
    "fork server": lambda: ForkServerLauncher(["xautolm.execution.worker"], 1),
    "spawn": lambda: SpawnLauncher(1),
}


@pytest.fixture(params=LAUNCHERS)
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    made = LocalExecutor(LAUNCHERS[request.param](), ENTRY)
    yield made
    made.close()


def order(card: ModelCard, number: int, do: str, limits: Limits | None = None) -> TrialSpec:
    return TrialSpec(
        number=number,
        configuration=Configuration(values={"model": "tiny", "method": "full.v1", "do": do}, space="toy.v1"),
        task="text-classification",
        labels=("a", "b"),
        card=card,
        data="",
        tokens="",
        metric="f1_macro",
        metrics=("f1_macro",),
        limits=limits or Limits(),
        micro_batch=1,
        device="cpu",
        threads=1,
        seed=0,
    )


def run(executor: LocalExecutor, folder: Path, spec: TrialSpec) -> TrialOutcome:
    folder = folder / f"{spec.number:04d}"
    folder.mkdir()
    executor.start(spec, folder)
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        for number, outcome in executor.finished(1.0):
            assert number == spec.number
            assert read_outcome(folder) == outcome
            return outcome
    raise AssertionError("the trial did not end")


def ended(pid: int) -> bool:
    """Whether a process ends within seconds; one that only waits to be reaped by the system has ended."""
    deadline = time.monotonic() + patience(10)
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_result_comes_back_with_its_times_and_memory(
    executor: LocalExecutor, tmp_path: Path, card: ModelCard
) -> None:
    outcome = run(executor, tmp_path, order(card, 7, "succeed"))
    assert outcome.status is TrialStatus.COMPLETE and outcome.metrics == {"f1_macro": 0.5}
    assert outcome.wall_time > 0 and outcome.peak_memory > 10_000_000
    folder = tmp_path / "0007"
    assert (folder / "stdout.log").read_text() == "working\n"
    assert (folder / "stderr.log").read_text() == "a last line\n"
    assert read_json(folder / "spec.json")["number"] == 7


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        ("diverge", FailureKind.DIVERGED, "loss is nan"),
        ("crash", FailureKind.CRASH, "ValueError: no\nsuch thing"),
        ("memory error", FailureKind.OUT_OF_MEMORY, "not enough"),
        ("cuda", FailureKind.OUT_OF_MEMORY, "CUDA out of memory"),
        ("segfault", FailureKind.CRASH, "SIGSEGV"),
        ("killed", FailureKind.OUT_OF_MEMORY, "killed by the system"),
        ("exit", FailureKind.CRASH, "exit code 3"),
    ],
)
def test_every_end_has_its_kind(
    executor: LocalExecutor, tmp_path: Path, card: ModelCard, do: str, kind: FailureKind, message: str
) -> None:
    outcome = run(executor, tmp_path, order(card, 1, do))
    assert outcome.status is TrialStatus.FAILED and outcome.failure.kind is kind
    assert message in outcome.failure.message
    assert do in {"segfault", "killed", "exit"} or "a last line" in outcome.failure.stderr_tail


def test_a_trial_beyond_its_time_is_killed(
    executor: LocalExecutor, tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.5)
    outcome = run(executor, tmp_path, order(card, 1, "sleep", Limits(seconds=0.5)))
    assert outcome.failure.kind is FailureKind.TIMEOUT
    assert ended(int((tmp_path / "0001" / "pid").read_text()))


def test_a_trial_beyond_its_memory_is_killed(executor: LocalExecutor, tmp_path: Path, card: ModelCard) -> None:
    outcome = run(executor, tmp_path, order(card, 1, "eat", Limits(memory=400_000_000)))
    assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert 400_000_000 < outcome.peak_memory < 900_000_000


def test_several_run_at_once_and_closing_ends_them(executor: LocalExecutor, tmp_path: Path, card: ModelCard) -> None:
    pids = []
    for number in range(3):
        folder = tmp_path / f"{number:04d}"
        folder.mkdir()
        executor.start(order(card, number, "sleep"), folder)
    for number in range(3):
        path = tmp_path / f"{number:04d}" / "pid"
        deadline = time.monotonic() + patience(30)
        while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        pids.append(int(path.read_text()))
    assert sorted(executor.running()) == [0, 1, 2]
    assert executor.finished(0.1) == []
    executor.close()
    assert all(ended(pid) for pid in pids)


def test_grace_is_at_least_ten_seconds() -> None:
    assert hard_limit(20) == 30 and hard_limit(1000) == 1100


def test_a_dead_fork_server_is_replaced(tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    launcher = ForkServerLauncher(["xautolm.execution.worker"], 1)
    executor = LocalExecutor(launcher, ENTRY)
    try:
        assert run(executor, tmp_path, order(card, 1, "succeed")).succeeded
        os.kill(launcher.server.pid, signal.SIGKILL)
        launcher.server.wait()
        assert run(executor, tmp_path, order(card, 2, "succeed")).succeeded
    finally:
        executor.close()


def test_children_die_with_the_parent(tmp_path: Path) -> None:
    parent = f"""
import time
from pathlib import Path
from tests.execution.test_local import *
from tests.execution.test_local import order
card = ModelCard(name="t", hub_id="", family="bert", parameters=1, hidden_size=1, layers=1, positions=1, vocabulary=1,
                 licence="", languages="", lora_targets=())
executor = LocalExecutor(ForkServerLauncher(["xautolm.execution.worker"], 1), ENTRY)
executor.start(order(card, 1, "sleep"), Path({str(tmp_path)!r}))
time.sleep(60)
"""
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    path = tmp_path / "pid"
    deadline = time.monotonic() + patience(60)
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(path.read_text())
    process.kill()
    process.wait()
    assert ended(child)
