"""Real processes, by fork server and by spawning: results, limits, every kind of failure."""

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
from xautolm.errors import XAutoLMError
from xautolm.execution import (
    ForkServerLauncher,
    LocalExecutor,
    SpawnLauncher,
    hard_limit,
    left_outcome,
    local,
    logs,
)
from xautolm.execution.launchers import CLOSE_TIMEOUT
from xautolm.records import Limits, TrialOutcome, TrialSpec
from xautolm.serialization import read_json
from xautolm.testing import made_up_spec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, TrialStatus

ENTRY = "tests.execution.entries:run"
LAUNCHERS = {
    "fork server": lambda: ForkServerLauncher(["xautolm.execution.worker"], 1),
    "spawn": lambda: SpawnLauncher(1),
}


@pytest.fixture(autouse=True)
def entries_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children import these tests, and the same xautolm as this process."""
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    )


@pytest.fixture(params=LAUNCHERS)
def executor(request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    made = LocalExecutor(LAUNCHERS[request.param](), ENTRY)
    yield made
    made.close()


def order(number: int, do: str, limits: Limits | None = None) -> TrialSpec:
    return made_up_spec(number, limits, do=do)


def run(executor: LocalExecutor, folder: Path, spec: TrialSpec) -> TrialOutcome:
    folder = folder / f"{spec.number:04d}"
    folder.mkdir()
    executor.start(spec, folder)
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        for number, outcome in executor.finished(1.0):
            assert number == spec.number
            assert left_outcome(TrialFolder(folder)) == outcome
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


def test_a_server_that_was_asked_for_ends_before_its_first_trial_starts_that(
    tmp_path: Path,
) -> None:
    launcher = ForkServerLauncher(["xautolm.execution.worker"], 1)
    launcher.begin()
    executor = LocalExecutor(launcher, ENTRY)
    deadline = time.monotonic() + patience(60)
    # Takes note of all that the server says, of its being ready too.
    while not launcher.is_ready and time.monotonic() < deadline:
        assert executor.finished(0.0) == []
        time.sleep(0.05)
    assert launcher.is_ready
    assert run(executor, tmp_path, order(0, "succeed")).succeeded
    executor.close()


def test_a_result_comes_back_with_its_times_and_memory(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    outcome = run(executor, tmp_path, order(7, "succeed"))
    assert outcome.status is TrialStatus.COMPLETE and outcome.metrics == {"f1_macro": 0.5}
    assert outcome.wall_time > 0 and outcome.peak_memory > 10_000_000
    folder = tmp_path / "0007"
    assert (folder / "stdout.log").read_text() == "working\n"
    assert (folder / "stderr.log").read_text() == "a last line\n"
    assert read_json(folder / "spec.json")["number"] == 7


def failure_has_no_log(do: str) -> bool:
    """Whether a trial ends so suddenly that what it printed is lost in its own buffers."""
    return do in {"segfault", "killed", "exit", "terminated", "hung up", "bus error", "garbage"}


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
        ("terminated", FailureKind.INTERRUPTED, "SIGTERM"),
        ("hung up", FailureKind.INTERRUPTED, "SIGHUP"),
        ("bus error", FailureKind.INFRASTRUCTURE, "SIGBUS"),
        ("disk full", FailureKind.INFRASTRUCTURE, "No space left"),
        ("full at the end", FailureKind.INFRASTRUCTURE, "the result could not be written"),
        ("garbage", FailureKind.CRASH, "left no result"),
        ("not a number", FailureKind.DIVERGED, "f1_macro is nan"),
        ("endless", FailureKind.DIVERGED, "evaluation_time is inf"),
    ],
)
def test_every_end_has_its_kind(
    executor: LocalExecutor, tmp_path: Path, do: str, kind: FailureKind, message: str
) -> None:
    outcome = run(executor, tmp_path, order(1, do))
    assert outcome.status is TrialStatus.FAILED and outcome.failure.kind is kind
    assert message in outcome.failure.message
    assert failure_has_no_log(do) or "a last line" in outcome.failure.stderr_tail


def test_a_trial_beyond_its_time_is_killed(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for the trial to begin, which the last line depends on.
    monkeypatch.setattr(local, "GRACE_SECONDS", patience(2.0))
    outcome = run(executor, tmp_path, order(1, "sleep", Limits(seconds=0.5)))
    assert outcome.failure.kind is FailureKind.TIMEOUT
    assert ended(int((tmp_path / "0001" / "pid").read_text()))


def test_a_trial_beyond_its_memory_is_killed(executor: LocalExecutor, tmp_path: Path) -> None:
    outcome = run(executor, tmp_path, order(1, "eat", Limits(memory=400_000_000)))
    assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert 400_000_000 < outcome.peak_memory < 900_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what of the memory is files")
def test_weights_on_their_way_to_a_gpu_are_no_memory_of_the_trial(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    limits = Limits(memory=250_000_000)
    on_gpu = replace(order(1, "map weights", limits), gpu="GPU-a", device="cuda:0")
    outcome = run(executor, tmp_path, on_gpu)
    assert outcome.status is TrialStatus.COMPLETE
    assert outcome.peak_memory < limits.memory
    # A processor computes with them where they lie.
    outcome = run(executor, tmp_path, order(2, "map weights", limits))
    assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY


def test_several_run_at_once_and_closing_ends_them(executor: LocalExecutor, tmp_path: Path) -> None:
    pids = []
    for number in range(3):
        folder = tmp_path / f"{number:04d}"
        folder.mkdir()
        executor.start(order(number, "sleep"), folder)
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


def test_a_dead_fork_server_is_replaced(tmp_path: Path) -> None:
    launcher = ForkServerLauncher(["xautolm.execution.worker"], 1)
    executor = LocalExecutor(launcher, ENTRY)
    try:
        assert run(executor, tmp_path, order(1, "succeed")).succeeded
        os.kill(launcher.server.pid, signal.SIGKILL)
        launcher.server.wait()
        assert run(executor, tmp_path, order(2, "succeed")).succeeded
    finally:
        executor.close()


def test_a_server_that_is_lost_interrupts_its_trials_and_the_next_gets_a_new_one(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    folder = tmp_path / "running"
    folder.mkdir()
    executor.start(order(1, "sleep"), folder)
    lost = executor.launcher.server
    os.kill(lost.pid, signal.SIGKILL)
    ended_trials: list[tuple[int, TrialOutcome]] = []
    deadline = time.monotonic() + patience(30)
    while not ended_trials and time.monotonic() < deadline:
        ended_trials += executor.finished(0.5)
    ((number, outcome),) = ended_trials
    assert (
        number == 1 and outcome.failure.kind is FailureKind.INTERRUPTED and not outcome.is_evidence
    )
    assert left_outcome(TrialFolder(folder)) == outcome
    assert run(executor, tmp_path, order(2, "succeed")).succeeded
    assert executor.launcher.server.pid != lost.pid


def test_a_server_that_dies_unseen_between_two_trials_costs_nothing(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(executor, tmp_path, order(1, "succeed")).succeeded
    server = executor.launcher.server
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    # As it looks in the moment before the system tells.
    monkeypatch.setattr(server, "poll", lambda: None)
    assert run(executor, tmp_path, order(2, "succeed")).succeeded


def test_a_server_that_does_not_start_says_why() -> None:
    launcher = ForkServerLauncher(["no.such.module"], 1)
    with pytest.raises(XAutoLMError, match="No module named 'no'"):
        launcher.start_server()
    launcher.close()


def test_a_server_that_begins_early_is_the_one_that_starts_the_first_trial(tmp_path: Path) -> None:
    executor = LocalExecutor(ForkServerLauncher(["xautolm.execution.worker"], 1), ENTRY)
    try:
        executor.launcher.begin()
        early = executor.launcher.server
        assert early is not None and early.poll() is None
        executor.launcher.begin()
        assert run(executor, tmp_path, order(1, "succeed")).succeeded
        assert executor.launcher.server is early
    finally:
        executor.close()


def test_a_server_that_fails_early_says_why_at_the_first_launch(tmp_path: Path) -> None:
    launcher = ForkServerLauncher(["no.such.module"], 1)
    launcher.begin()
    with pytest.raises(XAutoLMError, match="No module named 'no'"):
        launcher.launch(tmp_path, ENTRY)
    launcher.close()


def test_a_server_that_still_loads_is_closed_at_once() -> None:
    launcher = ForkServerLauncher(["tests.execution.slow"], 1)
    launcher.begin()
    server = launcher.server
    assert server is not None
    started = time.monotonic()
    launcher.close()
    # Killed, not waited for: the module would take two minutes to load, and a server is given ten seconds to end.
    assert server.returncode == -signal.SIGKILL
    assert time.monotonic() - started < patience(CLOSE_TIMEOUT)


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that children find before all others."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
    return folder


STARTED_CUDA = "class cuda:\n    is_initialized = staticmethod(lambda: True)\n"
"""The module `torch` of a process that has created a CUDA context."""
FILLED_GPU = STARTED_CUDA + "    max_memory_reserved = staticmethod(lambda: 4_000_000_000)\n"
"""The module `torch` of a process that has taken 4 GB of a GPU."""


def test_a_trial_sees_its_own_gpu_only(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-own,GPU-another")
    spec = replace(order(1, "say which GPU it sees"), gpu="GPU-own")
    assert run(executor, tmp_path, spec).metrics == {"sees_its_own": 1.0}


def test_what_a_failed_trial_took_of_a_gpu_is_known(
    fakes: Path, executor: LocalExecutor, tmp_path: Path
) -> None:
    (fakes / "torch.py").write_text(FILLED_GPU)
    outcome = run(executor, tmp_path, order(1, "fill the GPU"))
    assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert outcome.peak_gpu_memory == 4_000_000_000


ASKED_CUDA = """
import os

