"""What a trial's process does: read its spec, run the entry, write its result."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from xautolm.execution.failures import UNWRITABLE, checked, failed, failure_of
from xautolm.execution.ranks import run_ranks
from xautolm.processes import end_with_parent
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.serialization import from_plain, read_json, validator
from xautolm.settings import see_only_gpu
from xautolm.trial_folder import TrialFolder

Entry = Callable[[TrialSpec, Path], TrialOutcome]
"""Runs a trial in this process; exceptions are failures."""


def work(folder: Path, entry: str) -> int:
    """Run the trial whose spec lies in `folder`, and leave `result.json` there, whatever happens.

    Args:
        folder: The trial's folder.
        entry: Where the function is that runs it, as `package.module:function`.

    Returns:
        The exit code: `UNWRITABLE` if the result could not be written.
    """

    def run() -> TrialOutcome:
        spec = from_plain(TrialSpec, read_json(TrialFolder(folder).spec))
        if not spec.is_divided:
            return _run_entry(spec, folder, entry)
        return run_ranks(spec, folder, work_as_rank)

    def work_as_rank(order: TrialSpec, own_folder: Path) -> int:
        return _leave_outcome(own_folder, lambda: _run_entry(order, folder, entry))

    return _leave_outcome(folder, run)


def _run_entry(spec: TrialSpec, folder: Path, entry: str) -> TrialOutcome:
    """Run a trial in this process."""
    if spec.gpu:
        # Before anything is imported that may start CUDA. Where a process sees several GPUs, the Trainer spreads a
        # batch over all of them, whichever it was told to use.
        see_only_gpu(spec.gpu)
    module, _, name = entry.partition(":")
    run: Entry = getattr(import_module(module), name)
    # The program searches the folder of its script, which is no folder of this process.
    sys.path.extend(spec.import_folders)
    return checked(run(spec, folder))


def _leave_outcome(folder: Path, run: Callable[[], TrialOutcome]) -> int:
    """Run something and write in a folder what came of it, whatever happens.

    Returns:
        The exit code: `UNWRITABLE` if the result could not be written.
    """
    started = time.monotonic()
    try:
        outcome = run()
    except BaseException as error:
        # `SystemExit` too: whatever ends a trial before it has an outcome is a failure.
        traceback.print_exc()
        outcome = failed(failure_of(error))
    wall_time = time.monotonic() - started
    code = 0
    try:
        # Of several processes, which an outcome has the sum of, this one only waits for the others.
        peak_memory = max(outcome.peak_memory or 0, _peak_memory())
        outcome = replace(outcome, wall_time=wall_time, peak_memory=peak_memory)
        if outcome.peak_gpu_memory is None:
            # Of a failure: what it took says what the next must not take.
            outcome = replace(outcome, peak_gpu_memory=_peak_gpu_memory())
        TrialFolder(folder).write_outcome(outcome)
    except OSError:
        traceback.print_exc()
        code = UNWRITABLE
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def prepare() -> None:
    """Do once what every trial's process would do for itself: build the validators of its spec and result."""
    validator(TrialSpec)
    validator(TrialOutcome)


def become_trial(server: int, outputs: Sequence[int]) -> None:
    """Make a fresh child of the server a process of its own, which ends with the server.

    Args:
        server: Process id of the server.
        outputs: File descriptors that become standard output and standard error.
    """
    os.setsid()
    end_with_parent(server)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate([null, *outputs]):
        os.dup2(source, target)
    os.close(null)
    # A crash of a process with a model in memory would leave a file of that size.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def program_of(module: str) -> str:
    """Return the program of a module in this folder; `python -m` would import it a second time, and warn."""
    return f"from xautolm.execution.{module} import main; main()"


def _peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # macOS counts in bytes, Linux in units of 1,024.
    if sys.platform == "darwin":
        return usage.ru_maxrss
    return usage.ru_maxrss * 1024


def _peak_gpu_memory() -> int | None:
    """Return the most bytes of a GPU that torch has reserved in this process; None where it has used none."""
    # Not imported here: a trial that fails before it loads torch needs none.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    try:
        return int(torch.cuda.max_memory_reserved())
    except Exception:
        # CUDA may be as broken as the trial: a number for the record must not cost its result.
        traceback.print_exc()
        return None


def main() -> None:
    """Run the program of a new interpreter, with the arguments FOLDER, ENTRY and the process id of the server."""
    folder = Path(sys.argv[1])
    entry = sys.argv[2]
    server = int(sys.argv[3])
    # Once more: where a thread looks after the parent, it did not survive the change of program.
    end_with_parent(server)
    code = work(folder, entry)
    sys.exit(code)
