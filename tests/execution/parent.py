"""A program that searches as the parent does: starts trials and waits for them; killed by the tests of orphans.

Arguments: which launcher, a folder, and how many trials with families. Ends of trials are lines of `ended`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from xautolm.execution import ForkServerLauncher, LocalExecutor, SpawnLauncher
from xautolm.records import Configuration, Limits, ModelCard, TrialSpec

CARD = ModelCard(
    name="tiny", hub_id="", family="bert", parameters=1, hidden_size=1, layers=1, positions=1, vocabulary=1,
    licence="", languages="", lora_targets=(),
)  # fmt: skip


def spec(number: int, do: str) -> TrialSpec:
    return TrialSpec(
        number=number,
        configuration=Configuration(
            values={"model": "tiny", "method": "full.v1", "do": do}, space="toy.v1"
        ),
        task="text-classification",
        labels=("a", "b"),
        card=CARD,
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


def main() -> None:
    kind, root, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if kind == "loading":
        ForkServerLauncher(["tests.execution.slow"], 1).start_server()
    launcher = (
        SpawnLauncher(1) if kind == "spawn" else ForkServerLauncher(["tests.execution.entries"], 1)
    )
    executor = LocalExecutor(launcher, "tests.execution.entries:run")
    for number in range(trials):
        folder = root / str(number)
        folder.mkdir()
        executor.start(spec(number, "family"), folder)
    if kind == "forked since" and os.fork() == 0:
        # As multiprocessing does: another process now holds what the server reads from open.
        (root / "bystander").write_text(str(os.getpid()))
        time.sleep(120)
        os._exit(0)
    while True:
        for number, outcome in executor.finished(0.2):
            with (root / "ended").open("a") as file:
                file.write(f"{number} {outcome.failure.kind if outcome.failure else 'success'}\n")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
