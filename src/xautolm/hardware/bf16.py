"""Whether this machine's processor computes faster in bfloat16: its flags say so, and a measurement that is kept."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from xautolm.hardware.measuring import Measurement, answer_of, measured_once
from xautolm.processes import usable_cores
from xautolm.records import LEAST_BF16_SPEEDUP
from xautolm.serialization import Json

INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
"""Flags of processors that multiply bfloat16; without either, it is emulated, and slower."""
CPU_INFO = Path("/proc/cpuinfo")
"""What Linux says of the processors."""
PROGRAM = "xautolm.finetuning.bf16_speed"


@cache
def bf16_speedup() -> float:
    """Return how many times faster than float32 this machine's processor computes in bfloat16; 0 if it is not known.

    It takes some seconds, once for each machine and version of torch: this process never loads torch.
    """
    model, flags = _processor()
    # Without them it is emulated: a measurement of seconds could only say no.
    if not INSTRUCTIONS & flags:
        return 0.0
    measurement = Measurement(
        subject="the speed of bfloat16",
        otherwise="float32 is used",
        folder="bf16",
        identity=[model, sorted(flags), usable_cores()],
        labels={"processor": model},
        ask=lambda: answer_of(PROGRAM),
        read=_speedup_in,
    )
    return measured_once(measurement) or 0.0


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


def _speedup_in(answer: Json) -> float:
    """Return the speedup that a child measured.

    Raises:
        KeyError: There is none.
        TypeError: The answer is no object.
        ValueError: It is no number, or nothing is so fast.
    """
    if not isinstance(answer, dict):
        raise TypeError("the answer is no JSON object")
    speedup = float(str(answer["speedup"]))
    if not 0 < speedup < math.inf:
        raise ValueError(f"a speedup of {speedup} is out of bounds")
    return speedup
