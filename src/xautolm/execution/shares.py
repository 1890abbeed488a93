"""What a trial asks of a machine in a cluster, and how many trials a machine can hold by that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RESOLUTION = 10_000
"""Parts of a core or a GPU that Ray counts in; a share is rounded down to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a machine offers to trials, as the cluster counts it."""

    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What each trial asks of the machine that it runs on."""

    cpus: float
    gpus: float = 0.0
    """A whole number, or a part of one GPU."""

    def slots(self, capacity: Capacity) -> int:
        """Return how many trials a machine can hold at once."""
        # A ten-thousandth more, since shares were rounded down to that.
        by_cpus = math.floor(capacity.cpus / self.cpus + 1 / RESOLUTION)
        if not self.gpus:
            return by_cpus
        # A trial has its part of one GPU, so what several GPUs have left makes no further one.
        trials_per_gpu = math.floor(1 / self.gpus + 1 / RESOLUTION)
        return min(by_cpus, math.floor(capacity.gpus) * trials_per_gpu)


def share_of_trial(
    capacities: Sequence[Capacity], parallel: int | None, *, on_gpus: bool
) -> Share | None:
    """Return what each trial asks for, so that so many run at once; None where no machine can run any.

    Args:
        capacities: Of the machines.
        parallel: Trials at once in the whole cluster; by default one on each GPU, and without GPUs one on each machine.
        on_gpus: Whether trials run on GPUs; machines without are left out then.
    """
    usable = []
    for capacity in capacities:
        has_gpu = capacity.gpus >= 1 or not on_gpus
        if capacity.cpus >= 1 and has_gpu:
            usable.append(capacity)
    if not usable:
        return None
    if not on_gpus:
        trials = parallel or len(usable)
        per_machine = math.ceil(trials / len(usable))
        smallest = min(capacity.cpus for capacity in usable)
        return Share(cpus=_whole(smallest / per_machine))
    total_gpus = sum(math.floor(capacity.gpus) for capacity in usable)
    trials = parallel or total_gpus
    per_gpu = math.ceil(trials / total_gpus)
    # The machine with the fewest cores for each GPU decides, so that no GPU lies idle for want of cores.
    cpus_per_gpu = min(capacity.cpus / math.floor(capacity.gpus) for capacity in usable)
    cpus = _whole(cpus_per_gpu / per_gpu)
    return Share(cpus=cpus, gpus=_part(1 / per_gpu))


def _whole(cpus: float) -> float:
    """Return whole cores, as Ray wants them from one on, or a part of one."""
    return float(math.floor(cpus)) if cpus >= 1 else _part(cpus)


def _part(share: float) -> float:
    """Return a part of a core or a GPU as Ray can count it, of which the smallest is not nothing."""
    parts = max(1, math.floor(share * RESOLUTION))
    return parts / RESOLUTION
