"""The contest: searches replayed on the table of real trials, one family of tasks left out of the past at a time.

    python -m benchmarks.ftbench.contest TABLE.parquet --out RESULTS.jsonl [--seeds 20] [--methods "xautolm;random"]
        [--tasks liar,...] [--jobs 2] [--peers FOLDER] [--surrogates]

Each search has a quarter of the seconds that all trials of its task took, by a clock that is moved on by the wall time
of each trial that is looked up. Results are appended, one line for each search; what is there already is not played
again. Slow peers play with three seeds at most. Tasks with hardly a success are experience for the others only.
`--peers` is the folder in which `make bench-peers` has installed those that need environments of their own.
`--surrogates` tells a search of the very configuration that it asks for, as models of the table foresee it, instead of
the nearest trial of the table.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import optuna

from benchmarks.ftbench.measures import comparable
from benchmarks.ftbench.peers.catalog import PEERS, foreign_peers
from benchmarks.ftbench.replay import LookUp, ReplayTask, read_tasks
from benchmarks.ftbench.strategies import (
    COLD,
    KNN,
    MISLED,
    MODELS_ALONE,
    OURS,
    SearchPlayer,
    StrategyPlayer,
    memory_of,
    peer,
)
from benchmarks.ftbench.surrogate import Foretelling, Surrogate, modelled, surrogates_of
from xautolm.metalearning import PRESETS
from xautolm.records import Experience, Values, digest_of
from xautolm.warm_start import DEFAULT

SHARE_OF_TABLE = 0.25
"""Of the seconds of a task's trials: what a search may spend."""
SETTING = DEFAULT
"""Of the warm start, as `fit` has it by default."""
SLOW = frozenset(
    {
        "gp",
        "smac parego",
        "syne-tune bore",
        "syne-tune bounding-box",
        "syne-tune cqr",
        "syne-tune ehvi",
        "syne-tune quantile-transfer",
    }
)
"""Peers of which a search of forty trials takes a quarter of a minute of processor time or more."""
SEEDS_OF_SLOW = 3
"""They play with the first seeds only: all of them would take days."""


class Player(Protocol):
    """A search that is told what the table says."""

    def ask(self) -> Values:
        """Return the next configuration."""

    def hear(self, experience: Experience) -> None:
        """Take in the trial that was looked up."""

    @property
    def trust(self) -> float | None:
        """Return how far a store was followed in the last proposal, from 0 to 1; None where that is not said."""

    def close(self) -> None:
        """Free what it holds."""


class World(Protocol):
    """What answers a search."""

    def look(self, values: Values) -> Experience:
        """Return what comes of a configuration."""

    @property
    def is_exhausted(self) -> bool:
        """Return whether there is nothing more to tell."""


class Kind(StrEnum):
    """Where answers come from."""

    TABLE = "table"
    """The trials that really ran: the nearest that was not looked up yet."""
    SURROGATES = "surrogates"
    """Models of these trials, for the very configuration."""


Begin = Callable[[ReplayTask, Sequence[ReplayTask], int], Player]
"""Begins a search of a task, given the tasks of the past and a seed."""


def experiences_of(past: Sequence[ReplayTask]) -> list[Experience]:
    """Return the trials of some tasks."""
    return [experience for task in past for experience in task.experiences]


