"""What the size of a store costs a search: to begin with it, and for each proposal.

    python -m benchmarks.store_size [--experiences 2000,10000,100000] [--data-sets 20]

Made-up tasks (`benchmarks.synthetic`), random configurations. Seconds of processor time, one process. What is read from
the store's file is left out.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.synthetic import SPACE, Task, experience, play, related_tasks
from benchmarks.transfer_synthetic import GOALS, warm
from xautolm.objectives import lead_position, time_position
from xautolm.records import Experience, Values
from xautolm.search.candidates import Proposer
from xautolm.search.evidence import Evidence
from xautolm.space import Prior

SETTING = "moderate-linear"
PROPOSALS = 40
TRIALS_OF_RUN = 50
"""Of each past search."""
SEED = 0


def main() -> None:
    """Print a table with a row for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiences", default="2000,10000,100000")
    parser.add_argument("--data-sets", type=int, default=20)
    options = parser.parse_args()
    print("| experiences | warm start (s) | models (s) | a proposal (ms) | memory at most (MB) |")
    print("| --- | --- | --- | --- | --- |")
    for size in options.experiences.split(","):
        cells = measured(int(size), options.data_sets)
        print(f"| {int(size):,} | {' | '.join(cells)} |", flush=True)


def measured(size: int, data_sets: int) -> Sequence[str]:
    """Return what a store of a size costs: warm start, models, proposals, and memory."""
    *past_tasks, target_task = related_tasks(data_sets + 1, SEED)
    rng = np.random.default_rng(SEED)
    prior = Prior.plain(SPACE)
    store: list[Experience] = []
    for number in range(size):
        task = past_tasks[number % data_sets]
        configuration = prior.sample(rng)
        outcome = play(task, dict(configuration.values))
        run = f"{task.name}-{number // (data_sets * TRIALS_OF_RUN)}"
        store.append(experience(task, run, number, configuration, outcome))

    began = time.process_time()
    memory = warm(SETTING)(store, target_task)
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
        f"{started - began:.2f}",
        f"{learned - started:.2f}",
        f"{1000 * statistics.median(seconds):.0f}",
        f"{megabytes:.0f}",
    )


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
