"""How fast GPUs are: a child measures it once for each card, driver and version of torch, and it is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from xautolm.hardware.gpus import Card, read_driver, visible_cards
from xautolm.hardware.measuring import Measurement, answer_of, measured_once
from xautolm.processes import usable_cores
from xautolm.records import GpuSpeed, SystemProfile
from xautolm.serialization import Json, from_plain
from xautolm.settings import GPUS_VARIABLE, child_environment
from xautolm.vocabulary import DeviceKind

PROGRAM = "xautolm.finetuning.gpu_speed"


def with_gpu_speeds(system: SystemProfile) -> SystemProfile:
    """Return the profile of this machine with the measured speeds of its GPUs; of one without them, as it is."""
    if system.device != DeviceKind.CUDA:
        return system
    driver = read_driver()
    cards: dict[str, Card] = {}
    # Cards of a name are equally fast: the one with the most room is measured for all, and comes last here.
    for card in sorted(visible_cards(driver), key=lambda card: card.free_memory):
        cards[card.gpu.name] = card
    gpus = []
    for gpu in system.gpus:
        speed = None
        # One that was lost since the profile was made has no card any more.
        if gpu.name in cards:
            speed = gpu_speed(gpu.name, cards[gpu.name].uuid, driver.version)
        gpus.append(replace(gpu, speed=speed))
    return replace(system, gpus=tuple(gpus))


@cache
def gpu_speed(name: str, uuid: str, driver: str) -> GpuSpeed | None:
    """Return how fast a GPU is; None where it cannot be measured.

    It takes some seconds, once for each name of a card, driver and version of torch: this process never loads torch.

    Args:
        name: The card's.
        uuid: Of the one card of that name that the child sees.
        driver: The driver's version.
    """

    def ask() -> Json:
        # The child sees this one GPU only, as a trial's process does.
        environment = child_environment(usable_cores())
        environment[GPUS_VARIABLE] = uuid
        return answer_of(PROGRAM, environment)

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
