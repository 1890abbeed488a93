"""The command line on a machine with two GPUs that do not exist: `python -m tests.faked_gpus models list`."""

from __future__ import annotations

import os

from xautolm.cli import main
from xautolm.settings import GPUS_VARIABLE
from xautolm.testing import FakeGpu, faked_driver

GPUS = (FakeGpu(uuid="GPU-0"), FakeGpu(uuid="GPU-1"))

if __name__ == "__main__":
    with faked_driver(*GPUS, visible=os.environ.get(GPUS_VARIABLE)):
        main()
