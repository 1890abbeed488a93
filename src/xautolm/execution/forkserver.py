"""A process that starts trials, copies what they print, and leaves nothing of them behind.

With modules to load it has loaded torch and transformers once and forks a child for every trial; without, or where a
fork is not safe, every trial is a new interpreter. It never touches CUDA: a CUDA context does not survive a fork.
What first trials can do without is loaded when the first has ended and the next is asked for: on one core, each second
of loading puts off the first score by a second.

The parent talks to it in JSON lines: `{"folder": ..., "entry": ...}` in; `{"started": folder, "pid": ...}` and
`{"exited": folder, "code": ...}` out. When its input closes (the parent ended, however), or the system says that the
parent has ended, it kills everything that descends from it and ends. When it is killed itself, so are the trials.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from xautolm.execution.logs import BoundedLog
from xautolm.execution.worker import become_trial, prepare, program_of, work
from xautolm.processes import adopt_orphans, end_with_parent, kill_descendants, kill_group
from xautolm.trial_folder import TrialFolder

REQUESTS, ANSWERS = 0, 1
LEFT_TO_TRIALS = frozenset({"bitsandbytes"})
"""Packages that the server never imports: they start CUDA while they are imported, and no fork could use a GPU then."""


@dataclass(frozen=True, slots=True)
class Child:
    """A trial in progress."""

    folder: str
    logs: tuple[BoundedLog, BoundedLog]


class ForkServer:
    """The loop of the server: requests in, children out, exits reported.

    Args:
        answers: File descriptor to answer on.
        forks: Whether trials are forks of this process; else new interpreters.
        later: Modules to load before the first trial that begins after another has ended.
    """

    def __init__(self, answers: int, forks: bool, later: Sequence[str] = ()) -> None:
        self.answers = answers
        self.forks = forks
        self.later = tuple(later)
        self.has_had_trial = False
        """Whether a trial has ended."""
        self.children: dict[int, Child] = {}
        self.pending = b""
        self.selector = selectors.DefaultSelector()
        self.wake, self.wake_writer = os.pipe()

    def serve(self) -> None:
        """Start trials on request until the input closes; then kill what still runs."""
        for end in (self.wake, self.wake_writer):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.wake_writer)
        self.selector.register(REQUESTS, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)
        is_open = True
        while is_open:
            ready = [key for key, _ in self.selector.select()]
            for key in ready:
                if key.fd == self.wake:
                    # What wakes the server when a child has ended; only that there is something counts.
                    os.read(self.wake, 4096)
                elif key.fd == REQUESTS:
                    is_open = self.receive()
                else:
                    self.copy(key.data)
            self.reap()
        kill_descendants()

    def receive(self) -> bool:
        """Read what has come in and start a trial for every whole line; False when the input is closed."""
        chunk = os.read(REQUESTS, 65_536)
        self.pending += chunk
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            request = json.loads(line)
            self.start(request["folder"], request["entry"])
        return bool(chunk)

    def copy(self, log: BoundedLog) -> None:
        """Copy what a trial prints; a log whose pipe has no writer any more is not looked at again."""
        if not log.copy():
            self.selector.unregister(log.pipe)

    def start(self, folder: str, entry: str) -> None:
        """Start a trial in a child with a session, and so a process group, of its own."""
        if self.has_had_trial:
            self.load_later()
        server = os.getpid()
        output, errors = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._let_go()
                become_trial(server, [output[1], errors[1]])
                for end in (*output, *errors):
                    os.close(end)
                code = self._run(folder, entry, server)
            finally:
                os._exit(code)
        os.close(output[1])
        os.close(errors[1])
        trial = TrialFolder(Path(folder))
        logs = (BoundedLog(trial.stdout, output[0]), BoundedLog(trial.stderr, errors[0]))
        for log in logs:
            self.selector.register(log.pipe, selectors.EVENT_READ, log)
        self.children[pid] = Child(folder, logs)
        self.answer({"started": folder, "pid": pid})

    def load_later(self) -> None:
        """Load what is left to be loaded; what cannot be is left to the trial that needs it, which will say why."""
        modules, self.later = self.later, ()
        if not modules:
            return
        try:
            load(modules)
        except (Exception, SystemExit):
            traceback.print_exc()
        self.forks = self.forks and not cuda_has_started()

    def _run(self, folder: str, entry: str, server: int) -> int:
        """Run a trial in its process, or in a new interpreter that takes this process over; returns the exit code."""
        if self.forks and not is_cut_off_from_cuda():
            return work(Path(folder), entry)
        program = program_of("worker")
        arguments = [sys.executable, "-c", program, folder, entry, str(server)]
        os.execv(sys.executable, arguments)

    def reap(self) -> None:
        """Report the children that have ended, after nothing of them is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue  # an orphan of a trial
            # Its own group first, then what it started in sessions of its own: this process has adopted that. What a
            # running trial has parted from looks the same, and goes too; nothing that trials need does so.
            kill_group(pid)
            kill_descendants(spared=self.children)
            self._close_logs(child)
            self.has_had_trial = True
            self.answer({"exited": child.folder, "code": os.waitstatus_to_exitcode(status)})

    def answer(self, message: dict[str, object]) -> None:
        """Tell the parent; if there is none any more, the closed input will end the server."""
        line = f"{json.dumps(message)}\n"
        with contextlib.suppress(BrokenPipeError):
            os.write(self.answers, line.encode())

    def _close_logs(self, child: Child) -> None:
        for log in child.logs:
            with contextlib.suppress(KeyError):
                self.selector.unregister(log.pipe)
            log.close()

    def _let_go(self) -> None:
        """Close, in a child, what belongs to the server."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self.selector.close()
        for end in (self.answers, self.wake, self.wake_writer):
            os.close(end)
        for child in self.children.values():
            for log in child.logs:
                log.forget()


def end_with(parent: int) -> None:
    """Let this process kill its descendants and end when its parent ends.

    The closed input tells the same, but not while modules are loaded, nor if the parent has forked since: then the
    input stays open in another process.
    """

    def hang_up(number: int, frame: Any) -> None:
        # Linux tells also of the end of the thread that started this process; then the parent lives on.
        if os.getppid() != parent:
            kill_descendants()
            os._exit(0)

    signal.signal(signal.SIGHUP, hang_up)
    end_with_parent(parent, signal.SIGHUP)


class LeftToTrials(MetaPathFinder, Loader):
    """Refuse to import `LEFT_TO_TRIALS`, and still say that they are installed.

    peft imports bitsandbytes where it can, and does without where that fails; whether it is installed, peft and
    transformers ask once and remember, and trials need the true answer.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec that cannot be loaded for packages that are installed and left to trials; None for others."""
        if name not in LEFT_TO_TRIALS:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            return None
        return ModuleSpec(name, self, origin=spec.origin)

    def create_module(self, spec: ModuleSpec) -> None:
        """Refuse.

        Raises:
            ImportError: Always.
        """
        raise ImportError(f"{spec.name} is not imported before trials are forked", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: no module comes so far."""


