"""Two ways to start a trial's process: from a fork server, or anew where there is no safe fork."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from xautolm.errors import XAutoLMError
from xautolm.settings import child_environment

START_TIMEOUT = 180.0
"""Seconds in which the fork server must have loaded its modules: a cold disk is slow."""


class Launcher(Protocol):
    """Starts processes that work on a trial's folder."""

    def launch(self, folder: Path, entry: str) -> int:
        """Start a trial; returns the process id, which is also that of its process group."""

    def exits(self) -> dict[Path, int]:
        """Folders whose process has ended since the last call, with the exit code (negative: signal)."""

    def close(self) -> None:
        """End everything that was started."""


def default_launcher(preload: Sequence[str], threads: int) -> Launcher:
    """A fork server, or spawning where a fork after loading frameworks is not safe (macOS) or unknown (Windows)."""
    if sys.platform == "linux":
        return ForkServerLauncher(preload, threads)
    return SpawnLauncher(threads)


class SpawnLauncher:
    """A new interpreter for every trial."""

    def __init__(self, threads: int) -> None:
        self.environment = child_environment(threads)
        self.processes: dict[Path, subprocess.Popen[bytes]] = {}

    def launch(self, folder: Path, entry: str) -> int:
        """Start an interpreter."""
        command = [sys.executable, "-c", _main_of("worker"), str(folder), entry]
        process = subprocess.Popen(command, start_new_session=True, env=self.environment)
        self.processes[folder] = process
        return process.pid

    def exits(self) -> dict[Path, int]:
        """Interpreters that have ended."""
        ended = {folder: code for folder, process in self.processes.items() if (code := process.poll()) is not None}
        for folder in ended:
            del self.processes[folder]
        return ended

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.processes.values():
            kill_group(process.pid)
            process.wait()
        self.processes.clear()


class ForkServerLauncher:
    """Children of a server that has loaded the heavy modules already."""

    def __init__(self, preload: Sequence[str], threads: int) -> None:
        self.preload = tuple(preload)
        self.environment = child_environment(threads)
        self.server: subprocess.Popen[bytes] | None = None
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.running: dict[Path, int] = {}
        self.ended: dict[Path, int] = {}

    def start_server(self) -> None:
        """Start the server if it does not run; returns when it is ready."""
        if self.server is not None and self.server.poll() is None:
            return
        self.close()
        command = [sys.executable, "-c", _main_of("forkserver"), *self.preload]
        self.answers = queue.Queue()
        self.server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=self.environment,
        )
        threading.Thread(target=self._listen, args=(self.server, self.answers), daemon=True).start()
        self._wait_for("ready")

    def launch(self, folder: Path, entry: str) -> int:
        """Ask the server for a child."""
        self.start_server()
        assert self.server is not None and self.server.stdin is not None
        self.server.stdin.write(json.dumps({"folder": str(folder), "entry": entry}).encode() + b"\n")
        self.server.stdin.flush()
        pid = int(self._wait_for("started")["pid"])
        self.running[folder] = pid
        return pid

    def exits(self) -> dict[Path, int]:
        """Children that have ended; if the server itself died, all of them."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._note(self.answers.get_nowait())
        if self.server is not None and self.server.poll() is not None:
            self._forget_orphans()
        ended, self.ended = self.ended, {}
        return ended

    def close(self) -> None:
        """Close the server's input: it kills its children and ends."""
        if self.server is None:
            return
        assert self.server.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.server.stdin.close()
        try:
            self.server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            kill_group(self.server.pid)
            self.server.wait()
        self._forget_orphans()
        self.server = None

    def _forget_orphans(self) -> None:
        for folder, pid in self.running.items():
            kill_group(pid)
            self.ended[folder] = -signal.SIGTERM
        self.running.clear()

    def _wait_for(self, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                answer = self.answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise XAutoLMError("The fork server does not answer.") from None
            if "ended" in answer:
                raise XAutoLMError(f"The fork server ended while loading {', '.join(self.preload)}.")
            if event in answer:
                return answer
            self._note(answer)

    def _note(self, answer: dict[str, Any]) -> None:
        if "exited" in answer:
            folder = Path(answer["exited"])
            self.running.pop(folder, None)
            self.ended[folder] = int(answer["code"])

    @staticmethod
    def _listen(server: subprocess.Popen[bytes], answers: queue.Queue[dict[str, Any]]) -> None:
        assert server.stdout is not None
        with server.stdout:
            for line in server.stdout:
                answers.put(json.loads(line))
        answers.put({"ended": True})


def _main_of(module: str) -> str:
    """The program of a module in this folder; `python -m` would import it a second time, and warn."""
    return f"from xautolm.execution.{module} import main; main()"


def kill_group(pid: int) -> None:
    """Kill a process and everything in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
