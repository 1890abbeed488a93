"""What the size of a store costs a search: to begin with it, and for each proposal.

    python -m benchmarks.store_size [--experiences 2000,20000,100000] [--data-sets 20]

Made-up tasks (`benchmarks.synthetic`), random configurations, in a store on the disk. Seconds of processor time, one
process, in the steps of `fit`: a store is opened and read; the warm start takes what is near; the models learn from it.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.synthetic import (
    SPACE,
    SYSTEM,
    TASK,
    TIME_LIMIT,
    Task,
    experience,
    play,
    related_tasks,
)
from benchmarks.transfer_synthetic import GOALS
from xautolm.experience import ExperienceStore
from xautolm.objectives import lead_position, time_position
from xautolm.past_trials import PastTrials, Sight
from xautolm.records import Experience, Limits, Values
from xautolm.search.candidates import Proposer
from xautolm.search.evidence import Evidence
from xautolm.search_store import SearchStore
from xautolm.space import Prior
from xautolm.traits import Circumstances, TraitReader
from xautolm.warm_start import remembered

SETTING = "moderate-linear"
PROPOSALS = 40
TRIALS_OF_RUN = 50
"""Of each past search."""
PART = 2_000
"""Trials that are added to the store at once."""
SEED = 0


def main() -> None:
    """Print a table with a row for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiences", default="2000,20000,100000")
    parser.add_argument("--data-sets", type=int, default=20)
    options = parser.parse_args()
    print(
        "| experiences | reading (s) | warm start (s) | models (s) | all three (s) | a proposal (ms) "
        "| memory at most (MB) |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size in options.experiences.split(","):
        cells = measured(int(size), options.data_sets)
        print(f"| {int(size):,} | {' | '.join(cells)} |", flush=True)


def measured(size: int, data_sets: int) -> Sequence[str]:
    """Return what a store of a size costs: reading, warm start, models, all three, proposals, and memory."""
    *past_tasks, target_task = related_tasks(data_sets + 1, SEED)
    rng = np.random.default_rng(SEED)
    prior = Prior.plain(SPACE)
    limits = Limits(seconds=TIME_LIMIT)
    sight = Sight(
        task=TASK, data=target_task.data, run="now", hide=(), limits=limits, system=SYSTEM
    )
    # Of models that nobody knows: their traits are nothing, as those of a search of other things.
    traits = TraitReader({}, Circumstances(TASK, target_task.data, SYSTEM, limits))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        location = str(root / "store.db")
        fill(location, size, past_tasks, rng)

        began = time.process_time()
        store = SearchStore(location, print, must_open=True)
        past = PastTrials(store, sight, root)
        read = time.process_time()
        memory = remembered(
            SETTING,
            {},
            SPACE,
            past,
            target_task.features,
            GOALS,
            traits,
            root / "warm_start.json",
            lambda note: None,
        )
        store.close()
    started = time.process_time()
    proposer = Proposer(SPACE, SEED, memory)
    learned = time.process_time()

    # The target's own trials grow by one with each proposal, as in a search.
    target: list[Evidence] = []
    seconds = []
    for _ in range(PROPOSALS):
        before = time.process_time()
        proposal = proposer.propose(
            target, (), rng, objectives=2, lead=lead_position(GOALS), time=time_position(GOALS)
        )
        seconds.append(time.process_time() - before)
        values = proposal.values or prior.sample(rng).values
        target.append(told(target_task, values))
    # Of the process, so sizes have to rise from row to row.
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{read - began:.2f}",
        f"{started - read:.2f}",
        f"{learned - started:.2f}",
        f"{learned - began:.2f}",
        f"{1000 * statistics.median(seconds):.0f}",
        f"{megabytes:.0f}",
    )


def fill(location: str, size: int, tasks: Sequence[Task], rng: np.random.Generator) -> None:
    """Write random trials of some tasks into a store, as searches of `TRIALS_OF_RUN` trials."""
    prior = Prior.plain(SPACE)
    trials: list[Experience] = []
    with ExperienceStore(location) as store:
        for number in range(size):
            task = tasks[number % len(tasks)]
            configuration = prior.sample(rng)
            outcome = play(task, dict(configuration.values))
            run = f"{task.name}-{number // (len(tasks) * TRIALS_OF_RUN)}"
            trials.append(experience(task, run, number, configuration, outcome))
            # In parts, for the memory at most is to be that of a search.
            if len(trials) == PART or number == size - 1:
                store.add(trials)
                trials = []


def told(task: Task, values: Values) -> Evidence:
    """Return a trial of the target as its models see it."""
    outcome = play(task, dict(values))
    scores = None
    if outcome.succeeded:
        seconds = outcome.evaluation_time or 1.0
        scores = (outcome.metrics["f1_macro"], -math.log(seconds))
    return Evidence(values=values, scores=scores, units=(1.0, 1.0))


if __name__ == "__main__":
    main()
