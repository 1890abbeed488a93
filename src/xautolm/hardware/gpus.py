"""The GPUs that trials may run on, as the library of NVIDIA's driver (NVML) sees them: asking it starts no CUDA.

A process that has asked CUDA itself keeps some hundred megabytes of a GPU, and what it forks cannot use any.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import psutil

from xautolm.hardware.measuring import NO_ANSWER, answer_of
from xautolm.notices import warn_once
from xautolm.processes import usable_cores
from xautolm.records import Gpu
from xautolm.settings import child_environment, gpus_count_by_bus, visible_gpus

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Share of the largest free memory of a GPU that another must have free to be used beside it: the least of them decides
what every trial may be. A card for a display, or one that another process fills, would make all of them small."""
PROGRAM = "xautolm.finetuning.cuda_order"
NO_GPU = "-1"
"""An index that people write into CUDA_VISIBLE_DEVICES so that nothing is seen."""
HIDING = frozenset({"", NO_GPU, "NoDevFiles"})
"""Values of CUDA_VISIBLE_DEVICES that mean no GPU; the last is that of Slurm, in a job that asked for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Hold a GPU, or a slice of one (MIG), as the driver describes it."""

    gpu: Gpu
    uuid: str
    """By which `CUDA_VISIBLE_DEVICES` names it: `GPU-...` or `MIG-...`."""
    free_memory: int
    """Bytes that no process has taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Hold what the driver says of this machine."""

    places: tuple[tuple[Card, ...], ...] = ()
    """For each GPU, in the order of the bus: itself or its slices; nothing for one that does not answer."""
    version: str = ""
    """Of itself, such as `580.95.05`."""
    cuda: int = 0
    """The newest version of CUDA that it runs, 1,000 times the major and 10 times the minor; 0 without a driver."""
    troubles: tuple[str, ...] = ()
    """Why it, or GPUs that it counts, cannot be asked or used."""

    @property
    def cards(self) -> tuple[Card, ...]:
        """Return all GPUs and slices."""
        cards: list[Card] = []
        for cards_of_place in self.places:
            cards.extend(cards_of_place)
        return tuple(cards)


def read_driver() -> Driver:
    """Ask the driver, which answers in milliseconds, and warn of what keeps GPUs from being used."""
    try:
        import pynvml
    except ImportError:
        # It is no dependency where NVIDIA has no drivers.
        return Driver()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _without_answer(pynvml, error)
    try:
        driver = _described(pynvml)
    except pynvml.NVMLError as error:
        return _without_answer(pynvml, error)
    finally:
        pynvml.nvmlShutdown()
    for trouble in driver.troubles:
        warn_once(trouble)
    return driver


def _without_answer(nvml: ModuleType, error: Exception) -> Driver:
    """Return what is known of a driver that does not answer at all."""
    trouble = f"the driver of the GPUs does not answer, and none is used: {error}"
    # Machines without GPUs may have parts of a driver; one that was updated without a restart is no such machine.
    usual = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
    if getattr(error, "value", None) not in usual:
        warn_once(trouble)
    return Driver(troubles=(trouble,))


def _described(nvml: ModuleType) -> Driver:
    """Return what the driver says.

    Raises:
        NVMLError: It does not answer.
    """
    version = nvml.nvmlSystemGetDriverVersion()
    cuda = nvml.nvmlSystemGetCudaDriverVersion()
    places = []
    troubles = []
    for index in range(nvml.nvmlDeviceGetCount()):
        cards: tuple[Card, ...] = ()
        try:
            cards = _cards_at(nvml, index)
        except nvml.NVMLError as error:
            troubles.append(f"GPU {index} does not answer and is left out: {error}")
        else:
            if not cards:
                troubles.append(f"GPU {index} is to be divided (MIG), but has no slice to run on")
        places.append(cards)
    return Driver(places=tuple(places), version=version, cuda=cuda, troubles=tuple(troubles))


def _cards_at(nvml: ModuleType, index: int) -> tuple[Card, ...]:
    """Return a GPU, or its slices if it is divided, which may have none.

    Raises:
        NVMLError: It does not answer, as one that was lost.
    """
    whole = nvml.nvmlDeviceGetHandleByIndex(index)
    # Only the whole has a compute capability.
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(whole)
    capability = float(f"{major}.{minor}")
    handles = _slices(nvml, whole)
    if handles is None:
        handles = [whole]
    cards = [_card(nvml, handle, capability) for handle in handles]
    return tuple(cards)


def _slices(nvml: ModuleType, whole: object) -> list[object] | None:
    """Return the slices of a GPU; None for one that is not divided."""
    try:
        mode, _ = nvml.nvmlDeviceGetMigMode(whole)
    except nvml.NVMLError:
        # Most GPUs cannot be divided.
        return None
    if mode != nvml.NVML_DEVICE_MIG_ENABLE:
        return None
    slices = []
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(whole)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole, number)
        except nvml.NVMLError:
            # A number without a slice: they are not in a row.
            continue
        slices.append(part)
    return slices


