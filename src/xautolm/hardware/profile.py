"""The machine: cores, clock, memory, GPUs, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from importlib import metadata

import numpy as np
import psutil

from xautolm.errors import UsageError
from xautolm.hardware import bf16_speedup
from xautolm.processes import usable_cores
from xautolm.records import Gpu, SystemProfile
from xautolm.vocabulary import DeviceKind

MATRIX = 768
"""Rows and columns of the matrices that are multiplied: 2.4 MB each."""
REPEATS = 8
"""Products that are timed; the best counts, because other programs can only slow one down."""
MIB = 1024**2
ANSWER_SECONDS = 20
"""Seconds that the driver of the GPUs has to answer."""
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says how many bytes a container may use: its second and its first version of control groups."""


def system_profile(device: str = "auto") -> SystemProfile:
    """Measure this machine; takes some tens of milliseconds the first time.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`.

    Raises:
        UsageError: A device that is not here.
    """
    gpus = _gpus()
    kind = _device(device, gpus)
    _, _, index = device.partition(":")
    if kind == DeviceKind.CUDA and index:
        gpus = (gpus[int(index)],)
    # A container may use fewer cores than the machine has.
    logical_cores = usable_cores()
    physical_cores = min(psutil.cpu_count(logical=False) or 1, logical_cores)
    return SystemProfile(
        physical_cores=physical_cores,
        logical_cores=logical_cores,
        cpu_frequency=_gigahertz(),
        memory=_memory(),
        device=kind,
        gpus=gpus if kind == DeviceKind.CUDA else (),
        gflops=_gflops(),
        bf16_speedup=bf16_speedup() if kind == DeviceKind.CPU else 0.0,
    )


def devices(system: SystemProfile, device: str) -> Sequence[str]:
    """Return the devices that trials are spread over."""
    if system.device != DeviceKind.CUDA:
        return (system.device,)
    if ":" in device:
        return (device,)
    return tuple(f"cuda:{index}" for index in range(len(system.gpus)))


def _device(device: str, gpus: tuple[Gpu, ...]) -> str:
    """Return the kind of device that is meant: `cpu`, `cuda` or `mps`.

    Raises:
        UsageError: There is none, or its name makes no sense.
    """
    if device == "auto":
        return _best_device(gpus)
    kind, _, index = device.partition(":")
    if kind not in set(DeviceKind) or (index and not index.isdecimal()):
        raise UsageError(
            "Unknown device.", got=device, fix="Known: auto, cpu, cuda, cuda:<index>, mps."
        )
    if kind == DeviceKind.CUDA and (len(gpus) <= int(index or 0) or not _torch_has_cuda()):
        lack = "PyTorch was installed without CUDA" if gpus else "no NVIDIA driver answers"
        raise UsageError(
            "There is no such GPU.", got=f"{device}; {lack}", fix="Use --device cpu or auto."
        )
    if kind == DeviceKind.MPS and not _is_apple_silicon():
        raise UsageError("There is no Apple GPU here.", got=device, fix="Use --device cpu or auto.")
    return kind


def _best_device(gpus: tuple[Gpu, ...]) -> str:
    if gpus and _torch_has_cuda():
        return DeviceKind.CUDA
    return DeviceKind.MPS if _is_apple_silicon() else DeviceKind.CPU


def _torch_has_cuda() -> bool:
    """Return whether the installed PyTorch is a CUDA build, by its version: the parent never loads torch."""
    return not metadata.version("torch").endswith("+cpu")


def _is_apple_silicon() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"


@cache
def _gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that the driver knows, in its order."""
    query = "--query-gpu=name,memory.total,compute_cap"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    gpus: list[Gpu] = []
    for line in answer.stdout.splitlines():
        # From the right: a name may hold commas.
        name, mebibytes, capability = line.rsplit(",", 2)
        memory = int(float(mebibytes)) * MIB
        gpus.append(Gpu(name=name.strip(), memory=memory, compute_capability=float(capability)))
    return tuple(gpus)


def _gigahertz() -> float:
    """Return the processor's highest frequency, else its present one; 0 where the system does not say."""
    frequency = psutil.cpu_freq()
    if not frequency:
        return 0.0
    megahertz: float = frequency.max or frequency.current
    return megahertz / 1000


def _memory() -> int:
    """Return main memory in bytes, or what the container may use of it."""
    total: int = psutil.virtual_memory().total
    for path in MEMORY_LIMITS:
        if not os.path.exists(path):
            continue
        with open(path, encoding="ascii") as file:
            limit = file.read().strip()
        # Without a limit the file says `max`.
        if limit.isdecimal():
            return min(total, int(limit))
    return total


@cache
def _gflops() -> float:
    """Return the speed of float32 matrix products, in 10^9 operations per second."""
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), dtype=np.float32)
    # The first product is not timed: whatever the library sets up, it does then.
    matrix @ matrix
    shortest = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        matrix @ matrix
        shortest = min(shortest, time.perf_counter() - start)
    operations = 2 * MATRIX**3
    return operations / shortest / 1e9
