"""What the processes of a divided trial do in the tests of execution: real processes, fake work."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from xautolm.errors import TrialError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.symptoms import WEIGHTS_DO_NOT_FIT
from xautolm.testing import success

GIGABYTE = 1_000_000_000


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Do what the configuration says of this rank; the first one waits for the others as it would for their numbers."""
    (folder / f"pid{spec.rank}").write_text(str(os.getpid()))
    do = spec.configuration.values["do"]
    is_last = spec.rank == len(spec.devices) - 1
    if do == "tell":
        outcome = success(
            rank=float(spec.rank),
            threads=float(spec.threads),
            memory=float(spec.limits.memory or 0),
        )
        # In one call, so that lines of both stay whole.
        line = f"rank {spec.rank} sees {os.environ.get('CUDA_VISIBLE_DEVICES')}\n"
        os.write(1, line.encode())
        return replace(outcome, peak_gpu_memory=(1 + spec.rank) * GIGABYTE)
    if do == "lack memory above 2" and spec.micro_batch <= 2:
        return success(micro_batch=float(spec.micro_batch), limit=spec.limits.seconds or 0.0)
    if do == "lack memory always" and spec.gradient_checkpointing:
        time.sleep(0.2 * spec.rank)
    if do == "train for ever":
        if spec.rank == 0:
            line = '{"epoch": 1.0, "step": 10, "steps": 30, "seconds": 8.0, "f1_macro": 0.25}\n'
            (folder / "partial").write_text(line)
            (folder / "partial").replace(folder / "progress.jsonl")
        time.sleep(120)
    if is_last:
        # Tests look for the other process, which must have said its id before it is ended.
        wait_for(folder / "pid0")
        match do:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "diverge":
                raise TrialError("diverged", "loss is nan")
            case "lack memory for weights":
                raise TrialError("out_of_memory", f"{WEIGHTS_DO_NOT_FIT}: CUDA out of memory")
            case _:
                raise MemoryError("CUDA out of memory")
    if do == "diverge":
        # What a process says whose connection was lost, in the moment in which it is looked for.
        wait_for(folder / "ranks" / "1" / "result.json")
        raise RuntimeError("Connection closed by peer")
    time.sleep(120)
    sys.exit("nobody has ended this process")


def wait_for(path: Path) -> None:
    """Wait until another process has left a file."""
    while not path.exists():
        time.sleep(0.001)
