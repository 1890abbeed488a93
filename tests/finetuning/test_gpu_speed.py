"""What the child measures of a GPU, measured on a processor, and how many kernels it takes a step for."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.launches import Counter
from xautolm.finetuning import gpu_speed
from xautolm.finetuning.gpu_speed import BLOCK_WIDTH, BLOCKS, LAUNCHES_OF_BLOCK, Sizes, measured
from xautolm.records import GpuSpeed
from xautolm.serialization import from_plain
from xautolm.testing import FakeGpu, faked_cuda

SMALL = Sizes(matrix=256, copied=16 * 2**20)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each measurement take hundredths of a second."""
    monkeypatch.setattr(gpu_speed, "SECONDS", 0.03)


def test_a_device_is_measured_plausibly() -> None:
    speed = measured(CPU, SMALL)
    # Between a slow core and the largest machine: 10^8 and 10^14 operations, 10^8 and 10^13 bytes a second.
    for gflops in (speed.fp32_gflops, speed.fp16_gflops, speed.bf16_gflops):
        assert 0.1 < gflops < 1e5
    assert 1e8 < speed.bandwidth < 1e13
    assert 1e-7 < speed.launch_seconds < 1e-2


def test_larger_matrices_and_copies_give_the_same_speeds() -> None:
    speed = measured(CPU, SMALL)
    twice = measured(CPU, Sizes(matrix=512, copied=32 * 2**20))
    # Eight times the operations and twice the bytes: what is told is a speed, not a time. Others use this core, too.
    assert 0.2 < twice.fp32_gflops / speed.fp32_gflops < 5
    assert 0.2 < twice.bandwidth / speed.bandwidth < 5


def test_a_step_of_blocks_launches_as_many_kernels_as_its_time_is_divided_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []

    def counted(run, device: torch.device) -> float:
        counter: TorchDispatchMode = Counter()
        with counter:
            run()
        counts.append(counter.launches)
        return 1.0

    monkeypatch.setattr(gpu_speed, "_shortest", counted)
    measured(CPU, SMALL)
    *_, launches = counts
    assert launches == pytest.approx(BLOCKS * LAUNCHES_OF_BLOCK, rel=0.05)
    assert BLOCK_WIDTH <= 64


def test_the_program_measures_its_one_gpu_in_tf32_and_says_so_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices: list[torch.device] = []
    speed = GpuSpeed(
        fp32_gflops=1.0, fp16_gflops=2.0, bf16_gflops=0.0, bandwidth=3.0, launch_seconds=4.0
    )

    def noted(device: torch.device) -> GpuSpeed:
        devices.append(device)
        assert torch.get_float32_matmul_precision() == "high"
        return speed

    monkeypatch.setattr(gpu_speed, "measured", noted)
    monkeypatch.setattr(sys, "argv", ["gpu_speed", str(os.getppid())])
    try:
        with faked_cuda(FakeGpu(uuid="GPU-a")):
            gpu_speed.main()
    finally:
        torch.set_float32_matmul_precision("highest")
    assert devices == [torch.device("cuda:0")]
    plain = json.loads(capsys.readouterr().out)
    assert plain == asdict(speed) and from_plain(GpuSpeed, plain) == speed


def test_the_last_line_of_a_program_that_fails_is_what_cuda_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(device: torch.device) -> GpuSpeed:
        raise RuntimeError(
            "CUDA error: no kernel image is available\nCompile with `TORCH_USE_CUDA_DSA`"
        )

    monkeypatch.setattr(gpu_speed, "measured", fail)
    monkeypatch.setattr(sys, "argv", ["gpu_speed", str(os.getppid())])
    try:
        with faked_cuda(FakeGpu(uuid="GPU-a")), pytest.raises(SystemExit) as caught:
            gpu_speed.main()
    finally:
        torch.set_float32_matmul_precision("highest")
    assert caught.value.code == "RuntimeError: CUDA error: no kernel image is available"
