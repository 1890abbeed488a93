"""Meta-features of the machine and of the limits of a run."""

from __future__ import annotations

from xautolm.metafeatures.base import Part, Sample
from xautolm.records import BF16_CAPABILITY
from xautolm.vocabulary import DeviceKind, TargetKind

GIB = 1024**3
NOISE = 0.25
"""The speed of a busy machine and its free memory vary by about a fifth from one run to the next; scaled to the range
that they have, that would look like another machine."""
UNLIMITED_SECONDS = 86_400.0
"""Stands for no time limit: longer than any trial here is expected to take."""


class PaperSystem:
    """The five of XAutoLM (arXiv 2508.00924), with the GPU's memory really read: its own store says 0."""

    name = "system-paper.v1"
    part = Part.SYSTEM
    aspect = "paper"
    noise = 0.0
    targets = TargetKind.ANY
    features = (
        "physical_cores",
        "logical_cores",
        "cpu_frequency_ghz",
        "memory_gib",
        "gpu_memory_gib",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return sizes in GiB, and the frequency in GHz."""
        system = sample.system
        gpu_memory = sum(gpu.memory for gpu in system.gpus)
        return (
            float(system.physical_cores),
            float(system.logical_cores),
            system.cpu_frequency,
            system.memory / GIB,
            gpu_memory / GIB,
        )


class System:
    """What the paper's five leave out: how many GPUs of which kind, measured speed, and the limits of a trial."""

    name = "system.v1"
    part = Part.SYSTEM
    aspect = "limits"
    noise = NOISE
    targets = TargetKind.ANY
    features = (
        "gpus",
        "compute_capability",
        "bf16",
        "cpu_gflops",
        "trial_memory_gib",
        "trial_seconds",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return the numbers; without GPU the first three are 0, without time limit a day stands for it."""
        system = sample.system
        limits = sample.limits
        # Of several GPUs the oldest: a trial may come to any of them.
        capability = min((gpu.compute_capability for gpu in system.gpus), default=0.0)
        has_bf16 = capability >= BF16_CAPABILITY
        memory_limit = limits.gpu_memory if system.device == DeviceKind.CUDA else limits.memory
        # Without a limit a trial has the whole device.
        memory = memory_limit or system.device_memory
        seconds = limits.seconds or UNLIMITED_SECONDS
        return (
            float(len(system.gpus)),
            capability,
            float(has_bf16),
            system.gflops,
            memory / GIB,
            seconds,
        )


GROUPS = (PaperSystem(), System())
