"""What trials do in the tests of execution: real processes, fake work."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

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
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(120)
        case "eat":
            hoard = []
            while True:
                hoard.append(bytearray(os.urandom(1024) * 10_240))
                time.sleep(0.02)
    raise AssertionError(spec.configuration.values)
