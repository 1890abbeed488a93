"""Two ways to start a trial's process: as a fork of a server, or anew where there is no safe fork."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from xautolm.errors import XAutoLMError
from xautolm.execution.failures import last_lines
from xautolm.execution.worker import program_of
from xautolm.processes import kill_group, kill_marked
from xautolm.settings import child_environment

START_TIMEOUT = 180.0
"""Seconds in which the server must have loaded its modules: a cold disk is slow."""
CLOSE_TIMEOUT = 10.0
"""Seconds in which a server whose input was closed must have killed its trials."""
MARK = "XAUTOLM_SERVER"
"""Environment variable by which everything is known that a server has started, wherever it ran to."""


class Launcher(Protocol):
    """Starts processes that work on a trial's folder."""

    def launch(self, folder: Path, entry: str) -> int:
        """Start a trial; returns the process id, which is also that of its process group."""

    def exits(self) -> Mapping[Path, int | None]:
        """Return the folders whose process has ended since the last call, with the exit code.

        The code is negative for a signal, and None where the process ended because what had started it did.
        """

    def is_running(self, folder: Path) -> bool:
        """Return whether the process of a folder still runs."""

    def close(self) -> None:
        """End everything that was started."""


class ServerLost(XAutoLMError):
    """The server ended without being asked to."""