def cuda_has_started() -> bool:
    """Return whether a loaded module has created a CUDA context in this process."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def is_cut_off_from_cuda() -> bool:
    """Return whether this process is a fork that cannot use a GPU.

    Besides a context, it is enough that what forked it has asked the CUDA runtime for the number of GPUs; torch notes
    that, but tells it in the fork only.
    """
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda._is_in_bad_fork())


def load(modules: Sequence[str]) -> None:
    """Import modules for the children of this process, which share them.

    Nothing of what modules leave in memory is garbage, and looking for it is a fifth of the time of importing torch
    and transformers (4.7 instead of 5.8 processor seconds). Objects that exist now are never collected afterwards
    either, so that children do not copy their memory just to look at them.
    """
    refusal = LeftToTrials()
    sys.meta_path.insert(0, refusal)
    gc.disable()
    try:
        for module in modules:
            import_module(module)
    finally:
        sys.meta_path.remove(refusal)
        gc.freeze()
        gc.enable()


def main() -> None:
    """Run the program of the server, with the arguments PARENT, FIRST and LATER.

    FIRST are modules to load, separated by spaces, if trials are to be forks; LATER those that may wait.
    """
    parent, first, later = int(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split()
    # Answers go through a private copy of standard output; whatever a library prints must not mix with them.
    answers = os.dup(ANSWERS)
    os.dup2(2, ANSWERS)
    adopt_orphans()
    end_with(parent)
    load(first)
    forks = bool(first) and not cuda_has_started()
    if forks:
        prepare()
    server = ForkServer(answers, forks, later if forks else ())
    server.answer({"ready": True})
    server.serve()
