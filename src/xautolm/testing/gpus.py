"""A machine with GPUs that does not exist: the library of NVIDIA's driver, and CUDA as torch shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import cast
from unittest.mock import patch

from xautolm.hardware import UnusableGpuError
from xautolm.notices import warn_once
from xautolm.records import GpuSpeed
from xautolm.settings import GPUS_VARIABLE

GB = 10**9
NOT_SUPPORTED, NOT_FOUND, NOT_LOADED, NO_LIBRARY, IS_LOST = 3, 6, 9, 12, 15
"""Numbers of NVML's errors."""
VERSION = "580.95.05"
"""Of the driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeGpu:
    """Describe a GPU, or a slice of one, that does not exist."""

    uuid: str
    """`GPU-...`, or `MIG-...` for a slice."""
    name: str = "NVIDIA H100"
    memory: int = 80 * GB
    """In bytes; 0 for one that shares the processor's memory."""
    taken: int = 0
    """Bytes that other processes hold."""
    capability: tuple[int, int] = (9, 0)
    slices: tuple[FakeGpu, ...] | None = None
    """Of a GPU that is divided; None for one that is not."""
    is_lost: bool = False
    """Whether the driver counts it, but it does not answer."""
    speed: GpuSpeed | None = None
    """What is measured of it; None where that fails."""
    obstacle: str = ""
    """What CUDA says that does not work on it; nothing where it works."""


class FakeNvmlError(Exception):
    """An error of NVML, by its number."""

    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class FakeNvml:
    """Answer as the module `pynvml` does on a machine with some GPUs.

    Args:
        gpus: In the order of the bus.
        cuda: The newest version of CUDA that the driver runs, as NVML writes it: 13,000 for 13.0.
        error: NVML's number of what keeps its library from being opened; 0 for nothing.
    """

    NVMLError = FakeNvmlError
    NVML_ERROR_NOT_SUPPORTED = NOT_SUPPORTED
    NVML_ERROR_DRIVER_NOT_LOADED = NOT_LOADED
    NVML_ERROR_LIBRARY_NOT_FOUND = NO_LIBRARY
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, gpus: Sequence[FakeGpu], cuda: int, error: int = 0) -> None:
        self.gpus = tuple(gpus)
        self.cuda = cuda
        self.error = error

    def nvmlInit(self) -> None:
        """Open the library.

        Raises:
            FakeNvmlError: It cannot be opened.
        """
        if self.error:
            raise FakeNvmlError(self.error)

    def nvmlShutdown(self) -> None:
        """Close the library."""

    def nvmlSystemGetDriverVersion(self) -> str:
        """Return the version of the driver itself."""
        return VERSION

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        """Return the newest version of CUDA."""
        return self.cuda

    def nvmlDeviceGetCount(self) -> int:
        """Return how many GPUs there are, divided or not."""
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        """Return what stands for a GPU.

        Raises:
            FakeNvmlError: It is lost.
        """
        gpu = self.gpus[index]
        if gpu.is_lost:
            raise FakeNvmlError(IS_LOST)
        return gpu

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:
        """Return major and minor version; slices have none.

        Raises:
            FakeNvmlError: For a slice.
        """
        if gpu.uuid.startswith("MIG-"):
            raise FakeNvmlError(NOT_SUPPORTED)
        return gpu.capability

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> tuple[int, int]:
        """Return whether it is divided, now and after a restart.

        Raises:
            FakeNvmlError: It cannot be divided.
        """
        if gpu.slices is None:
            raise FakeNvmlError(NOT_SUPPORTED)
        return 1, 1

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:
        """Return how many slices there could be, more than there are."""
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, number: int) -> FakeGpu:
        """Return a slice; they have odd numbers here.

        Raises:
            FakeNvmlError: None has this number.
        """
        slices = gpu.slices or ()
        place, remainder = divmod(number, 2)
        if remainder == 0 or place >= len(slices):
            raise FakeNvmlError(NOT_FOUND)
        return slices[place]

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        """Return the name."""
        return gpu.name

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        """Return the UUID."""
        return gpu.uuid

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> SimpleNamespace:
        """Return total and free bytes.

        Raises:
            FakeNvmlError: It has no memory of its own.
        """
        if gpu.memory == 0:
            raise FakeNvmlError(NOT_SUPPORTED)
        return SimpleNamespace(total=gpu.memory, free=gpu.memory - gpu.taken)


