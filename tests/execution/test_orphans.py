"""Whoever is killed, nothing that it started is left: not what forked, changed its session or left its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import patience
from tests.execution import entries
from tests.execution.parent import spec
from xautolm import processes
from xautolm.execution import ForkServerLauncher, LocalExecutor, SpawnLauncher

SECONDS = 5.0
"""In which everything must be gone."""
LAUNCHERS = ("fork server", "spawn")

Start = Callable[..., "Search"]


class Search:
    """A search in a process of its own, and what it has started."""

    def __init__(self, kind: str, root: Path, trials: int) -> None:
        self.root = root
        self.trials = trials
        command = [sys.executable, "-m", "tests.execution.parent", kind, str(root), str(trials)]
        self.process = psutil.Popen(command)
        self.seen: set[psutil.Process] = set()

    def server(self) -> psutil.Process:
        return next(
            child for child in self.process.children() if "forkserver" in " ".join(child.cmdline())
        )

    def trial(self, number: int) -> psutil.Process:
        return psutil.Process(int((self.root / str(number) / "pid").read_text()))

    def family(self, number: int) -> set[psutil.Process]:
        pids = (self.root / str(number) / "family").read_text().split()
        return {psutil.Process(int(pid)) for pid in pids}

    def wait_for_families(self) -> None:
        for number in range(self.trials):
            wait_until((self.root / str(number) / "family").exists)
        self.seen = set(self.process.children(recursive=True))
        for number in range(self.trials):
            assert self.family(number) < self.seen, (
                "those that left their parents are descendants of the search"
            )

    def close(self) -> None:
        for process in {self.process, *self.seen, *self.process_tree()}:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()

    def process_tree(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return list(self.process.children(recursive=True))
        return []


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *filter(None, sys.path)]))
    searches: list[Search] = []

    def begin(kind: str, trials: int = 1) -> Search:
        searches.append(Search(kind, tmp_path, trials))
        return searches[-1]

    yield begin
    for search in searches:
        search.close()


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + patience(seconds)
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that only waits to be reaped by the system has."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def left(members: set[psutil.Process]) -> list[psutil.Process]:
    """Return what is left of some processes after the seconds that they have."""
    deadline = time.monotonic() + patience(SECONDS)
    while time.monotonic() < deadline:
        if all(map(is_gone, members)):
            return []
        time.sleep(0.02)
    return [process for process in members if not is_gone(process)]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_nothing_outlives_a_parent_that_was_killed(launcher: str, start: Start) -> None:
    search = start(launcher, trials=2)
    search.wait_for_families()
    assert len(search.seen) == 1 + 2 * (1 + entries.FAMILY)
    search.process.kill()
    assert left(search.seen) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_nothing_outlives_a_server_that_was_killed_and_its_trials_were_interrupted(
    launcher: str, start: Start
) -> None:
    search = start(launcher, trials=2)
    search.wait_for_families()
    search.server().kill()
    assert left(search.seen) == []
    assert not is_gone(search.process)
    wait_until(
        lambda: (
            (search.root / "ended").exists()
            and (search.root / "ended").read_text().count("\n") == 2
        )
    )
    lines = (search.root / "ended").read_text().splitlines()
    assert sorted(lines) == ["0 interrupted", "1 interrupted"]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_nothing_outlives_a_trial_that_was_killed_and_its_sibling_goes_on(
    launcher: str, start: Start
) -> None:
    search = start(launcher, trials=2)
    search.wait_for_families()
    killed, sibling = ({search.trial(number), *search.family(number)} for number in range(2))
    # What has parted from a trial that still runs cannot be told from what others have left.
    parted = psutil.Process(int((search.root / "1" / "family").read_text().split()[-1]))
    living = {search.process, search.server(), *sibling} - {parted}
    search.trial(0).kill()
    assert left(killed) == []
    wait_until((search.root / "ended").exists)
    assert [process for process in living if is_gone(process)] == []


def test_a_server_that_still_loads_ends_with_its_parent(start: Start) -> None:
    search = start("loading")
    wait_until(
        lambda: any("forkserver" in " ".join(child.cmdline()) for child in search.process_tree())
    )
    server = search.server()
    time.sleep(1.0)  # into the loading of the slow module
    search.process.kill()
    assert left({server}) == []


def test_a_parent_that_has_forked_since_takes_its_trials_with_it(start: Start) -> None:
    search = start("forked since")
    search.wait_for_families()
    wait_until(
        lambda: (
            (search.root / "bystander").exists() and bool((search.root / "bystander").read_text())
        )
    )
    bystander = psutil.Process(int((search.root / "bystander").read_text()))
    started = search.seen - {bystander}
    search.seen.add(bystander)
    search.process.kill()
    assert left(started) == []
    assert not is_gone(bystander), "it belongs to someone else"


@pytest.mark.parametrize(
    "launcher", [ForkServerLauncher(["tests.execution.entries"], 1), SpawnLauncher(1)]
)
def test_what_a_trial_leaves_behind_is_gone_when_its_end_is_told(
    launcher: ForkServerLauncher | SpawnLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    launcher.environment["PYTHONPATH"] = path
    executor = LocalExecutor(launcher, "tests.execution.entries:run")
    try:
        executor.start(spec(0, "leave a family behind"), tmp_path)
        ended: list[tuple[int, object]] = []
        wait_until(lambda: bool(ended.extend(executor.finished(0.1)) or ended))
        pids = map(int, (tmp_path / "family").read_text().split())
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []
        assert ended[0][1].succeeded  # type: ignore[attr-defined]
    finally:
        executor.close()


def test_a_child_watches_its_parent_where_the_system_does_not() -> None:
    program = """
import os, sys, time
from xautolm import processes
processes._prctl = lambda option, value: False
parent = os.getppid()
processes.end_with_parent(parent)
print(os.getpid(), flush=True)
time.sleep(120)
"""
    starter = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    middle = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    assert middle.stdout is not None
    with middle.stdout:
        child = psutil.Process(int(middle.stdout.readline()))
        assert not is_gone(child)
        middle.kill()
        middle.wait()
        assert left({child}) == []


def test_a_child_whose_parent_has_ended_already_ends_at_once() -> None:
    program = f"from xautolm.processes import end_with_parent; end_with_parent({os.getpid()}); print('still here')"
    starter = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {program!r}]).returncode)"
    done = subprocess.run(
        [sys.executable, "-c", starter], capture_output=True, text=True, check=False
    )
    assert "still here" not in done.stdout and done.returncode != 0


def test_only_what_carries_the_mark_is_killed() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(120)"]
    marks = ("mine", "another's", None)
    started = [
        subprocess.Popen(
            sleep, start_new_session=True, env={**os.environ, **({"MARK": mark} if mark else {})}
        )
        for mark in marks
    ]
    try:
        processes.kill_marked("MARK", "mine")
        assert started[0].wait(patience(10)) == -9
        assert [process.poll() for process in started[1:]] == [None, None]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_the_sentence_encoder_ends_with_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child that encodes texts does not go on for minutes after whoever wanted them was killed."""
    (tmp_path / "sentence_transformers.py").write_text("import time\ntime.sleep(120)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    program = """
from pathlib import Path
from xautolm.metafeatures.sentences import _encoded
_encoded(["a text"], Path("encoder"), 1)
"""
    parent = psutil.Popen([sys.executable, "-c", program])
    wait_until(lambda: any("sentences" in " ".join(child.cmdline()) for child in parent.children()))
    children = set(parent.children())
    assert len(children) == 1
    parent.kill()
    parent.wait()
    assert left(children) == []
