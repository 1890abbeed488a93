"""How long it takes from asking for a trial until its process runs user code, and what importing xautolm costs.

    python -m benchmarks.trial_overhead [--trials 20]

Both ways to start a trial are measured in the same run, alternating: from the fork server and by spawning an
interpreter that loads the same modules. The clock is the system's monotonic one, which processes share.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from xautolm.execution import ForkServerLauncher, Launcher, LocalExecutor, SpawnLauncher
from xautolm.hardware import system_profile
from xautolm.metrics import METRICS
from xautolm.objectives import TIME
from xautolm.records import Limits, TrialSpec
from xautolm.search import SAMPLERS, SearchStudy, open_study
from xautolm.search_space import build_space, generic_data
from xautolm.session import PRELOAD
from xautolm.tasks import TASKS
from xautolm.zoo import ZOO, find_models

ENTRY = "benchmarks.entries:note_start"


def starts(launchers: dict[str, Launcher], trials: int, folder: Path) -> dict[str, list[float]]:
    """Seconds from ask to user code, for each launcher and trial."""
    system = system_profile("cpu")
    cards = find_models(["minilm-l2"], ZOO.things)
    space = build_space(
        "default", TASKS.get("text-classification"), cards, [], generic_data(), system
    )
    objectives = (METRICS.get("f1_macro").objective, TIME)
    make = SAMPLERS.get("tpe").make
    found: dict[str, list[float]] = {name: [] for name in launchers}
    executors = {name: LocalExecutor(launcher, ENTRY) for name, launcher in launchers.items()}
    studies: dict[str, SearchStudy] = {
        name: open_study(
            f"sqlite:///{folder}/{name}.db",
            space,
            objectives,
            lambda seed: make(space, seed, None),
            0,
        )
        for name in launchers
    }
    for number in range(trials):
        for name, executor in executors.items():
            path = folder / name / str(number)
            path.mkdir(parents=True)
            asked_at = time.monotonic()
            asked = studies[name].ask(lambda configuration: "")
            assert asked is not None
            spec = TrialSpec(
                number=asked.number,
                configuration=asked.configuration,
                task="text-classification",
                labels=("a", "b"),
                card=cards[0],
                data="",
                tokens="",
                metric="f1_macro",
                metrics=("f1_macro",),
                limits=Limits(),
                micro_batch=1,
                device="cpu",
                threads=1,
                seed=0,
            )
            executor.start(spec, path)
            while not (ended := executor.finished(1.0)):
                pass
            found[name].append(float((path / "began").read_text()) - asked_at)
            studies[name].tell(asked.number, ended[0][1])
    for executor in executors.values():
        executor.close()
    return found


def seconds_of(*command: str, repeats: int = 7) -> float:
    """Median wall time of a program, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20)
    trials = parser.parse_args().trials
    fork, spawn = ForkServerLauncher(PRELOAD, 1), SpawnLauncher(1)
    began = time.monotonic()
    fork.start_server()
    warm = time.monotonic() - began
    with tempfile.TemporaryDirectory() as folder:
        found = starts({"fork server": fork, "spawn": spawn}, trials, Path(folder))
    program = "from xautolm.cli import main; main()"
    system = system_profile("cpu")
    print(
        f"{platform.machine()}, {system.physical_cores} cores, Python {platform.python_version()}, {trials} trials\n"
    )
    print("| ask to user code | median (s) | largest (s) |\n| --- | --- | --- |")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.4f} | {max(times):.4f} |")
    ratio = statistics.median(found["spawn"]) / statistics.median(found["fork server"])
    print(
        f"\nspawn takes {ratio:.0f} times as long; the fork server itself was ready after {warm:.1f} s, once a run\n"
    )
    print("| program | median (s) |\n| --- | --- |")
    print(f"| python -c 'pass' | {seconds_of(sys.executable, '-c', 'pass'):.3f} |")
    print(
        f"| python -c 'import xautolm' | {seconds_of(sys.executable, '-c', 'import xautolm'):.3f} |"
    )
    print(f"| xautolm --help | {seconds_of(sys.executable, '-c', program, '--help'):.3f} |")


if __name__ == "__main__":
    main()
