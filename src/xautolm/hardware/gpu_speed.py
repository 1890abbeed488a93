"""How fast GPUs are: a child measures it once for each card, driver and version of torch, and it is kept."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

from xautolm.errors import DamagedFileError
from xautolm.hardware.gpus import Card, read_driver, visible_cards
from xautolm.processes import usable_cores
from xautolm.records import GpuSpeed, SystemProfile, digest_of
from xautolm.serialization import from_plain, read_json, to_plain, write_json
from xautolm.settings import GPUS_VARIABLE, cache_folder, child_environment
from xautolm.vocabulary import DeviceKind

logger = logging.getLogger(__name__)

PROGRAM = "xautolm.finetuning.gpu_speed"
SECONDS = 60.0
"""A child that says nothing for so long is given up: it loads torch, starts CUDA, and measures for a second."""
NO_MEASUREMENT = (OSError, subprocess.SubprocessError, ArithmeticError, TypeError, ValueError)
"""Raised where a child cannot be started, fails, takes too long, or says what no speed is."""


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
    key = digest_of([name, driver, metadata.version("torch")])
    path = cache_folder() / "gpu_speed" / f"{key[:16]}.json"
    speed = _kept(path)
    if speed is not None:
        return speed
    try:
        speed = _measured(uuid)
    except NO_MEASUREMENT as error:
        logger.warning(
            "the speed of %s could not be measured, so an average GPU's is assumed: %s", name, error
        )
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"name": name, "driver": driver, "speed": to_plain(speed)})
    except OSError as error:
        logger.warning("the speed of %s cannot be kept in the cache: %s", name, error)
    return speed


def _kept(path: Path) -> GpuSpeed | None:
    """Return what was measured before; None if nothing was, or it cannot be read."""
    if not path.is_file():
        return None
    try:
        return from_plain(GpuSpeed, read_json(path)["speed"])
    except (DamagedFileError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read and is measured again: %s", path, error)
        return None


def _measured(uuid: str) -> GpuSpeed:
    """Return what a child measures of a GPU, which is the only one that it sees, as a trial's."""
    environment = child_environment(usable_cores())
    environment[GPUS_VARIABLE] = uuid
    child = subprocess.run(
        [sys.executable, "-m", PROGRAM, str(os.getpid())],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        env=environment,
    )
    return from_plain(GpuSpeed, json.loads(child.stdout))
