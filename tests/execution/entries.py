"""What trials do in the tests of execution: real processes, fake work."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import psutil

from xautolm import trial_folder
from xautolm.errors import TrialError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.testing import success


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Does what the configuration says."""
    (folder / "pid").write_text(str(os.getpid()))
    print("working")
    print("a last line", file=sys.stderr)
    match spec.configuration.values["do"]:
        case "succeed":
            return success(seconds=0.5, f1_macro=0.5)
        case "diverge":
            raise TrialError("diverged", "loss is nan")
        case "crash":
            raise ValueError("no\nsuch thing")
        case "memory error":
            raise MemoryError("not enough")
        case "cuda":
            raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminated" | "hung up" | "bus error" as end:
            number = {
                "terminated": signal.SIGTERM,
                "hung up": signal.SIGHUP,
                "bus error": signal.SIGBUS,
            }[end]
            os.kill(os.getpid(), number)
        case "not a number":
            return success(seconds=0.5, f1_macro=float("nan"))
        case "endless":
            return success(seconds=float("inf"), f1_macro=0.5)
        case "full at the end":
            trial_folder.write_json = fail_for_the_disk
            return success(seconds=0.5, f1_macro=0.5)
        case "garbage":
            (folder / "result.json").write_text('{"status": "compl')
            os._exit(0)
        case "disk full":
            raise OSError(errno.ENOSPC, "No space left on device")
        case "exit":
            os._exit(3)
        case "print":
            for _ in range(200):
                os.write(1, b"x" * 100_000)
            os.write(1, b"the last words")
            return success(seconds=0.5, f1_macro=0.5)
        case "print for ever":
            while True:
                os.write(1, b"x" * 100_000)
                os.write(2, b"y" * 100_000)
        case "litter":
            litter = folder / "cache" / "deep"
            litter.mkdir(parents=True)
            for number in range(3):
                (litter / f"large{number}").write_bytes(bytes(12_000_000))
            (folder / "small").write_text("kept")
            return success(seconds=0.5, f1_macro=0.5)
        case "litter for ever":
            with (folder / "litter").open("wb") as file:
                while True:
                    file.write(bytes(1_000_000))
                    file.flush()
        case "name its program":
            return success(
                is_worker=float("execution.worker" in " ".join(psutil.Process().cmdline()))
            )
        case "say whether late is loaded":
            return success(is_loaded=float("late" in sys.modules))
        case "import what starts CUDA":
            adapters = sys.modules["adapters"]
            was_imported = adapters.bitsandbytes is not None or "bitsandbytes" in sys.modules
            can_be_imported = import_module("bitsandbytes") is not None
            return success(
                was_imported=float(was_imported),
                is_installed=float(adapters.is_installed),
                can_be_imported=float(can_be_imported),
            )
        case "say which GPU it sees":
            own = os.environ.get("CUDA_VISIBLE_DEVICES") == "GPU-own"
            return success(sees_its_own=float(own))
        case "fill the GPU":
            import_module("torch")
            raise MemoryError("CUDA out of memory")
        case "train for ever":
            lines = '{"epoch": 1.0, "step": 10, "steps": 30, "seconds": 8.0, "f1_macro": 0.25}\n'
            (folder / "partial").write_text(lines)
            (folder / "partial").replace(folder / "progress.jsonl")
            time.sleep(120)
        case "sleep":
            time.sleep(120)
        case "family":
            start_family(folder)
            time.sleep(120)
        case "leave a family behind":
            start_family(folder)
            return success(seconds=0.5, f1_macro=0.5)
        case "map weights":
            package = find_spec("torch")
            library = Path(package.origin).parent / "lib" / "libtorch_cpu.so"
            with library.open("rb") as file:
                weights = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            # One byte of each page is enough to hold it in memory.
            bytes(weights[:: mmap.PAGESIZE])
            time.sleep(1.0)
            return success(seconds=0.5, f1_macro=0.5)
        case "eat":
            hoard = []
            while True:
                hoard.append(bytearray(os.urandom(1024) * 10_240))
                time.sleep(0.02)
    raise AssertionError(spec.configuration.values)


def fail_for_the_disk(path: Path, value: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


FAMILY = 5
"""Processes that a trial with a family has started."""


def start_family(folder: Path) -> None:
    """Start processes in all the ways in which a trial's children could outlive it; their ids go to `family`.

    A child in the trial's own group; one in a session of its own; a fork in a session of its own, with a child in
    another; and one that has parted from its parent as services do.
    """
    sleep = [sys.executable, "-c", "import time; time.sleep(120)"]
    pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
    reader, writer = os.pipe()
    fork = os.fork()
    if fork == 0:
        os.setsid()
        grandchild = subprocess.Popen(sleep, start_new_session=True).pid
        os.write(writer, f"{os.getpid()} {grandchild}\n".encode())
        time.sleep(120)
        os._exit(0)
    pids += map(int, os.read(reader, 100).split())
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, f"{os.getpid()}\n".encode())
            time.sleep(120)
        os._exit(0)
    os.waitpid(middle, 0)
    pids.append(int(os.read(reader, 100)))
    assert len(pids) == FAMILY and all(psutil.pid_exists(pid) for pid in pids)
    partial = folder / "family.partial"
    partial.write_text(" ".join(map(str, pids)))
    partial.replace(folder / "family")
