"""Whether this machine's processor computes faster in bfloat16: its flags say so, and a measurement that is kept."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from xautolm.errors import DamagedFileError
from xautolm.processes import usable_cores
from xautolm.records import LEAST_BF16_SPEEDUP, digest_of
from xautolm.serialization import read_json, write_json
from xautolm.settings import cache_folder, child_environment

logger = logging.getLogger(__name__)

INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
"""Flags of processors that multiply bfloat16; without either, it is emulated, and slower."""
CPU_INFO = Path("/proc/cpuinfo")
"""What Linux says of the processors."""
PROGRAM = "xautolm.finetuning.bf16_speed"
SECONDS = 60.0
"""A child that says nothing for so long is given up: it loads torch, and measures for half a second."""


@cache
def bf16_speedup() -> float:
    """Return how many times faster than float32 this machine's processor computes in bfloat16; 0 if it is not known.

    It takes some seconds, once for each machine and version of torch: this process never loads torch.
    """
    model, flags = _processor()
    # Without them it is emulated: a measurement of seconds could only say no.
    if not INSTRUCTIONS & flags:
        return 0.0
    key = digest_of([model, sorted(flags), usable_cores(), metadata.version("torch")])
    path = cache_folder() / "bf16" / f"{key[:16]}.json"
    speedup = _kept(path)
    if speedup is not None:
        return speedup
    try:
        speedup = _measured()
    except (OSError, subprocess.SubprocessError, KeyError, TypeError, ValueError) as error:
        logger.warning("the speed of bfloat16 could not be measured, so float32 is used: %s", error)
        return 0.0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"speedup": speedup, "processor": model})
    except OSError as error:
        logger.warning("the speed of bfloat16 cannot be kept in the cache: %s", error)
    return speedup


def computes_in_bf16() -> bool:
    """Return whether passes on this machine's processor are worth running in bfloat16."""
    return bf16_speedup() >= LEAST_BF16_SPEEDUP


def _processor() -> tuple[str, frozenset[str]]:
    """Return the name and the flags of the first processor; nothing where the system does not say."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", frozenset()
    # The file has a block for each processor; of equal names the first counts.
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields.get("model name", ""), frozenset(fields.get("flags", "").split())


def _kept(path: Path) -> float | None:
    """Return what was measured before; None if nothing was, or it cannot be read."""
    if not path.is_file():
        return None
    try:
        return float(read_json(path)["speedup"])
    except (DamagedFileError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read and is measured again: %s", path, error)
        return None


def _measured() -> float:
    """Return what a child measures."""
    child = subprocess.run(
        [sys.executable, "-m", PROGRAM, str(os.getpid())],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        env=child_environment(usable_cores()),
    )
    return float(json.loads(child.stdout)["speedup"])
