"""What a trial's process does: read its spec, run the entry, write its result."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from xautolm.documents import from_plain, read_json, to_plain, validator, write_json
from xautolm.execution.failures import failed, failure_of
from xautolm.records import TrialOutcome, TrialSpec

SPEC, RESULT, STDOUT, STDERR = "spec.json", "result.json", "stdout.log", "stderr.log"

Entry = Callable[[TrialSpec, Path], TrialOutcome]
"""Runs a trial in this process; exceptions are failures."""


def work(folder: Path, entry: str) -> None:
    """Run the trial whose spec lies in `folder`, and leave `result.json` there, whatever happens.

    Args:
        folder: The trial's folder.
        entry: Where the function is that runs it, as `package.module:function`.
    """
    started = time.monotonic()
    try:
        module, _, name = entry.partition(":")
        run: Entry = getattr(import_module(module), name)
        outcome = run(from_plain(TrialSpec, read_json(folder / SPEC)), folder)
    except BaseException as error:
        traceback.print_exc()
        outcome = failed(failure_of(error))
    wall_time = time.monotonic() - started
    write_json(folder / RESULT, to_plain(replace(outcome, wall_time=wall_time, peak_memory=_peak_memory())))
    sys.stdout.flush()
    sys.stderr.flush()


def prepare() -> None:
    """Do once what every trial's process would do for itself: build the validators of its spec and result."""
    validator(TrialSpec)
    validator(TrialOutcome)


def redirect_streams(folder: Path) -> None:
    """Send this process's output to the trial's log files, and give it an empty input."""
    for name, descriptor in ((STDOUT, 1), (STDERR, 2)):
        log = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, descriptor)
        os.close(log)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """The program of a spawned process, with the arguments FOLDER and ENTRY."""
    folder = Path(sys.argv[1])
    redirect_streams(folder)
    work(folder, sys.argv[2])