SERVER = os.getpid()


class cuda:
    is_initialized = staticmethod(lambda: False)
    _is_in_bad_fork = staticmethod(lambda: os.getpid() != SERVER)
"""
"""The module `torch` of a process that has asked the CUDA runtime for the number of GPUs: only its forks are told."""


def test_a_fork_that_cannot_use_the_gpu_becomes_a_new_interpreter(
    tmp_path: Path, fakes: Path
) -> None:
    (fakes / "torch.py").write_text(ASKED_CUDA)
    executor = LocalExecutor(ForkServerLauncher(["torch"], 1), ENTRY)
    try:
        assert run(executor, tmp_path, order(1, "name its program")).metrics == {"is_worker": 1.0}
    finally:
        executor.close()


def test_what_starts_cuda_when_it_is_imported_is_left_to_the_trials(
    tmp_path: Path, fakes: Path
) -> None:
    # As peft's helpers do: import it where that is possible, and ask whether it is installed.
    (fakes / "bitsandbytes.py").write_text("import torch; torch.cuda.is_initialized = lambda: True")
    (fakes / "torch.py").write_text(ASKED_CUDA.replace("!= SERVER", "< 0"))
    (fakes / "adapters.py").write_text(
        "from importlib.util import find_spec\n"
        "is_installed = find_spec('bitsandbytes') is not None\n"
        "try:\n    import bitsandbytes\nexcept ImportError:\n    bitsandbytes = None\n"
    )
    executor = LocalExecutor(ForkServerLauncher(["torch", "adapters"], 1), ENTRY)
    try:
        outcome = run(executor, tmp_path, order(1, "import what starts CUDA"))
        assert outcome.metrics == {"was_imported": 0.0, "is_installed": 1.0, "can_be_imported": 1.0}
        program = run(executor, tmp_path, order(2, "name its program"))
        assert program.metrics == {"is_worker": 0.0}, "the server itself has not started CUDA"
    finally:
        executor.close()


def test_where_loading_has_started_cuda_trials_are_not_forked(tmp_path: Path, fakes: Path) -> None:
    # As bitsandbytes does: its import asks for the GPU's capability, and forks of such a process cannot use the GPU.
    (fakes / "torch.py").write_text(STARTED_CUDA)
    executor = LocalExecutor(ForkServerLauncher(["torch"], 1), ENTRY)
    try:
        assert run(executor, tmp_path, order(1, "name its program")).metrics == {"is_worker": 1.0}
    finally:
        executor.close()


@pytest.fixture
def patient_executor(fakes: Path) -> Iterator[LocalExecutor]:
    """Have the module `late`, which tests write to `fakes`, loaded after the first trial."""
    made = LocalExecutor(ForkServerLauncher(["tests.execution.entries"], 1, ["late"]), ENTRY)
    yield made
    made.close()


def test_what_may_wait_is_loaded_after_the_first_trial_and_before_the_second(
    patient_executor: LocalExecutor, tmp_path: Path, fakes: Path
) -> None:
    (fakes / "late.py").write_text("")
    first = run(patient_executor, tmp_path, order(1, "say whether late is loaded"))
    second = run(patient_executor, tmp_path, order(2, "say whether late is loaded"))
    assert (first.metrics, second.metrics) == ({"is_loaded": 0.0}, {"is_loaded": 1.0})


def test_trials_that_begin_while_the_first_runs_do_not_wait_for_what_may_wait(
    patient_executor: LocalExecutor, tmp_path: Path, fakes: Path
) -> None:
    (fakes / "late.py").write_text("import time; time.sleep(120)")
    (tmp_path / "sleeping").mkdir()
    patient_executor.start(order(1, "sleep"), tmp_path / "sleeping")
    beside = run(patient_executor, tmp_path, order(2, "say whether late is loaded"))
    assert beside.metrics == {"is_loaded": 0.0}


def test_what_cannot_be_loaded_late_is_left_to_the_trials_that_need_it(
    patient_executor: LocalExecutor, tmp_path: Path, fakes: Path
) -> None:
    (fakes / "late.py").write_text("import no_such_module")
    server = None
    for number in (1, 2):
        outcome = run(patient_executor, tmp_path, order(number, "say whether late is loaded"))
        assert outcome.metrics == {"is_loaded": 0.0}
        server = server or patient_executor.launcher.server
    assert patient_executor.launcher.server is server


def test_where_what_is_loaded_late_has_started_cuda_later_trials_are_not_forked(
    patient_executor: LocalExecutor, tmp_path: Path, fakes: Path
) -> None:
    (fakes / "torch.py").write_text(STARTED_CUDA)
    (fakes / "late.py").write_text("import torch")
    first = run(patient_executor, tmp_path, order(1, "name its program"))
    second = run(patient_executor, tmp_path, order(2, "name its program"))
    assert (first.metrics, second.metrics) == ({"is_worker": 0.0}, {"is_worker": 1.0})


def test_a_trial_that_prints_much_keeps_its_first_and_last_words(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    assert run(executor, tmp_path, order(1, "print")).succeeded
    printed = (tmp_path / "0001" / "stdout.log").read_bytes()
    assert len(printed) <= logs.HEAD_BYTES + 2 * logs.TAIL_BYTES + logs.CHUNK_BYTES + 100
    assert b"xxx" in printed[:100] and b"the last words" in printed[-100:]
    assert b"bytes left out here" in printed


def test_a_trial_that_prints_for_ever_does_not_fill_the_disk(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "GRACE_SECONDS", patience(3.0))
    outcome = run(executor, tmp_path, order(1, "print for ever", Limits(seconds=0.5)))
    assert outcome.failure.kind is FailureKind.TIMEOUT and outcome.failure.stderr_tail.endswith("y")
    for name in ("stdout.log", "stderr.log"):
        size = (tmp_path / "0001" / name).stat().st_size
        assert (
            logs.HEAD_BYTES < size <= logs.HEAD_BYTES + 2 * logs.TAIL_BYTES + logs.CHUNK_BYTES + 100
        )
    assert run(executor, tmp_path, order(2, "succeed")).succeeded, "the server is still there"


def test_what_a_trial_leaves_lying_about_is_cut_down(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    assert run(executor, tmp_path, order(1, "litter")).succeeded
    folder = tmp_path / "0001"
    left = [path.name for path in (folder / "cache" / "deep").iterdir()]
    assert len(left) == 1, "36 MB are cut to less than 16"
    assert (folder / "small").read_text() == "kept" and (folder / "pid").exists()


def test_a_trial_that_writes_files_for_ever_is_stopped(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "RUNNING_BYTES", 20_000_000)
    monkeypatch.setattr(local, "FILES_POLL", 0.1)
    outcome = run(executor, tmp_path, order(1, "litter for ever"))
    assert outcome.failure.kind is FailureKind.CRASH and "GB of files" in outcome.failure.message
    assert not (tmp_path / "0001" / "litter").exists()


def test_a_cancelled_trial_ends_as_pruned_with_what_it_had_reached(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    folder = tmp_path / "0001"
    folder.mkdir()
    executor.start(order(1, "train for ever"), folder)
    wait_for(folder / "progress.jsonl")
    executor.cancel(1)
    executor.cancel(7)  # there is none: nothing happens
    (number, outcome), *others = executor.finished(patience(60))
    assert (number, others) == (1, []) and left_outcome(TrialFolder(folder)) == outcome
    assert outcome.status is TrialStatus.PRUNED and outcome.failure is None
    assert outcome.metrics == {"f1_macro": 0.25}
    assert (outcome.evaluation_time, outcome.planned_time) == (8.0, 24.0)
    assert ended(int((folder / "pid").read_text())) and executor.running() == {}


def test_a_trial_that_is_cancelled_before_its_first_evaluation_says_nothing(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    folder = tmp_path / "0001"
    folder.mkdir()
    executor.start(order(1, "sleep"), folder)
    executor.cancel(1)
    ((_, outcome),) = executor.finished(patience(60))
    assert outcome.failure is not None and outcome.failure.kind is FailureKind.INTERRUPTED


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + patience(60)
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "how", ["os._exit(3)", pytest.param("raise SystemExit(3)", marks=pytest.mark.slow)]
)
def test_a_late_module_that_ends_the_server_costs_one_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "ends_all.py").write_text(f"import os\n{how}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    launcher = ForkServerLauncher(["xautolm.execution.worker"], 1, ["ends_all"])
    executor = LocalExecutor(launcher, ENTRY)
    try:
        for number in range(4):
            assert run(executor, tmp_path, order(number, "print")).succeeded
        server = launcher.server
        run(executor, tmp_path, order(4, "print"))
        assert launcher.server is server, "it is not lost again and again"
    finally:
        executor.close()