def _card(nvml: ModuleType, handle: object, capability: float) -> Card:
    total_memory, free_memory = _memory(nvml, handle)
    gpu = Gpu(
        name=nvml.nvmlDeviceGetName(handle), memory=total_memory, compute_capability=capability
    )
    return Card(gpu=gpu, uuid=nvml.nvmlDeviceGetUUID(handle), free_memory=free_memory)


def _memory(nvml: ModuleType, handle: object) -> tuple[int, int]:
    """Return the whole and the free memory of a GPU, in bytes."""
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_NOT_SUPPORTED:
            raise
        # It has none of its own, but shares the processor's, as on DGX Spark and Jetson.
        shared_memory = psutil.virtual_memory()
        return shared_memory.total, shared_memory.available
    return int(memory.total), int(memory.free)


def visible_cards(driver: Driver, *, are_counted: bool = False) -> tuple[Card, ...]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` leaves to this process, in its order; without it, all.

    As CUDA reads it: names are cut at the first that means nothing, or stands there twice.

    Args:
        driver: What the driver says.
        are_counted: Whether an index is to name one of them. Only then are all of them in the order of CUDA.
    """
    setting = visible_gpus()
    if setting is None:
        return _in_order_of_cuda(driver).cards if are_counted else driver.cards
    names = [name.strip() for name in setting.split(",")]
    # UUIDs mean the same in any order, which a child may have to load torch for.
    if any(name.isdecimal() for name in names):
        driver = _in_order_of_cuda(driver)
    cards: list[Card] = []
    for name in names:
        card = _named(name, driver)
        if card is None or card in cards:
            break
        cards.append(card)
    return tuple(cards)


def are_hidden() -> bool:
    """Return whether `CUDA_VISIBLE_DEVICES` is there to hide all GPUs, and not to name one that there is not."""
    setting = visible_gpus()
    return setting is not None and setting.strip() in HIDING


def _named(name: str, driver: Driver) -> Card | None:
    """Return the GPU that a part of `CUDA_VISIBLE_DEVICES` means; None if it means none.

    Args:
        name: An index, or the beginning of a UUID.
        driver: What the driver says; for an index, in the order in which CUDA counts.
    """
    if name.isdecimal():
        index = int(name)
        if index >= len(driver.places) or not driver.places[index]:
            return None
        # Of a GPU in slices, CUDA takes the first.
        return driver.places[index][0]
    if not name or name == NO_GPU:
        return None
    matching = [card for card in driver.cards if card.uuid.startswith(name)]
    # The beginning of several means none of them.
    if len(matching) != 1:
        return None
    return matching[0]


def _in_order_of_cuda(driver: Driver) -> Driver:
    """Return the GPUs in the order of CUDA's indices: the fastest first, unless it is told to count along the bus."""
    answering = [cards for cards in driver.places if cards]
    names = {card.gpu.name for card in driver.cards}
    # Which of different cards is the fastest is CUDA's own secret; slices of one may differ, and need no order.
    if gpus_count_by_bus() or len(answering) < 2 or len(names) < 2:
        return driver
    order = _uuids_of_cuda()

    def rank(cards: tuple[Card, ...]) -> int:
        for card in cards:
            if card.uuid in order:
                return order.index(card.uuid)
        # CUDA does not know it, or did not answer.
        return len(order)

    places = sorted(driver.places, key=rank)
    return replace(driver, places=tuple(places))


@cache
def _uuids_of_cuda() -> tuple[str, ...]:
    """Return the UUIDs of all GPUs in the order of CUDA, which a child asks; empty if that fails."""
    environment = child_environment(usable_cores())
    # All of them: indices count before anything is hidden.
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        uuids = answer_of(PROGRAM, environment)
        if not isinstance(uuids, list):
            raise ValueError(f"it printed {uuids!r}, which is no list")
    except NO_ANSWER as error:
        logger.warning(
            "CUDA does not say how it counts the GPUs, so their order is the bus's: %s", error
        )
        return ()
    return tuple(str(uuid) for uuid in uuids)


def worth_using(cards: Sequence[Card]) -> tuple[Card, ...]:
    """Return the GPUs that trials are spread over: those with about as much free memory as the best."""
    free_memories = [card.free_memory for card in cards]
    least = LEAST_SHARE * max(free_memories, default=0)
    usable = [card for card in cards if card.free_memory >= least]
    return tuple(usable)


@cache
def torch_cuda() -> str:
    """Return the version of CUDA that the installed PyTorch was built for, such as `13.0`; empty without CUDA."""
    package = find_spec("torch")
    if package is None or package.origin is None:
        return ""
    # Read, not imported: the parent never loads torch.
    source = Path(package.origin).with_name("version.py").read_text(encoding="utf-8")
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.AnnAssign) or statement.value is None:
            continue
        if ast.unparse(statement.target) == "cuda":
            value = ast.literal_eval(statement.value)
            return str(value or "")
    return ""


def is_too_old(driver: Driver) -> bool:
    """Return whether the driver cannot run what PyTorch was built for: within a major version any driver can."""
    major, _, _ = torch_cuda().partition(".")
    if not major:
        return False
    newest_major = driver.cuda // 1000
    return newest_major < int(major)
