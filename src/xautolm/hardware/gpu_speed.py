"""How fast GPUs are: a child measures it once for each card, driver and version of torch, and it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from xautolm.hardware.gpus import Card, read_driver, worth_using
from xautolm.hardware.measuring import Measurement, ProgramFailedError, answer_of, measured_once
from xautolm.processes import usable_cores
from xautolm.records import GpuSpeed
from xautolm.serialization import Json, from_plain
from xautolm.settings import GPUS_VARIABLE, child_environment
from xautolm.symptoms import says_gpu_trouble, says_lack_of_memory

PROGRAM = "xautolm.finetuning.gpu_speed"


class UnusableGpuError(Exception):
    """CUDA does not work on a GPU that the driver knows; the message is what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCards:
    """Hold what was found out of the GPUs of a machine."""

    cards: tuple[Card, ...]
    """Those that trials are spread over, with the speed of their kind; None where that could not be measured."""
    obstacles: Mapping[str, str]
    """Why CUDA does not work on others, which are left out, with their names; by UUIDs."""


def measured_cards(cards: Sequence[Card]) -> MeasuredCards:
    """Return the GPUs that are worth using of those on which CUDA works, with their speeds.

    One card of each name is measured. Where CUDA does not work on it, that card is left out, and the rest is looked at
    as if it were not there: it neither says how much memory is worth using, nor that others of its name are broken.
    """
    obstacles: dict[str, str] = {}
    while True:
        others = [card for card in cards if card.uuid not in obstacles]
        usable = worth_using(others)
        speeds, further_obstacles = _speeds_by_name(usable)
        if not further_obstacles:
            break
        obstacles |= further_obstacles
    measured = []
    for card in usable:
        gpu = replace(card.gpu, speed=speeds[card.gpu.name])
        measured.append(replace(card, gpu=gpu))
    return MeasuredCards(cards=tuple(measured), obstacles=obstacles)


def _speeds_by_name(cards: Sequence[Card]) -> tuple[dict[str, GpuSpeed | None], dict[str, str]]:
    """Measure one GPU of each name, which also shows whether CUDA works on it.

    Returns:
        Speeds by name, and why CUDA does not work on the others that were measured, by UUID.
    """
    speeds: dict[str, GpuSpeed | None] = {}
    obstacles: dict[str, str] = {}
    if not cards:
        return speeds, obstacles
    driver = read_driver()
    emptiest: dict[str, Card] = {}
    # The one with the most room is measured for all of its name, and comes last here.
    for card in sorted(cards, key=lambda card: card.free_memory):
        emptiest[card.gpu.name] = card
    for name, card in emptiest.items():
        try:
            speeds[name] = gpu_speed(name, card.uuid, driver.version)
        except UnusableGpuError as error:
            obstacles[card.uuid] = f"{name}: {error}"
    return speeds, obstacles


@cache
def gpu_speed(name: str, uuid: str, driver: str) -> GpuSpeed | None:
    """Return how fast a GPU is; None where it cannot be measured.

    It takes some seconds, once for each card, driver and version of torch: this process never loads torch.

    Args:
        name: The card's.
        uuid: Of the card, the only one that the child sees.
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
            # CUDA's start fails on a full one too, in words that say both.
            if says_lack_of_memory(error.reason) or not says_gpu_trouble(error.reason):
                raise
            raise UnusableGpuError(error.reason) from error

    measurement = Measurement(
        subject=f"the speed of {name}",
        otherwise="an average GPU's is assumed",
        folder="gpu_speed",
        # By the card: that one of its name works says nothing of another, which may be broken.
        identity=[name, uuid, driver],
        labels={"name": name, "uuid": uuid, "driver": driver},
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