def cold(strategy: str) -> Begin:
    """Return what begins a strategy without experience."""

    def begin(task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> Player:
        return StrategyPlayer(task, strategy, None, seed)

    return begin


def warm(strategy: str, setting: str) -> Begin:
    """Return what begins a strategy with the past, by a setting of the warm start."""

    def begin(task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> Player:
        return StrategyPlayer(task, strategy, memory_of(task, experiences_of(past), setting), seed)

    return begin


def ours(task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> Player:
    """Begin a whole search of this package, as `fit` does it with a store."""
    return search(task, experiences_of(past), seed)


def ours_cold(task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> Player:
    """Begin the same without a store."""
    return SearchPlayer(StrategyPlayer(task, OURS, None, seed), ())


def misled(task: ReplayTask, past: Sequence[ReplayTask], seed: int) -> Player:
    """Begin with a past in which the best trial of each task was the worst, and the other way round."""
    return search(task, mirrored(experiences_of(past)), seed)


def search(task: ReplayTask, past: Sequence[Experience], seed: int) -> Player:
    """Begin a whole search of this package with some experience."""
    memory = memory_of(task, past, SETTING)
    return SearchPlayer(StrategyPlayer(task, OURS, memory, seed), past)


def mirrored(past: Sequence[Experience]) -> list[Experience]:
    """Return trials with their metrics mirrored within their data sets."""
    ranges: dict[tuple[str, str], tuple[float, float]] = {}
    for experience in past:
        for name, value in experience.outcome.metrics.items():
            key = experience.data.name, name
            low, high = ranges.get(key, (value, value))
            ranges[key] = min(low, value), max(high, value)
    result: list[Experience] = []
    for experience in past:
        metrics: dict[str, float] = {}
        for name, value in experience.outcome.metrics.items():
            low, high = ranges[experience.data.name, name]
            metrics[name] = low + high - value
        outcome = replace(experience.outcome, metrics=metrics)
        result.append(replace(experience, outcome=outcome))
    return result


METHODS: Mapping[str, Begin] = {
    OURS: ours,
    COLD: ours_cold,
    MISLED: misled,
    MODELS_ALONE: warm(OURS, SETTING),
    "pge": cold("pge"),
    "pge, knn": warm("pge", KNN),
    **{f"pge, {setting}": warm("pge", setting) for setting in PRESETS},
    **{name: partial(peer, make) for name, make in PEERS.items()},
}
"""Every search by name: ours, the paper's with its settings, and those of others."""


def main() -> None:
    """Play every search that is not in the file of results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--methods", default="", help="by default all that are here")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--peers", type=Path, help="environments of peers")
    parser.add_argument("--surrogates", action="store_true", help="ask models of the table")
    options = parser.parse_args()
    kind = Kind.SURROGATES if options.surrogates else Kind.TABLE
    tasks = tasks_of(options.table)
    playable = sorted(playable_of(tasks, kind))
    names = chosen(parser, "--tasks", options.tasks, ",", playable)
    methods = list(methods_with(options.peers))
    wanted = chosen(parser, "--methods", options.methods, ";", methods)
    done = {
        (row["task"], row["method"], row["seed"]) for row in read_results(options.out, tasks, kind)
    }
    orders = [
        (name, method, seed)
        for seed in range(options.seeds)
        for name in names
        for method in wanted
        if method not in SLOW or seed < SEEDS_OF_SLOW
        if (name, method, seed) not in done
    ]
    play_order = partial(play_on, options.table, options.peers, kind)
    with options.out.open("a") as file, ProcessPoolExecutor(options.jobs) as pool:
        for row in pool.map(play_order, orders):
            file.write(json.dumps(row) + "\n")
            file.flush()


def chosen(
    parser: argparse.ArgumentParser, option: str, text: str, separator: str, names: Sequence[str]
) -> Sequence[str]:
    """Return the names that an option lists, all where it is empty; a name that there is not ends the program."""
    if not text:
        return names
    listed = text.split(separator)
    unknown = [name for name in listed if name not in names]
    if unknown:
        parser.error(f"{option}: {unknown[0]!r} does not play; these do: {'; '.join(names)}")
    return listed


@cache
def methods_with(peers: Path | None) -> Mapping[str, Begin]:
    """Return every search by name, with those whose environments are in a folder; an interpreter serves all games."""
    if peers is None:
        return METHODS
    foreign = {name: partial(peer, make) for name, make in foreign_peers(peers).items()}
    return {**METHODS, **foreign}


def playable_of(tasks: Mapping[str, ReplayTask], kind: Kind) -> Mapping[str, ReplayTask]:
    """Return the tasks on which searches can be compared."""
    suitable = comparable(tasks)
    if kind is Kind.SURROGATES:
        return {task.name: task for task in modelled(suitable)}
    return suitable


def read_results(
    file: Path, tasks: Mapping[str, ReplayTask], kind: Kind = Kind.TABLE
) -> list[dict[str, object]]:
    """Return the searches that were played.

    Raises:
        SystemExit: They were played on another table, which has grown since or is another one, or on models of it.
    """
    if not file.exists():
        return []
    results = [json.loads(line) for line in file.read_text().splitlines()]
    table = digest_of_table(tasks)
    for result in results:
        if result["table"] != table or result.get("answers", Kind.TABLE) != kind:
            raise SystemExit(
                f"{file} has searches on another table than this one: name another file, or delete it."
            )
    return results


def digest_of_table(tasks: Mapping[str, ReplayTask]) -> str:
    """Return what two tables share only if they have the same trials, with the same results."""
    trials = []
    for task in tasks.values():
        for experience in task.experiences:
            outcome = experience.outcome
            trials.append([experience.id, task.quality(experience), outcome.evaluation_time])
    return digest_of(sorted(trials))[:12]


def past_of(tasks: Mapping[str, ReplayTask], target: ReplayTask) -> list[ReplayTask]:
    """Return the tasks of the same type, without the target's family."""
    return [
        task
        for task in tasks.values()
        if task.task.task == target.task.task and task.task.group != target.task.group
    ]


@cache
def tasks_of(table: Path) -> Mapping[str, ReplayTask]:
    """Return the tasks of a table; each process reads it once, for sending them with each order takes longer."""
    return read_tasks(table)


@cache
def surrogates_on(table: Path) -> Mapping[str, Surrogate]:
    """Return the surrogates of a table's tasks; each process fits them once."""
    return surrogates_of(tasks_of(table))


def play_on(
    table: Path, peers: Path | None, kind: Kind, order: tuple[str, str, int]
) -> dict[str, object]:
    """Play one search on a table, or on models of it, as `play` does."""
    tasks = tasks_of(table)
    name, _, seed = order
    world = None
    if kind is Kind.SURROGATES:
        world = Foretelling(surrogates_on(table)[name], seed)
    return {**play(tasks, peers, order, world), "answers": kind.value}


def play(
    tasks: Mapping[str, ReplayTask],
    peers: Path | None,
    order: tuple[str, str, int],
    world: World | None = None,
) -> dict[str, object]:
    """Play one search, and return what it was told: clock, quality, seconds, failure, trust.

    Args:
        tasks: All of the table.
        peers: The folder of the environments of peers.
        order: Task, method and seed.
        world: What answers; by default the table.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    name, method, seed = order
    task = tasks[name]
    if world is None:
        world = LookUp(task, seed)
    budget = SHARE_OF_TABLE * sum(trial.outcome.wall_time for trial in task.experiences)
    clock = 0.0
    looks: list[list[object]] = []
    began = time.process_time()
    seconds_of_world = 0.0
    player = methods_with(peers)[method](task, past_of(tasks, task), seed)
    while clock < budget and not world.is_exhausted:
        asked = player.ask()
        trust = player.trust
        looked = time.process_time()
        experience = world.look(asked)
        seconds_of_world += time.process_time() - looked
        player.hear(experience)
        clock += experience.outcome.wall_time
        looks.append([*look(task, experience, clock), trust])
    player.close()
    seconds = time.process_time() - began - seconds_of_world
    milliseconds = 1000 * seconds / len(looks)
    return {
        "table": digest_of_table(tasks),
        "task": name,
        "method": method,
        "seed": seed,
        "budget": round(budget, 1),
        "ms": round(milliseconds, 1),
        "looks": looks,
    }


def look(task: ReplayTask, experience: Experience, clock: float) -> list[object]:
    """Return what a search was told, as JSON values."""
    outcome = experience.outcome
    failure = outcome.failure.kind.value if outcome.failure else ""
    seconds = outcome.evaluation_time or outcome.wall_time
    return [round(clock, 2), task.quality(experience), round(seconds, 3), failure]


if __name__ == "__main__":
    main()