class ServerLauncher:
    """Children of a server, which is started with the first trial, or before, and again whenever it was lost.

    Args:
        modules: What the server loads once, for its children to be forks of it; if empty, each is a new interpreter.
        threads: For numerical libraries, in each trial.
        later: What it loads when a trial has ended, before the next one begins.
    """

    def __init__(self, modules: Sequence[str], threads: int, later: Sequence[str] = ()) -> None:
        self.modules = tuple(modules)
        self.later = tuple(later)
        self.environment = child_environment(threads)
        self.server: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        """Whether the server has said that it has loaded its modules."""
        self.listener: threading.Thread | None = None
        self.errors: IO[bytes] | None = None
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.running: dict[Path, int] = {}
        self.ended: dict[Path, int | None] = {}

    def begin(self) -> None:
        """Let the server load its modules from now on, and return at once.

        What goes wrong with it is an error of the first launch.
        """
        if self.server is None:
            self._spawn_server()

    def start_server(self) -> None:
        """Start the server if it does not run; returns when it is ready.

        Raises:
            XAutoLMError: It does not start; the message has its last words.
        """
        if self.server is None or self.server.poll() is not None:
            self.close()
            self._spawn_server()
        if not self.is_ready:
            self._wait_for("ready")
            self.is_ready = True

    def _spawn_server(self) -> None:
        mark = uuid.uuid4().hex
        program = program_of("forkserver")
        modules = [" ".join(self.modules), " ".join(self.later)]
        command = [sys.executable, "-c", program, str(os.getpid()), *modules]
        self.answers = queue.Queue()
        self.is_ready = False
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the server)
        self.server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
            env={**self.environment, MARK: mark},
        )
        self.listener = threading.Thread(
            target=_listen, args=(self.server, self.answers, mark), daemon=True
        )
        self.listener.start()

    def launch(self, folder: Path, entry: str) -> int:
        """Ask the server for a child; a server that was lost since the last trial is replaced."""
        self.start_server()
        try:
            return self._launch(folder, entry)
        except ServerLost:
            self.close()
            # If it was lost while it loaded what comes later, the next one would be, too, and the trials that run with
            # it. The trial that needs those modules loads them itself, and says why if that fails.
            self.later = ()
            self.start_server()
            return self._launch(folder, entry)

    def exits(self) -> Mapping[Path, int | None]:
        """Return the children that have ended; if the server itself was lost, all of them."""
        self._note_all()
        ended = self.ended
        # Each end is told once.
        self.ended = {}
        return ended

    def is_running(self, folder: Path) -> bool:
        """Return whether the child of a folder still runs."""
        self._note_all()
        return folder in self.running

    def close(self) -> None:
        """Close the server's input: it kills its children and ends. What a lost server has left is killed too."""
        if self.server is None:
            return
        assert (
            self.server.stdin is not None and self.listener is not None and self.errors is not None
        )
        if not self.is_ready and self.server.poll() is None:
            # It has no child yet, and would not look at its input before it has loaded its modules.
            kill_group(self.server.pid)
        with contextlib.suppress(BrokenPipeError):
            self.server.stdin.close()
        try:
            self.server.wait(timeout=CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            kill_group(self.server.pid)
            self.server.wait()
        self.listener.join(timeout=CLOSE_TIMEOUT)
        self._lose_trials()
        self.errors.close()
        self.server = None

    def _launch(self, folder: Path, entry: str) -> int:
        assert self.server is not None and self.server.stdin is not None
        request = json.dumps({"folder": str(folder), "entry": entry})
        line = f"{request}\n"
        try:
            self.server.stdin.write(line.encode())
            self.server.stdin.flush()
        except BrokenPipeError:
            raise ServerLost("The server that starts trials has ended.") from None
        answer = self._wait_for("started")
        pid = int(answer["pid"])
        self.running[folder] = pid
        return pid

    def _note_all(self) -> None:
        """Take notice of all that the server has said, and of its own end."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._note(self.answers.get_nowait())
        if self.server is not None and self.server.poll() is not None:
            self._lose_trials()

    def _lose_trials(self) -> None:
        """Note the trials whose server has ended: they ended with it, which says nothing about them."""
        # The server may have told of some trials' ends before it was lost itself.
        with contextlib.suppress(queue.Empty):
            while True:
                self._note(self.answers.get_nowait())
        for folder, pid in self.running.items():
            kill_group(pid)
            self.ended[folder] = None
        self.running.clear()

    def _wait_for(self, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            seconds_left = deadline - time.monotonic()
            try:
                answer = self.answers.get(timeout=max(0.0, seconds_left))
            except queue.Empty:
                raise XAutoLMError(
                    f"The server that starts trials did not answer in {START_TIMEOUT:.0f} s."
                ) from None
            if "ended" in answer:
                raise ServerLost(
                    f"The server that starts trials has ended.\n{self._last_words()}".rstrip()
                )
            if event in answer:
                return answer
            # Other trials may end meanwhile.
            self._note(answer)

    def _note(self, answer: dict[str, Any]) -> None:
        # Whoever looks for ends before the first trial meets this, and `start_server` would wait for it in vain.
        if "ready" in answer:
            self.is_ready = True
        if "exited" not in answer:
            return
        folder = Path(answer["exited"])
        code = int(answer["code"])
        self.running.pop(folder, None)
        self.ended[folder] = code

    def _last_words(self) -> str:
        """Return the last three lines that the server wrote to its standard error."""
        assert self.errors is not None
        return last_lines(self.errors, 3)


class ForkServerLauncher(ServerLauncher):
    """Children of a server that has loaded the heavy modules already."""

    def __init__(self, preload: Sequence[str], threads: int, later: Sequence[str] = ()) -> None:
        super().__init__(preload, threads, later)


class SpawnLauncher(ServerLauncher):
    """A new interpreter for every trial."""

    def __init__(self, threads: int) -> None:
        super().__init__((), threads)


def default_launcher(
    preload: Sequence[str], threads: int, later: Sequence[str] = ()
) -> ServerLauncher:
    """Return a fork server, or a launcher of new interpreters where forks after loading frameworks are not safe."""
    # On macOS they are not, of Windows it is not known.
    if sys.platform == "linux":
        return ForkServerLauncher(preload, threads, later)
    return SpawnLauncher(threads)


def _listen(
    server: subprocess.Popen[bytes], answers: queue.Queue[dict[str, Any]], mark: str
) -> None:
    """Pass on what the server says; when it has ended, in whatever way, kill at once what it has left."""
    assert server.stdout is not None
    with server.stdout:
        for line in server.stdout:
            answer = json.loads(line)
            answers.put(answer)
    kill_marked(MARK, mark)
    answers.put({"ended": True})
