"""Measure what the contest's searches reached: qualities, hypervolume, times, failures, ranks, and what is chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, wilcoxon

from benchmarks.ftbench.replay import FEWEST_SUCCESSES, ReplayTask
from xautolm.objectives import hypervolume

SHARES = (0.25, 0.5, 1.0)
"""Of the budget, after which searches are compared."""
NEAR = (0.95, 0.99)
"""Of the way from the table's worst quality to its best: the time until then is measured."""
RESAMPLES = 2000
"""Of the tasks, for confidence intervals."""
CERTAIN = 0.05
"""Probability of chance below which a difference counts as one, after Holm's correction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What trials of a task give, by which qualities and times become numbers from 0 to 1."""

    lowest: np.ndarray
    """Worst quality, and minus the logarithm of the longest seconds, shape (2,)."""
    spread: np.ndarray
    """Distance to the best of both, shape (2,)."""
    volume: float
    """Hypervolume of all these trials in these numbers."""

    @classmethod
    def of(cls, task: ReplayTask) -> Scale:
        """Measure the successes of a task."""
        results = []
        for experience in task.successes:
            seconds = experience.outcome.evaluation_time or experience.outcome.wall_time
            results.append([task.quality(experience), seconds])
        return cls.of_results(np.asarray(results))

    @classmethod
    def of_results(cls, results: np.ndarray) -> Scale:
        """Measure qualities and seconds, shape (trials, 2)."""
        values = np.stack([results[:, 0], -np.log(results[:, 1])], axis=1)
        lowest = values.min(axis=0)
        spread = np.maximum(values.max(axis=0) - lowest, 1e-9)
        volume = hypervolume((values - lowest) / spread, np.zeros(2))
        return cls(lowest=lowest, spread=spread, volume=volume)

    def points(self, looks: Sequence[Sequence[object]]) -> np.ndarray:
        """Return the successes among looks as points from 0 to 1, shape (successes, 2)."""
        rows = [[look[1], -math.log(float(look[2]))] for look in looks if look[1] is not None]
        values = np.asarray(rows, dtype=float).reshape(-1, 2)
        return (values - self.lowest) / self.spread


def comparable(tasks: Mapping[str, ReplayTask]) -> dict[str, ReplayTask]:
    """Return the tasks on which searches can be compared.

    The others have hardly a success, or none that is better in both objectives than the worst of the table: each
    search would have the hypervolume 0 of 0 there. Their trials are still experience for other tasks.
    """
    suitable: dict[str, ReplayTask] = {}
    for name, task in tasks.items():
        if len(task.successes) >= FEWEST_SUCCESSES and Scale.of(task).volume > 0:
            suitable[name] = task
    return suitable


def scales_of(tasks: Mapping[str, ReplayTask]) -> dict[str, Scale]:
    """Return the scale of each task's trials by its name."""
    return {name: Scale.of(task) for name, task in tasks.items()}


def measured(results: Sequence[Mapping[str, object]], scales: Mapping[str, Scale]) -> pd.DataFrame:
    """Return one row of measures for each search.

    Columns: `task`, `method`, `seed`; `volume_25`, `best_25` and so on, shares of the scale's hypervolume and of its
    range of qualities after shares of the budget; `to_95`, `to_99`, the share of the budget after which that much of
    the best quality was reached, infinite if never; `seconds`, the mean evaluation time of what was proposed; `failed`,
    the share that failed; `above`, the share above the front of the cold paper search (`pge`) of the same seed; `ms`.
    """
    fronts = {
        (row["task"], row["seed"]): scales[str(row["task"])].points(row["looks"])
        for row in results
        if row["method"] == "pge"
    }
    rows = []
    for result in results:
        scale = scales[str(result["task"])]
        row = _measures(result, scale)
        front = fronts.get((result["task"], result["seed"]))
        if front is not None:
            points = scale.points(result["looks"])
            above = sum(_is_above(point, front) for point in points)
            row["above"] = above / len(result["looks"])
        rows.append(row)
    return pd.DataFrame(rows)


def _measures(result: Mapping[str, object], scale: Scale) -> dict[str, object]:
    """Return the measures of one search that need no other one."""
    looks = result["looks"]
    budget = float(result["budget"])
    row: dict[str, object] = {name: result[name] for name in ("task", "method", "seed", "ms")}
    for share in SHARES:
        points = scale.points([look for look in looks if look[0] <= share * budget])
        label = f"{share:.0%}".rstrip("%")
        row[f"volume_{label}"] = (
            hypervolume(points, np.zeros(2)) / scale.volume if len(points) else 0.0
        )
        row[f"best_{label}"] = points[:, 0].max() if len(points) else 0.0
    qualities = [
        (look[0], (look[1] - scale.lowest[0]) / scale.spread[0])
        for look in looks
        if look[1] is not None
    ]
    for near in NEAR:
        reached = [clock for clock, quality in qualities if quality >= near]
        row[f"to_{near:.0%}".rstrip("%")] = min(reached) / budget if reached else math.inf
    row["seconds"] = float(np.mean([look[2] for look in looks]))
    row["failed"] = float(np.mean([look[1] is None for look in looks]))
    row["looks"] = len(looks)
    return row


