"""A trial that sees one GPU trains on it alone; of several that it sees, the Trainer would take all."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from tempfile import mkdtemp

from transformers import TrainingArguments

from xautolm.settings import see_only_gpu
from xautolm.testing import FakeGpu, faked_cuda

with faked_cuda(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b")):
    if sys.argv[1] == "one":
        see_only_gpu("GPU-b")
    arguments = TrainingArguments(mkdtemp(), report_to="none")
    print(arguments.n_gpu, arguments.train_batch_size)
"""


@pytest.mark.slow  # it loads the Trainer into a process of its own, whose device can be chosen once
@pytest.mark.parametrize(("sees", "expected"), [("all", "2 16"), ("one", "1 8")])
def test_the_trainer_uses_every_gpu_that_it_sees(sees: str, expected: str) -> None:
    command = [sys.executable, "-c", PROGRAM, sees]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == expected, done.stderr
