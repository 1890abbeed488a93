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
from xautolm.metafeatures.bf16 import bf16_speedup
from xautolm.processes import usable_cores
from xautolm.records import Gpu, SystemProfile

MATRIX = 768
REPEATS = 8
MIB = 1024**2


def system_profile(device: str = "auto") -> SystemProfile:
    """Measure this machine; takes some tens of milliseconds the first time.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`.

    Raises:
        UsageError: A device that is not here.
    """
    gpus = _gpus()
    chosen = _device(device, gpus)
    if chosen == "cuda" and ":" in device:
        gpus = (gpus[int(device.partition(":")[2])],)
    frequency = psutil.cpu_freq()
    logical = usable_cores()
    return SystemProfile(
        physical_cores=min(psutil.cpu_count(logical=False) or 1, logical),
        logical_cores=logical,
        cpu_frequency=(frequency.max or frequency.current) / 1000 if frequency else 0.0,
        memory=_memory(),
        device=chosen,
        gpus=gpus if chosen == "cuda" else (),
        gflops=_gflops(),
        bf16_speedup=bf16_speedup() if chosen == "cpu" else 0.0,
    )


def _device(wanted: str, gpus: tuple[Gpu, ...]) -> str:
    kind, _, index = wanted.partition(":")
    if wanted == "auto":
        return "cuda" if gpus and _torch_has_cuda() else "mps" if _is_apple_silicon() else "cpu"
    if kind not in {"cpu", "cuda", "mps"} or (index and not index.isdecimal()):
        raise UsageError("Unknown device.", got=wanted, fix="Known: auto, cpu, cuda, cuda:<index>, mps.")
    if kind == "cuda" and (len(gpus) <= int(index or 0) or not _torch_has_cuda()):
        lack = "PyTorch was installed without CUDA" if gpus else "no NVIDIA driver answers"
        raise UsageError("There is no such GPU.", got=f"{wanted}; {lack}", fix="Use --device cpu or auto.")
    if kind == "mps" and not _is_apple_silicon():
        raise UsageError("There is no Apple GPU here.", got=wanted, fix="Use --device cpu or auto.")
    return kind


def _torch_has_cuda() -> bool:
    """Whether the installed PyTorch is a CUDA build, read from its version: the parent never loads torch."""
    return not metadata.version("torch").endswith("+cpu")


def _is_apple_silicon() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"


@cache
def _gpus() -> tuple[Gpu, ...]:
    query = "--query-gpu=name,memory.total,compute_cap"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in answer.stdout.splitlines():
        name, memory, capability = (part.strip() for part in line.rsplit(",", 2))
        found.append(Gpu(name=name, memory=int(float(memory)) * MIB, compute_capability=float(capability)))
    return tuple(found)


def _memory() -> int:
    """Main memory in bytes, or what the container may use of it."""
    total = psutil.virtual_memory().total
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
            if text.isdecimal():
                return min(total, int(text))
    return total


@cache
def _gflops() -> float:
    """Best of some float32 matrix products, in 10^9 operations per second."""
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), dtype=np.float32)
    matrix @ matrix
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return 2 * MATRIX**3 / best / 1e9


def devices(system: SystemProfile, wanted: str) -> Sequence[str]:
    """The devices that trials are spread over."""
    if system.device != "cuda":
        return (system.device,)
    return (wanted,) if ":" in wanted else tuple(f"cuda:{index}" for index in range(len(system.gpus)))