def _is_above(point: np.ndarray, front: np.ndarray) -> bool:
    """Return whether no point of a front is as good in both objectives."""
    return not bool((front >= point).all(axis=1).any())


def speedups(results: Sequence[Mapping[str, object]], ours: str, theirs: str) -> list[float]:
    """Return how many times sooner ours reaches the other's final best quality than the other did, by task and seed.

    0 where ours never reaches it; searches of the other without a success are left out.
    """
    searches: dict[tuple[object, object, object], list[Sequence[object]]] = {}
    for row in results:
        # The last trial of a search ends after its budget.
        in_budget = [look for look in row["looks"] if look[0] <= row["budget"]]
        searches[row["task"], row["seed"], row["method"]] = in_budget
    ratios: list[float] = []
    for (task, seed, method), looks in searches.items():
        goal = _best(looks)
        if method != theirs or goal is None or (task, seed, ours) not in searches:
            continue
        their_time = _time_to(looks, goal)
        our_time = _time_to(searches[task, seed, ours], goal)
        ratios.append(their_time / our_time)
    return ratios


def _best(looks: Sequence[Sequence[object]]) -> float | None:
    """Return the best quality among looks; None if all failed."""
    return max((look[1] for look in looks if look[1] is not None), default=None)


def _time_to(looks: Sequence[Sequence[object]], goal: float) -> float:
    """Return the seconds on the clock when a quality was reached; infinite if it never was."""
    reached = (look[0] for look in looks if look[1] is not None and look[1] >= goal)
    return min(reached, default=math.inf)


def ranks(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the mean rank of each method over tasks, 1 is best, with a 95 % interval from resampled tasks.

    Methods are ranked by their means over seeds on each task. Only methods that were played on every task take part.
    """
    means = table.pivot_table(index="task", columns="method", values=column).dropna(axis=1)
    ranked = rankdata(-means.to_numpy(), axis=1)
    rng = np.random.default_rng(0)
    resampled = rng.integers(len(ranked), size=(RESAMPLES, len(ranked)))
    # Shape (resamples, methods).
    resampled_means = ranked[resampled].mean(axis=1)
    low, high = np.quantile(resampled_means, [0.025, 0.975], axis=0)
    rows = pd.DataFrame(
        {"rank": ranked.mean(axis=0), "low": low, "high": high}, index=means.columns
    )
    return rows.sort_values("rank")


def lost_tasks(table: pd.DataFrame, ours: str, peer: str, column: str) -> list[str]:
    """Return the tasks on which a peer is better than ours by more than chance, paired by seed."""
    pairs = table.pivot_table(index=["task", "seed"], columns="method", values=column)
    chances: dict[str, float] = {}
    for task, rows in pairs[[ours, peer]].dropna().groupby(level="task"):
        differences = (rows[ours] - rows[peer]).to_numpy()
        # A task on which both are equal is a comparison, too, for Holm's correction.
        chance = wilcoxon(differences, alternative="less").pvalue if differences.any() else 1.0
        chances[str(task)] = float(chance)
    return holm(chances)


def seeds_to_lose(tasks: int) -> int:
    """Return how many seeds it takes for `lost_tasks` to find a loss on one of some tasks.

    Where a peer is better with every seed, the chance by Wilcoxon's test is a half to the power of the seeds; the first
    step of Holm's correction compares it with `CERTAIN` over the number of tasks.
    """
    return math.ceil(math.log2(tasks / CERTAIN))


def holm(chances: Mapping[str, float]) -> list[str]:
    """Return the names whose chance is small enough by Holm's step-down correction."""
    certain: list[str] = []
    ordered = sorted(chances.items(), key=lambda item: item[1])
    for position, (name, chance) in enumerate(ordered):
        if chance > CERTAIN / (len(ordered) - position):
            break
        certain.append(name)
    return certain


def chance_of(table: pd.DataFrame, ours: str, peer: str, column: str) -> float:
    """Return how probable it is that ours and a peer differ by chance: Wilcoxon's test over the tasks' means."""
    means = table.pivot_table(index="task", columns="method", values=column)[[ours, peer]].dropna()
    differences = (means[ours] - means[peer]).to_numpy()
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)
