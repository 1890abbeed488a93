"""How fast GPUs are: a child measures it once for each card, driver and version of torch, and it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from xautolm.hardware.gpus import Card, read_driver
from xautolm.hardware.measuring import Measurement, ProgramFailedError, answer_of, measured_once
from xautolm.processes import usable_cores
from xautolm.records import GpuSpeed
from xautolm.serialization import Json, from_plain
from xautolm.settings import GPUS_VARIABLE, child_environment
from xautolm.symptoms import says_gpu_trouble

PROGRAM = "xautolm.finetuning.gpu_speed"


class UnusableGpuError(Exception):
    """CUDA does not work on a GPU that the driver knows; the message is what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Hold what was found out of GPUs, by their names: cards of a name are alike."""

    speeds: Mapping[str, GpuSpeed | None]
    """Of those that work; None where a speed could not be measured."""
    obstacles: Mapping[str, str]
    """Why CUDA does not work on the others."""


def measured_kinds(cards: Sequence[Card]) -> Kinds:
    """Measure one GPU of each name, which also shows whether CUDA works on it."""
    if not cards:
        return Kinds(speeds={}, obstacles={})
    driver = read_driver()
    emptiest: dict[str, Card] = {}
    # The one with the most room is measured for all of its name, and comes last here.
    for card in sorted(cards, key=lambda card: card.free_memory):
        emptiest[card.gpu.name] = card
    speeds = {}
    obstacles = {}
    for name, card in emptiest.items():
        try:
            speeds[name] = gpu_speed(name, card.uuid, driver.version)
        except UnusableGpuError as error:
            obstacles[name] = str(error)
    return Kinds(speeds=speeds, obstacles=obstacles)


@cache
def gpu_speed(name: str, uuid: str, driver: str) -> GpuSpeed | None:
    """Return how fast a GPU is; None where it cannot be measured.

    It takes some seconds, once for each name of a card, driver and version of torch: this process never loads torch.

    Args:
        name: The card's.
        uuid: Of the one card of that name that the child sees.
        driver: The driver's version.

    Raises:
        UnusableGpuError: CUDA does not work on it, so that no trial would.
    """

    def ask() -> Json:
        # The child sees this one GPU only, as a trial's process does.
        environment = child_environment(usable_cores())
        environment[GPUS_VARIABLE] = uuid
        try:
            return answer_of(PROGRAM, environment)
        except ProgramFailedError as error:
            # One that others fill at the moment, or that the measuring itself stumbles over, works all the same.
            if not says_gpu_trouble(error.reason):
                raise
            raise UnusableGpuError(error.reason) from error

    measurement = Measurement(
        subject=f"the speed of {name}",
        otherwise="an average GPU's is assumed",
        folder="gpu_speed",
        identity=[name, driver],
        labels={"name": name, "driver": driver},
        ask=ask,
        read=_speed_in,
    )
    return measured_once(measurement)


def _speed_in(answer: Json) -> GpuSpeed:
    """Return the speed that a child measured.

    Raises:
        ValueError: It is none, or no GPU's: predictions of time divide by it.
    """
    speed = from_plain(GpuSpeed, answer)
    impossible = speed.impossible()
    if impossible:
        raise ValueError(", ".join(impossible))
    return speed
