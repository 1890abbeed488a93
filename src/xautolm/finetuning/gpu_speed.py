"""A program that measures how fast a GPU computes, copies and launches kernels: the fields of `GpuSpeed` go out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from xautolm.finetuning.precision import gpu_computes_in_bf16, set_up_gpu
from xautolm.processes import end_with_parent
from xautolm.records import GpuSpeed
from xautolm.serialization import to_plain
from xautolm.vocabulary import DeviceKind

SECONDS = 0.2
"""For each of the five measurements at most, after the first run of each."""
BLOCKS = 32
"""Linear layers, each with an activation, whose training step tells what a launch takes."""
BLOCK_WIDTH = 64
"""So narrow that a GPU computes each kernel while the next one is prepared."""
LAUNCHES_OF_BLOCK = 6
"""Kernels of a step for each block: the product with its bias, the activation; backward the activation, two products,
and the sum over the bias. The first block needs no gradient of its input, and the loss takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Hold how much is computed and copied at once."""

    matrix: int
    """Rows and columns of the matrices that are multiplied."""
    copied: int
    """Bytes."""


FULL = Sizes(matrix=4096, copied=256 * 2**20)
"""Large enough for the largest GPU: a product takes 0.2 ms at 600 TFLOPS, and the copy leaves every cache behind."""


def measured(device: torch.device, sizes: Sizes = FULL) -> GpuSpeed:
    """Return how fast a device is, as trials use it: in TF32 where they do."""
    in_bf16 = True
    if device.type == DeviceKind.CUDA:
        in_bf16 = gpu_computes_in_bf16(str(device))
    bf16 = _gflops(device, sizes, torch.bfloat16) if in_bf16 else 0.0
    return GpuSpeed(
        fp32_gflops=_gflops(device, sizes, torch.float32),
        fp16_gflops=_gflops(device, sizes, torch.float16),
        bf16_gflops=bf16,
        bandwidth=_bandwidth(device, sizes),
        launch_seconds=_launch_seconds(device),
    )


def _gflops(device: torch.device, sizes: Sizes, number_format: torch.dtype) -> float:
    """Return the speed of products of large matrices, in 10^9 operations per second."""
    shape = (sizes.matrix, sizes.matrix)
    # Of random numbers: a GPU draws less power, and clocks higher, on zeros.
    first = torch.randn(shape, device=device).to(number_format)
    second = torch.randn(shape, device=device).to(number_format)
    product = torch.empty(shape, device=device, dtype=number_format)

    def multiply() -> None:
        torch.mm(first, second, out=product)

    operations = 2 * sizes.matrix**3
    return operations / _shortest(multiply, device) / 1e9


def _bandwidth(device: torch.device, sizes: Sizes) -> float:
    """Return the bytes that are read and written in a second."""
    source = torch.zeros(sizes.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)

    # Each byte is read once and written once.
    return 2 * sizes.copied / _shortest(copy, device)


def _launch_seconds(device: torch.device) -> float:
    """Return the time of a kernel that is too small to matter, in a training step: Python, autograd and the driver."""
    blocks: list[torch.nn.Module] = []
    for _ in range(BLOCKS):
        blocks += [torch.nn.Linear(BLOCK_WIDTH, BLOCK_WIDTH), torch.nn.GELU()]
    model = torch.nn.Sequential(*blocks).to(device)
    numbers = torch.zeros(BLOCK_WIDTH, BLOCK_WIDTH, device=device)

    def step() -> None:
        model(numbers).sum().backward()
        model.zero_grad()

    launches = BLOCKS * LAUNCHES_OF_BLOCK
    return _shortest(step, device) / launches


def _shortest(run: Callable[[], None], device: torch.device) -> float:
    """Return the shortest time of a function's runs, in seconds: what else the machine does lengthens single ones."""
    # The first run chooses kernels and allocates.
    run()
    shortest = float("inf")
    deadline = time.perf_counter() + SECONDS
    while time.perf_counter() < deadline:
        _wait_for(device)
        started = time.perf_counter()
        run()
        _wait_for(device)
        shortest = min(shortest, time.perf_counter() - started)
    return shortest


def _wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what was launched."""
    if device.type == DeviceKind.CUDA:
        torch.cuda.synchronize(device)


def main() -> None:
    """Measure the one GPU that is seen; the argument is the parent's process id."""
    end_with_parent(int(sys.argv[1]))
    device = torch.device(DeviceKind.CUDA, 0)
    try:
        set_up_gpu(str(device))
        speed = measured(device)
    except Exception as error:
        # The parent repeats the last line, and torch puts lines of advice below what CUDA says.
        first_line = str(error).split("\n")[0]
        sys.exit(f"{type(error).__name__}: {first_line}")
    json.dump(to_plain(speed), sys.stdout)


if __name__ == "__main__":
    main()
