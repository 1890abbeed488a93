"""How much faster two machines with two trials each are than one with one: Ray, real processes, trials that only wait.

    python -m benchmarks.cluster [--trials 16] [--seconds 4]

Both clusters are on this machine, so what is measured is what Ray, the machines' executors and this process add to a
trial, and whether trials overlap; not what a network takes. Trials wait instead of computing, since two machines that
are one have the cores of one.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from xautolm.execution.cluster import RayExecutor
from xautolm.testing import made_up_spec

ENTRY = "benchmarks.waiting:wait"
STORE_BYTES = 100_000_000
"""Of each machine's object store, the smallest that Ray takes with some room."""


@contextmanager
def cluster_of(machines: int, slots: int) -> Iterator[str]:
    """Start a cluster of so many machines on this one, and give its address."""
    resources = {"num_cpus": slots, "num_gpus": 0, "object_store_memory": STORE_BYTES}
    head = {**resources, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(machines - 1):
        cluster.add_node(**resources)
    try:
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


def seconds_of(machines: int, slots: int, trials: int, seconds: float, folder: Path) -> float:
    """Return the wall time of so many trials on a cluster, after one on each place that is not counted."""
    parallel = machines * slots
    with cluster_of(machines, slots) as address:
        executor = RayExecutor(
            address, ENTRY, preload=("benchmarks.waiting",), parallel=parallel, device="cpu"
        )
        run_all(executor, range(parallel), parallel, seconds, folder)
        start = time.monotonic()
        run_all(executor, range(parallel, parallel + trials), parallel, seconds, folder)
        wall_time = time.monotonic() - start
        executor.close()
    return wall_time


def run_all(
    executor: RayExecutor, numbers: range, parallel: int, seconds: float, folder: Path
) -> None:
    """Run trials as a search does: as many at once as there are places, the next when one has ended."""
    waiting = list(numbers)
    running = 0
    while waiting or running:
        while waiting and running < parallel:
            number = waiting.pop(0)
            place = folder / f"{parallel}-{number}"
            place.mkdir()
            executor.start(made_up_spec(number, seconds=seconds), place)
            running += 1
        for number, outcome in executor.finished(0.5):
            assert outcome.succeeded, f"trial {number}: {outcome.failure}"
            running -= 1


def main() -> None:
    """Measure both clusters and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    # Machines inherit it: trials find this folder, and do not give way to other processes.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (as Ray spells it)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XAUTOLM_CACHE"] = f"{folder}/cache"
        trials, seconds = arguments.trials, arguments.seconds
        alone = seconds_of(1, 1, trials, seconds, Path(folder))
        together = seconds_of(2, 2, trials, seconds, Path(folder))
    speedup = alone / together
    print(f"Ray {ray.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print(f"| {trials} trials that wait {seconds:g} s | wall time | speed-up | of linear |")
    print("|---|---|---|---|")
    print(f"| one machine, one trial at once | {alone:.1f} s | 1 | |")
    print(
        f"| two machines, two at once each | {together:.1f} s | {speedup:.2f} | {speedup / 4:.2f} |"
    )


if __name__ == "__main__":
    main()
