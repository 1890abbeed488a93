"""A small conditional space with tasks on it, and games on them, for the tests of peers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.ftbench.contestants import Contestant, Make, PastTask, Told
from benchmarks.random_configurations import random_configuration
from xautolm.records import Values
from xautolm.space import Branch, Choice, Float, Int, Space
from xautolm.vocabulary import FailureKind

RATE = Float(name="rate", low=1e-5, high=1e-1, default=1e-3, log=True)
COARSE_RATE = Float(name="rate", low=1e-3, high=1.0, default=1e-2, log=True)
LORA = Space("lora", (COARSE_RATE, Int(name="rank", low=1, high=16, default=4)))
FULL = Space("full", (RATE, Choice(name="warmup", options=(None, True, 1), default=None)))
METHODS = Branch(name="method", branches={"full": FULL, "lora": LORA}, default="full")
PROBE = Branch(name="method", branches={"probe": Space("probe", ())}, default="probe")
SPACE = Space(
    "toy.v1",
    (
        Branch(
            name="model",
            branches={
                "small": Space("small", (METHODS,)),
                "large": Space("large", (METHODS, Int(name="depth", low=2, high=4, default=2))),
                "frozen": Space("frozen", (PROBE,)),
            },
            default="small",
        ),
        Choice(name="batch", options=(8, 16, 32), default=8),
    ),
)
"""`rate` has two ranges; `method` is opened by two models in one way and by a third in another."""
FEATURES = {"rows": 1000.0, "classes": 2.0}
TRIALS = 12


def outcome(values: Values, best_rate: float) -> Told:
    """Return what a configuration is worth on a task: large models fail with batches of 32."""
    is_large = values["model"] == "large"
    seconds = 20.0 if is_large else 4.0
    if is_large and values["batch"] == 32:
        return Told(
            values=values, quality=None, seconds=1.0, failure=FailureKind.OUT_OF_MEMORY.value
        )
    rate = values.get("rate", 1e-5)
    assert isinstance(rate, float)
    distance = abs(math.log10(rate) - math.log10(best_rate))
    quality = (0.9 if is_large else 0.7) - 0.15 * distance
    return Told(values=values, quality=quality, seconds=seconds)


def past_task(name: str, best_rate: float, rows: float) -> PastTask:
    """Return forty random trials of a task."""
    trials = []
    for number in range(40):
        values = random_configuration(SPACE, seed=len(name), number=number).values
        trials.append(outcome(values, best_rate))
    return PastTask(name=name, trials=trials, features={"rows": rows, "classes": 2.0})


PAST = (past_task("near", 1e-3, 1100.0), past_task("similar", 2e-3, 900.0))


def game(
    make: Make, past: Sequence[PastTask] = (), seed: int = 0, trials: int = TRIALS
) -> list[Values]:
    """Return what a contestant asks for; every third time it is told of another batch size."""
    contestant: Contestant = make(SPACE, seed, past, FEATURES)
    asked = []
    for number in range(trials):
        values = contestant.ask()
        asked.append(values)
        run = dict(values)
        if number % 3 == 2:
            run["batch"] = 8
        contestant.tell(outcome(run, 1e-3))
    contestant.close()
    return asked


def best_quality(asked: Sequence[Values]) -> float:
    """Return the best quality among configurations."""
    qualities = [outcome(values, 1e-3).quality or 0.0 for values in asked]
    return float(np.max(qualities))
