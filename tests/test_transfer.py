"""What experience does to a search, on the made-up tasks of benchmarks/synthetic.py."""

from __future__ import annotations

import math
import statistics
from functools import cache

import pytest

from benchmarks.synthetic import SPACE, related_tasks, reversed_task
from benchmarks.transfer_synthetic import Search, search, store_of, warm

Results = dict[str, list[Search]]


@cache
def results(first: int, count: int) -> Results:
    """`pge` and `xautolm` from zero, and `xautolm` with a store of related tasks and with a misleading one."""
    found: Results = {"pge": [], "zero": [], "related": [], "reversed": []}
    for seed in range(first, first + count):
        *known, target = related_tasks(5, seed)
        remember = warm("moderate-linear")
        found["pge"].append(search("pge", None, target, seed))
        found["zero"].append(search("xautolm", None, target, seed))
        found["related"].append(
            search("xautolm", remember(store_of(known, seed), target), target, seed)
        )
        found["reversed"].append(
            search(
                "xautolm", remember(store_of([reversed_task(target)], seed), target), target, seed
            )
        )
    return found


def mean_failures(searches: list[Search]) -> float:
    return statistics.mean(one.failures() for one in searches)


def check(found: Results, share_of_failures: float) -> None:
    goals = [one.best() for one in found["pge"]]
    needed = statistics.median(
        one.trials_to(goal) for one, goal in zip(found["related"], goals, strict=True)
    )
    assert needed <= 10
    assert mean_failures(found["related"]) <= mean_failures(found["pge"]) * share_of_failures
    kept = [
        one.volume() / zero.volume()
        for one, zero in zip(found["reversed"], found["zero"], strict=True)
    ]
    assert statistics.mean(kept) >= 0.9
    assert all(math.isfinite(one.seconds()) for one in found["related"])


@pytest.mark.slow
def test_related_tasks_help_and_misleading_ones_cost_little() -> None:
    check(results(200, 3), 0.5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_same_over_30_seeds() -> None:
    check(results(0, 30), 0.25)


def test_the_store_changes_the_proposals() -> None:
    *known, target = related_tasks(5, 200)
    store = store_of(known, 200)
    related = search("xautolm", warm("moderate-linear")(store, target), target, 200, trials=6)
    zero = search("xautolm", None, target, 200, trials=6)
    assert [one.values for one in zero.configurations[1:]] != [
        one.values for one in related.configurations[1:]
    ]


def test_proposals_are_reproducible() -> None:
    *known, target = related_tasks(5, 300)
    store = store_of(known, 300)
    first, second = (
        search("xautolm", warm("moderate-linear")(store, target), target, 300, trials=8)
        for _ in range(2)
    )
    assert first.configurations == second.configurations
    assert all(SPACE.problems(one.values) == [] for one in first.configurations)
