"""What the server of trials loads before the first of them, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

from xautolm.session import PRELOAD, PRELOAD_LATER

PROGRAM = """
import sys

from xautolm.execution.forkserver import load

for stage in (sys.argv[1], sys.argv[2]):
    load(stage.split())
    print(*sys.modules)
"""
NEEDED_BY_PROBES = {
    "torch",
    "transformers.modeling_utils",
    "datasets",
    "sklearn.linear_model",
    "sklearn.metrics",
}
NEEDED_BY_TRAININGS = {"transformers.trainer", "peft"}


def test_first_trials_do_not_wait_for_what_only_trainings_need() -> None:
    command = [sys.executable, "-c", PROGRAM, " ".join(PRELOAD), " ".join(PRELOAD_LATER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, later = (set(line.split()) for line in done.stdout.splitlines())
    assert first >= NEEDED_BY_PROBES
    assert not first & NEEDED_BY_TRAININGS
    assert later >= NEEDED_BY_TRAININGS
    # A training of one process has nothing to do with others.
    assert "xautolm.finetuning.divided" not in later
    # Its import starts CUDA where there is a GPU, and then no trial could be forked.
    assert "bitsandbytes" not in later
