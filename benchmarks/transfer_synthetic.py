"""Does experience help? Searches of made-up tasks with a store of related tasks, of a misleading one, and from zero.

    python -m benchmarks.transfer_synthetic [--seeds 30] [--first-seed 0]

For each seed: five related tasks; a random search of 40 trials on four of them makes the store; each strategy then has
40 trials on the fifth. `related` stores hold the four tasks, `reversed` stores one task whose ranking of models and
learning rates is turned round. Hypervolume is that of F1 against log seconds, over F1 0 and the time limit, relative to
the largest that any strategy reached for the seed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.synthetic import (
    SPACE,
    TIME_LIMIT,
    Task,
    experience,
    play,
    related_tasks,
    reversed_task,
)
from xautolm.metalearning import PRESETS, SETTINGS, knn_start, warm_start
from xautolm.metrics import METRICS
from xautolm.objectives import TIME, hypervolume
from xautolm.past_evidence import evidence_of
from xautolm.records import Configuration, Experience, TrialOutcome
from xautolm.search import SAMPLERS, Memory, open_study
from xautolm.space import Prior

TRIALS = 40
EARLY = 10
GOALS = (METRICS.get("f1_macro").objective, TIME)
Start = Callable[[Sequence[Experience], Task], Memory | None]


@dataclass(frozen=True, slots=True)
class Search:
    """A finished search."""

    configurations: list[Configuration]
    outcomes: list[TrialOutcome]

    def best(self, trials: int = TRIALS) -> float:
        """Best F1 within the first trials."""
        return max(
            (one.metrics.get("f1_macro", 0.0) for one in self.outcomes[:trials]), default=0.0
        )

    def failures(self) -> int:
        """Number of failed trials."""
        return sum(not one.succeeded for one in self.outcomes)

    def seconds(self) -> float:
        """Mean evaluation time of the successes."""
        return statistics.mean(
            [one.evaluation_time or 0.0 for one in self.outcomes if one.succeeded] or [math.nan]
        )

    def volume(self) -> float:
        """Hypervolume of F1 against the logarithm of time."""
        points = [
            (one.metrics["f1_macro"], -math.log(one.evaluation_time or 1))
            for one in self.outcomes
            if one.succeeded
        ]
        return hypervolume(
            np.asarray(points).reshape(-1, 2), np.asarray([0.0, -math.log(TIME_LIMIT)])
        )

    def trials_to(self, score: float) -> float:
        """How many trials it took to reach an F1; infinite if it never did."""
        return next((n for n in range(1, TRIALS + 1) if self.best(n) >= score), math.inf)


def search(
    strategy: str, memory: Memory | None, task: Task, seed: int, trials: int = TRIALS
) -> Search:
    """Run a strategy on a task, as `fit` does: the default first, failures told."""
    study = open_study(
        None, SPACE, GOALS, lambda s: SAMPLERS.get(strategy).make(SPACE, s, memory), seed
    )
    found = Search([], [])
    for _ in range(trials):
        asked = study.ask(lambda configuration: "")
        assert asked is not None
        configuration = asked.configuration
        outcome = play(task, dict(configuration.values))
        study.tell(asked.number, outcome)
        found.configurations.append(configuration)
        found.outcomes.append(outcome)
    return found


def store_of(tasks: Sequence[Task], seed: int) -> list[Experience]:
    """What random searches on some tasks leave behind."""
    found = []
    for number, task in enumerate(tasks):
        done = search("random", None, task, 1000 * seed + number)
        pairs = zip(done.configurations, done.outcomes, strict=True)
        found += [experience(task, task.name, trial, *pair) for trial, pair in enumerate(pairs)]
    return found


def warm(setting: str) -> Start:
    """Return how a search begins with one of the settings of the warm start."""
    return lambda store, task: Memory(
        prior=warm_start(Prior.plain(SPACE), store, task.features, SETTINGS[setting]).prior,
        evidence=evidence_of(store, task.features, GOALS, SETTINGS[setting]),
    )


STARTS: dict[str, tuple[str, Start]] = {
    "random": ("random", lambda store, task: None),
    "tpe": ("tpe", lambda store, task: None),
    "pge": ("pge", lambda store, task: None),
    **{f"pge, {name}": ("pge", warm(name)) for name in PRESETS},
    "pge, moderate-linear": ("pge", warm("moderate-linear")),
    "pge, knn": (
        "pge",
        lambda store, task: Memory(prior=knn_start(Prior.plain(SPACE), store, task.features).prior),
    ),
    "xautolm, no store": ("xautolm", lambda store, task: None),
    "xautolm": ("xautolm", warm("moderate-linear")),
}
"""Rows of the table: the sampler, and how its prior is made from a store."""


def main() -> None:
    """Search everything and print a table for each kind of store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    began = time.perf_counter()
    results: dict[str, dict[str, list[Search]]] = {"related": {}, "reversed": {}}
    for seed in seeds:
        *known, target = related_tasks(5, seed)
        stores = {
            "related": store_of(known, seed),
            "reversed": store_of([reversed_task(target)], seed),
        }
        for kind, store in stores.items():
            for name, (strategy, start) in STARTS.items():
                results[kind].setdefault(name, []).append(
                    search(strategy, start(store, target), target, seed)
                )
    for kind, rows in results.items():
        print(f"\n## Store: {kind}, seeds {seeds.start} to {seeds.stop - 1}\n")
        print_table(rows)
    print(f"\n{time.perf_counter() - began:.0f} s")


def print_table(rows: dict[str, list[Search]]) -> None:
    """Medians over seeds, but means for failures and times."""
    goals = [one.best() for one in rows["pge"]]
    largest = [max(row[index].volume() for row in rows.values()) for index in range(len(goals))]
    print(
        "| strategy | best F1 | F1 after 10 | trials to pge's best | failures | mean time (s) | hypervolume |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, searches in rows.items():
        needed = statistics.median(
            one.trials_to(goal) for one, goal in zip(searches, goals, strict=True)
        )
        volume = statistics.mean(
            one.volume() / top for one, top in zip(searches, largest, strict=True)
        )
        print(
            f"| {name} | {statistics.median(one.best() for one in searches):.3f} "
            f"| {statistics.median(one.best(EARLY) for one in searches):.3f} "
            f"| {'> 40' if math.isinf(needed) else f'{needed:.0f}'} "
            f"| {statistics.mean(one.failures() for one in searches):.1f} "
            f"| {statistics.mean(one.seconds() for one in searches):.0f} | {volume:.3f} |"
        )


if __name__ == "__main__":
    main()
