"""A process that has loaded torch and transformers once and forks a child for every trial.

The parent talks to it in JSON lines: `{"folder": ..., "entry": ...}` in; `{"started": folder, "pid": ...}` and
`{"exited": folder, "code": ...}` out. When its input closes (the parent ended, however), it kills its children's
process groups and ends. It never touches CUDA: a CUDA context does not survive a fork.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import sys
from importlib import import_module
from pathlib import Path

from xautolm.execution.worker import prepare, redirect_streams, work

REQUESTS, ANSWERS = 0, 1


class ForkServer:
    """The loop of the server: requests in, children out, exits reported."""

    def __init__(self, answers: int) -> None:
        self.children: dict[int, str] = {}
        self.answers = answers
        self.pending = b""

    def serve(self) -> None:
        """Fork on request until the input closes."""
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_write)
        with selectors.DefaultSelector() as selector:
            selector.register(REQUESTS, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if wake_read in ready:
                    os.read(wake_read, 4096)
                self.reap()
                if REQUESTS in ready and not self.receive():
                    break
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def receive(self) -> bool:
        """Read what has come in and fork for every whole line; False when the input is closed."""
        chunk = os.read(REQUESTS, 65_536)
        self.pending += chunk
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            request = json.loads(line)
            self.fork(request["folder"], request["entry"])
        return bool(chunk)

    def fork(self, folder: str, entry: str) -> None:
        """Start a trial in a child with a session, and so a process group, of its own."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(self.answers)
                redirect_streams(Path(folder))
                work(Path(folder), entry)
            finally:
                os._exit(0)
        self.children[pid] = folder
        self.answer({"started": folder, "pid": pid})

    def reap(self) -> None:
        """Report the children that have ended."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in self.children:
                self.answer({"exited": self.children.pop(pid), "code": os.waitstatus_to_exitcode(status)})

    def answer(self, message: dict[str, object]) -> None:
        """Tell the parent."""
        os.write(self.answers, json.dumps(message).encode() + b"\n")


def main() -> None:
    """The program of the server, with the modules to load as arguments."""
    # Answers go through a private copy of standard output; whatever a library prints must not mix with them.
    answers = os.dup(ANSWERS)
    os.dup2(2, ANSWERS)
    for module in sys.argv[1:]:
        import_module(module)
    prepare()
    # Objects that exist now are never collected, so children do not copy their memory just to look at them.
    gc.freeze()
    server = ForkServer(answers)
    server.answer({"ready": True})
    server.serve()
