"""The machine: cores, clock, memory, GPUs, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from functools import cache

import numpy as np
import psutil

from xautolm.errors import UsageError
from xautolm.hardware.bf16 import bf16_speedup
from xautolm.hardware.gpu_speed import measured_cards
from xautolm.hardware.gpus import (
    Card,
    Driver,
    are_hidden,
    is_too_old,
    read_driver,
    torch_cuda,
    visible_cards,
    worth_using,
)
from xautolm.notices import warn_once
from xautolm.processes import usable_cores
from xautolm.records import Place, SystemProfile
from xautolm.settings import visible_gpus
from xautolm.vocabulary import DeviceKind

MATRIX = 512
"""Rows and columns of the matrices that are multiplied. A product takes about as long as the system lets a program run
before another has its turn: with 768, a processor that three programs shared seemed to have 63 GFLOPS, with 512 it has
152."""
MEASURING_SECONDS = 0.1
"""How long products are timed; the best counts, because other programs can only slow one down."""
AUTO = "auto"
"""Asks for the fastest device that there is."""
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says how many bytes a container may use: its second and its first version of control groups."""


def system_profile(device: str = "auto") -> SystemProfile:
    """Measure this machine; takes some tens of milliseconds the first time.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`.

    Raises:
        UsageError: A device that is not here.
    """
    return _profile_with(worth_using(_candidates(device)), device)


def trial_places(device: str = "auto") -> tuple[Place, ...]:
    """Return where trials may run at the same time: each GPU that is worth using, else the one device that there is.

    Args:
        device: As that of `system_profile`.

    Raises:
        UsageError: A device that is not here.
    """
    return _places_on(worth_using(_candidates(device)), device)


def measured_machine(device: str = "auto") -> tuple[SystemProfile, tuple[Place, ...]]:
    """Measure this machine and its GPUs for trials; a new kind of GPU takes some seconds, once.

    Args:
        device: As that of `system_profile`.

    Returns:
        The profile, with the speeds of GPUs, and where trials may run: as `system_profile` and `trial_places` say, but
        for GPUs on which CUDA does not work.

    Raises:
        UsageError: A device that is not here, or that does not work.
    """
    measured = measured_cards(_candidates(device))
    for uuid, obstacle in measured.obstacles.items():
        if measured.cards:
            warn_once(f"{uuid} is left out, because CUDA does not work on it: {obstacle}")
    if measured.obstacles and not measured.cards:
        # Cards of a name often say the same.
        obstacles = dict.fromkeys(measured.obstacles.values())
        _do_without_gpus(device, f"CUDA does not work on {'; '.join(obstacles)}")
    return _profile_with(measured.cards, device), _places_on(measured.cards, device)


def _profile_with(cards: Sequence[Card], device: str) -> SystemProfile:
    """Return the profile of this machine.

    Args:
        cards: The GPUs that trials are spread over.
        device: As that of `system_profile`.
    """
    # A container may use fewer cores than the machine has.
    logical_cores = usable_cores()
    physical_cores = min(psutil.cpu_count(logical=False) or 1, logical_cores)
    kind = DeviceKind.CUDA.value if cards else _kind_without_gpu(device)
    return SystemProfile(
        physical_cores=physical_cores,
        logical_cores=logical_cores,
        cpu_frequency=_gigahertz(),
        memory=_memory(),
        device=kind,
        gpus=tuple(card.gpu for card in cards),
        gflops=_gflops(),
        bf16_speedup=bf16_speedup() if kind == DeviceKind.CPU else 0.0,
    )


def _places_on(cards: Sequence[Card], device: str) -> tuple[Place, ...]:
    """Return where trials may run at the same time.

    Args:
        cards: The GPUs that trials are spread over.
        device: As that of `system_profile`.
    """
    places = []
    for card in cards:
        # Of the one GPU that a trial's process sees, the index is 0.
        place = Place(device=f"{DeviceKind.CUDA}:0", gpu=card.uuid, free_memory=card.free_memory)
        places.append(place)
    if not places:
        places.append(Place(device=_kind_without_gpu(device)))
    return tuple(places)


def _candidates(device: str) -> tuple[Card, ...]:
    """Return the GPUs that trials may be spread over, as far as the driver can say; none where they run elsewhere.

    Args:
        device: As that of `system_profile`.

    Raises:
        UsageError: A GPU that is not here, or no name of a device.
    """
    kind, _, index = device.partition(":")
    is_known = device == AUTO or kind in set(DeviceKind)
    if not is_known or (index and not index.isdecimal()):
        raise UsageError(
            "Unknown device.", got=device, fix="Known: auto, cpu, cuda, cuda:<index>, mps."
        )
    if kind not in (AUTO, DeviceKind.CUDA):
        return ()
    driver = read_driver()
    cards = visible_cards(driver, are_counted=bool(index))
    obstacle = _obstacle(driver, cards)
    if kind == AUTO and obstacle and (not driver.cards or are_hidden()):
        # A machine without GPUs is the usual one, and no trouble; GPUs that lie idle are.
        return ()
    if not obstacle and int(index or 0) >= len(cards):
        obstacle = f"there are {len(cards)}, counted from 0"
    if obstacle:
        _do_without_gpus(device, obstacle)
        return ()
    return (cards[int(index)],) if index else cards


def _do_without_gpus(device: str, obstacle: str) -> None:
    """Warn of GPUs that are not used, or refuse to go on where one was asked for.

    Args:
        device: As that of `system_profile`.
        obstacle: Why none can be used.

    Raises:
        UsageError: Not every device will do.
    """
    if device != AUTO:
        raise UsageError(
            "There is no such GPU.", got=f"{device}; {obstacle}", fix="Use --device cpu or auto."
        )
    warn_once(f"the GPUs of this machine are not used: {obstacle}")


def _obstacle(driver: Driver, cards: Sequence[Card]) -> str:
    """Return why trials cannot run on a GPU of NVIDIA here; nothing if they can.

    Args:
        driver: What the driver says.
        cards: The GPUs that this process may see.
    """
    if not driver.cards:
        return "; ".join(driver.troubles) or "no NVIDIA driver answers, or it knows no GPU"
    if not torch_cuda():
        return "PyTorch was installed without CUDA"
    if is_too_old(driver):
        newest = f"{driver.cuda // 1000}.{driver.cuda % 1000 // 10}"
        return (
            f"the driver runs CUDA {newest} at most, and PyTorch was built for {torch_cuda()}: "
            "update the driver, or install a PyTorch for its version"
        )
    if not cards:
        return f"CUDA_VISIBLE_DEVICES={visible_gpus()!r} leaves none of {len(driver.cards)}"
    return ""


def _kind_without_gpu(device: str) -> str:
    """Return the kind of device that is meant where it is no GPU of NVIDIA.

    Raises:
        UsageError: There is none.
    """
    kind, _, _ = device.partition(":")
    if kind == AUTO:
        return DeviceKind.MPS.value if _is_apple_silicon() else DeviceKind.CPU.value
    if kind == DeviceKind.MPS and not _is_apple_silicon():
        raise UsageError("There is no Apple GPU here.", got=device, fix="Use --device cpu or auto.")
    return kind


def _is_apple_silicon() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"


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
    end = time.perf_counter() + MEASURING_SECONDS
    start = 0.0
    while start < end:
        start = time.perf_counter()
        matrix @ matrix
        shortest = min(shortest, time.perf_counter() - start)
    operations = 2 * MATRIX**3
    return operations / shortest / 1e9