@contextmanager
def faked_driver(
    *gpus: FakeGpu,
    cuda: int = 13_000,
    torch_cuda: str = "13.0",
    visible: str | None = None,
    error: int = 0,
) -> Iterator[FakeNvml]:
    """Let this process find a driver with GPUs, and a PyTorch for CUDA; nothing can be computed on them.

    Args:
        *gpus: In the order of the bus.
        cuda: The newest version of CUDA that the driver runs.
        torch_cuda: The version that PyTorch was built for; empty without.
        visible: `CUDA_VISIBLE_DEVICES`; None where it is not set.
        error: NVML's number of what keeps its library from being opened; 0 for nothing.

    Example:
        >>> from xautolm.hardware import system_profile
        >>> with faked_driver(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b")):
        ...     len(system_profile().gpus)
        2
    """
    nvml = FakeNvml(gpus, cuda, error)
    # Of this machine nothing was said yet.
    warn_once.cache_clear()
    with ExitStack() as patches:
        patches.enter_context(_module_replaced("pynvml", nvml))
        for module in ("gpus", "profile"):
            name = f"xautolm.hardware.{module}.torch_cuda"
            patches.enter_context(patch(name, lambda: torch_cuda))
        # No child could measure what does not exist.
        measure = "xautolm.hardware.gpu_speed.gpu_speed"
        patches.enter_context(patch(measure, _measuring(gpus)))
        patches.enter_context(patch.dict(os.environ))
        os.environ.pop(GPUS_VARIABLE, None)
        if visible is not None:
            os.environ[GPUS_VARIABLE] = visible
        yield nvml


def _measuring(gpus: Sequence[FakeGpu]) -> Callable[[str, str, str], GpuSpeed | None]:
    """Return what stands for the child that measures GPUs and their slices."""
    cards: dict[str, FakeGpu] = {}
    for gpu in gpus:
        for card in (gpu, *(gpu.slices or ())):
            cards[card.uuid] = card

    def measure(name: str, uuid: str, driver: str) -> GpuSpeed | None:
        card = cards[uuid]
        if card.obstacle:
            raise UnusableGpuError(card.obstacle)
        return card.speed

    return measure


@contextmanager
def _module_replaced(name: str, substitute: object) -> Iterator[None]:
    """Let a module be another; what is imported meanwhile stays, as `patch.dict` would not have it."""
    own = sys.modules.get(name)
    sys.modules[name] = cast("ModuleType", substitute)
    try:
        yield
    finally:
        del sys.modules[name]
        if own is not None:
            sys.modules[name] = own


class FakeCuda:
    """Answer as `torch.cuda` does in a process that sees some GPUs, and note what is asked of it.

    Args:
        gpus: Those of the machine; which of them are seen, `CUDA_VISIBLE_DEVICES` says when CUDA starts.
        peak: Bytes that were reserved at most.
    """

    def __init__(self, gpus: Sequence[FakeGpu], peak: int = 0) -> None:
        self.gpus = tuple(gpus)
        self.peak = peak
        self.started_with: list[FakeGpu] | None = None
        """The GPUs that were seen when CUDA started; None before."""
        self.memory_share: float | None = None
        """Share of the GPU's memory that torch was held to."""

    def seen(self) -> list[FakeGpu]:
        """Return the GPUs of this process: once CUDA has started, the variable is not read again."""
        if self.started_with is not None:
            return self.started_with
        setting = os.environ.get(GPUS_VARIABLE)
        if setting is None:
            return list(self.gpus)
        names = setting.split(",")
        return [gpu for gpu in self.gpus if gpu.uuid in names]

    def is_available(self) -> bool:
        """Return whether there is a GPU."""
        return bool(self.seen())

    def is_initialized(self) -> bool:
        """Return whether CUDA has started."""
        return self.started_with is not None

    def device_count(self) -> int:
        """Return how many GPUs are seen."""
        return len(self.seen())

    def set_device(self, device: object) -> None:
        """Start CUDA.

        Raises:
            RuntimeError: No GPU has this index.
        """
        self.started_with = self.seen()
        self._at(device)

    def get_device_capability(self, device: object = None) -> tuple[int, int]:
        """Return the compute capability of a GPU, and start CUDA."""
        self.started_with = self.seen()
        return self._at(device).capability

    def get_device_properties(self, device: object) -> SimpleNamespace:
        """Return the total memory of a GPU, and start CUDA."""
        self.started_with = self.seen()
        return SimpleNamespace(total_memory=self._at(device).memory)

    def set_per_process_memory_fraction(self, share: float) -> None:
        """Note the share."""
        self.memory_share = share

    def empty_cache(self) -> None:
        """Give back unused memory, of which there is none."""

    def max_memory_reserved(self) -> int:
        """Return the peak."""
        return self.peak

    def _at(self, device: object) -> FakeGpu:
        _, _, index = str(device or "cuda:0").partition(":")
        gpus = self.seen()
        if int(index or 0) >= len(gpus):
            raise RuntimeError("CUDA error: invalid device ordinal")
        return gpus[int(index or 0)]


@contextmanager
def faked_cuda(*gpus: FakeGpu, peak: int = 0) -> Iterator[FakeCuda]:
    """Let torch say that this process sees GPUs; nothing can be computed on them.

    Args:
        *gpus: Those of the machine.
        peak: Bytes that were reserved at most.
    """
    import torch

    cuda = FakeCuda(gpus, peak)
    names = [name for name in vars(FakeCuda) if not name.startswith("_") and name != "seen"]
    with ExitStack() as patches:
        for name in names:
            patches.enter_context(patch.object(torch.cuda, name, getattr(cuda, name)))
        patches.enter_context(patch.dict(os.environ))
        yield cuda
