"""Write the page of the contest from its results: tables, pictures, and which goals were met.

python -m benchmarks.ftbench.page TABLE.parquet RESULTS.jsonl [--surrogates RESULTS.jsonl] --out docs/contest.md
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from benchmarks.ftbench.contest import SHARE_OF_TABLE, Kind, read_results
from benchmarks.ftbench.forecast import (
    Forecast,
    forecast,
    forecast_of_new_models,
    rank_correlation,
)
from benchmarks.ftbench.measures import (
    SHARES,
    chance_of,
    comparable,
    lost_tasks,
    measured,
    ranks,
    scales_of,
    seeds_to_lose,
    speedups,
)
from benchmarks.ftbench.peers.catalog import ENVIRONMENTS
from benchmarks.ftbench.replay import ReplayTask, read_tasks
from benchmarks.ftbench.strategies import COLD, MISLED, MODELS_ALONE, OURS
from benchmarks.ftbench.surrogate import SAMPLE, fidelity, modelled, surrogates_of

PAPER_COLD = "pge"
"""The paper's search without experience."""
OF_OURS = {COLD, MISLED, MODELS_ALONE}
"""Rows that show what our own search does with other stores, or without a part of it; no peers of it."""
DRAWN = (OURS, COLD, MISLED, PAPER_COLD, "random", "tpe")
"""Methods whose curves are drawn."""
GRID = np.linspace(0.02, 1.0, 50)
"""Shares of the budget at which curves are drawn."""


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--surrogates", type=Path, help="results on models of the table")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tasks = read_tasks(options.table)
    on_surrogates: list[dict[str, object]] = []
    if options.surrogates is not None:
        on_surrogates = read_results(options.surrogates, tasks, Kind.SURROGATES)
    write_page(tasks, read_results(options.results, tasks), options.out, on_surrogates)


def write_page(
    tasks: Mapping[str, ReplayTask],
    results: Sequence[Mapping[str, object]],
    file: Path,
    on_surrogates: Sequence[Mapping[str, object]] = (),
) -> Path:
    """Write the page, and its pictures into the folder `pictures` beside it; return its path.

    Args:
        tasks: All of the table.
        results: Searches on the table.
        file: The page.
        on_surrogates: Searches on models of the table; without any, the page does not speak of them.
    """
    played = comparable(tasks)
    results = [result for result in results if result["task"] in played]
    table = measured(results, scales_of(played))
    foreseen = forecast(tasks)
    pictures = file.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    draw_curves(results, played, pictures / "contest-curves.svg")
    draw_ranks(table, pictures / "contest-ranks.svg")
    draw_trust(results, pictures / "trust.svg")
    draw_forecast(foreseen, pictures / "contest-failures.svg")
    parts = [
        introduction(tasks, played, table),
        "## What must be reached\n",
        goals(table, results, foreseen),
        "## All methods\n",
        standings(table),
        "![Mean ranks](pictures/contest-ranks.svg)\n",
        failures(foreseen, tasks),
    ]
    if on_surrogates:
        parts.append(asked_exactly(tasks, on_surrogates))
    file.write_text("\n".join(parts), encoding="utf-8")
    return file


def introduction(
    tasks: Mapping[str, ReplayTask], played: Mapping[str, ReplayTask], table: pd.DataFrame
) -> str:
    """Say what was played: on which of the tasks, with how many seeds, and how long searches were."""
    trials = [trial for task in tasks.values() for trial in task.experiences]
    failed = sum(trial.outcome.failed for trial in trials)
    counts = [len(task.experiences) for task in played.values()]
    seeds = table.groupby("method")["seed"].nunique().tolist()
    lengths = table["looks"].quantile([0.25, 0.75])
    unplayed = ", ".join(sorted(set(tasks) - set(played))) or "none"
    return f"""# The contest

Made by `make bench-search` from the table of real trials (`benchmarks/ftbench`, its data sheet says how they were run):
{len(trials):,} trials of the preset `default` on {len(tasks)} tasks, of which {failed:,} failed. A search proposes a
configuration, and is told what the nearest trial of the table that it has not looked up yet gave. It may spend
{SHARE_OF_TABLE:.0%} of the seconds that all trials of the task took; a clock counts each trial's wall time. Those that
begin with experience have the trials of all tasks of the same type but those that share sentences with the target.
Seeds of a method: {span(seeds)}. Tasks that are past only, with too few successes to compare searches: {unplayed}.

A task has {span(counts)} trials, of which the middle half of the searches looked up
{lengths[0.25]:.0f} to {lengths[0.75]:.0f}. Peers that begin with eight random trials are random search until then:
where searches are shorter, this compares beginnings, not what a peer learns from the target's trials.

![Mean hypervolume by share of the budget; bands hold the middle half of the tasks](pictures/contest-curves.svg)
"""


def span(counts: Sequence[int]) -> str:
    """Return the least and the largest of some counts, one where they are equal."""
    least, largest = min(counts), max(counts)
    return f"{least}" if least == largest else f"{least} to {largest}"


def asked_exactly(tasks: Mapping[str, ReplayTask], results: Sequence[Mapping[str, object]]) -> str:
    """Say what searches reach that are told of the very configurations that they ask for."""
    surrogates = surrogates_of(tasks)
    scales = {name: surrogate.scale() for name, surrogate in surrogates.items()}
    table = measured(results, scales)
    judged = fidelity(modelled(tasks))
    seeds = table.groupby("method")["seed"].nunique().tolist()
    played, known = span(seeds), f"{judged.right:.0%}"
    introduction = f"""## Asked exactly

Often the nearest trial of the table is not what a search asked for. Here forests answer for the very configuration
(`--surrogates`), on the {len(scales)} tasks of text classification, {played} seeds. They know all trials of the table,
as no search does. Of trials that they have not seen (a tenth at a time) they foresee the order of qualities within a
task with a rank correlation of {judged.quality:.2f}, that of seconds with {judged.seconds:.2f}, failures with an AUC of
{judged.failure:.2f}, and {known} of all trials as they ended. So this says what searches do in such a world, not what
they reach on these data sets: a forest has its best values where it has seen trials, which favours searches that ask
for what was best elsewhere (kNN, the portfolio). The best that is known are {SAMPLE:,} random configurations and those
of the table.
"""
    return "\n".join([introduction, goals(table, results), standings(table)])


def goals(
    table: pd.DataFrame,
    results: Sequence[Mapping[str, object]],
    foreseen: Forecast | None = None,
) -> str:
    """Return the table of what has to be reached, and what was.

    Args:
        table: Measures of the searches.
        results: The searches.
        foreseen: What was foreseen of the table's trials; None leaves that goal out.
    """
    rows: list[tuple[str, str, bool]] = []
    means = table.groupby(["task", "method"]).mean(numeric_only=True)
    ours = means.xs(OURS, level="method")
    paper = means.xs(PAPER_COLD, level="method").loc[ours.index]

    gains = ours["best_100"] - paper["best_100"]
    equal = int((gains >= -1e-9).sum())
    better = int((gains > 1e-9).sum())
    rows.append(
        (
            "peak quality at least that of `pge` cold on every task, better on 80 %",
            f"at least on {equal} of {len(gains)}, better on {better}",
            equal == len(gains) and better >= 0.8 * len(gains),
        )
    )
    ratio = float(np.exp(np.log(paper["seconds"] / ours["seconds"]).mean()))
    rows.append(("mean evaluation time 4.5 times lower", f"{ratio:.1f} times", ratio >= 4.5))
    failed, failed_cold = float(ours["failed"].mean()), float(paper["failed"].mean())
    times = failed_cold / failed if failed else math.inf
    rows.append(
        (
            "failed share 7 times lower and at most 2 %",
            f"{failed:.1%} against {failed_cold:.1%}, {times:.1f} times",
            times >= 7 and failed <= 0.02,
        )
    )
    more = float(ours["above"].mean())
    rows.append(
        ("half of the proposals above its front", f"{more:.0%} of the proposals", more >= 0.5)
    )
    ratio = float(np.median(speedups(results, OURS, PAPER_COLD)))
    rows.append(
        ("time to its final best 10 times shorter (median)", f"{ratio:.1f} times", ratio >= 10)
    )

    for share in SHARES:
        column = f"volume_{share:.0%}".rstrip("%")
        peers = [name for name in table["method"].unique() if name not in OF_OURS]
        standing = ranks(table[table["method"].isin(peers)], column)
        first = str(standing.index[0])
        rows.append(
            (
                f"first in mean rank of hypervolume at {share:.0%} of the budget",
                f"{OURS} {standing.loc[OURS, 'rank']:.2f}, first is {first}",
                first == OURS,
            )
        )
    peers = sorted(set(table["method"]) - {OURS, *OF_OURS})
    against_peers = [(OURS, peer) for peer in peers]
    rows.append(losses("no task lost significantly to a peer", table, against_peers))
    goal = "with a misleading store no task significantly worse than with an empty one"
    rows.append(losses(goal, table, [(MISLED, COLD)]))
    if foreseen is not None:
        rows.append(
            ("failures foreseen with an AUC of .95", f"{foreseen.auc:.3f}", foreseen.auc >= 0.95)
        )
    lines = ["| goal | measured | met |", "| --- | --- | --- |"]
    for goal, value, is_met in rows:
        lines.append(f"| {goal} | {value} | {'yes' if is_met else '**no**'} |")
    return "\n".join([*lines, ""])


def losses(
    goal: str, table: pd.DataFrame, pairs: Sequence[tuple[str, str]]
) -> tuple[str, str, bool]:
    """Return the row of a goal that the first of each pair of methods loses no task to the second.

    It is not met by comparisons that too few seeds were played for: those could not have found a loss.
    """
    lost: list[str] = []
    undecided: list[str] = []
    needed = seeds_to_lose(table["task"].nunique())
    for ours, peer in pairs:
        names = lost_tasks(table, ours, peer, "volume_100")
        if names:
            lost.append(f"{peer}: {', '.join(names)}")
        seeds = min(table[table["method"] == method]["seed"].nunique() for method in (ours, peer))
        if seeds < needed:
            undecided.append(peer)
    text = "; ".join(lost) or "none"
    if undecided:
        text += f"; undecided for want of {needed} seeds: {', '.join(undecided)}"
    return goal, text, not lost and not undecided


def standings(table: pd.DataFrame) -> str:
    """Return a row of measures for each method, the best hypervolume at half of the budget first."""
    columns = {
        "volume_25": "hypervolume at 25 %",
        "volume_50": "50 %",
        "volume_100": "100 %",
        "best_50": "best at 50 %",
        "best_100": "100 %",
        "failed": "failed",
        "seconds": "mean seconds",
        "above": "above front",
        "looks": "trials",
        "ms": "ms",
    }
    means = table.groupby(["method", "task"]).mean(numeric_only=True).groupby("method").mean()
    means = means.sort_values("volume_50", ascending=False)
    standing = ranks(table, "volume_50")
    header = ["method", "rank at 50 % (95 %)", *columns.values(), "p at 50 %"]
    lines = [
        "Means over tasks and seeds. Hypervolume and best quality are shares of the best that is known. p: that the "
        f"hypervolume differs from that of {OURS} by chance (Wilcoxon's test over the tasks, of each method by "
        "itself: of twenty methods that are no different, one has a p below .05). Ranks are among all rows, over tasks "
        "that were played by all; their intervals are of resampled tasks. ms: processor time of a proposal, where "
        "the search does not run in an interpreter of its own.",
        "",
        f"| {' | '.join(header)} |",
        "| --- |" + " --- |" * (len(header) - 1),
    ]
    for method, row in means.iterrows():
        rank = standing.loc[method] if method in standing.index else None
        cells = [str(method)]
        cells.append(
            f"{rank['rank']:.1f} ({rank['low']:.1f} to {rank['high']:.1f})"
            if rank is not None
            else ""
        )
        for column in columns:
            cells.append(_measure_in_words(str(method), column, row[column]))
        chance = "" if method == OURS else f"{chance_of(table, OURS, str(method), 'volume_50'):.3f}"
        cells.append(chance)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _measure_in_words(method: str, column: str, value: float) -> str:
    """Return a cell of the standings."""
    # What a peer computes in an interpreter of its own is not counted in this one.
    if column == "ms" and method.startswith(tuple(f"{other.name} " for other in ENVIRONMENTS)):
        return ""
    digits = 0 if column in ("looks", "ms", "seconds") else 3
    return f"{value:.{digits}f}"


def failures(foreseen: Forecast, tasks: Mapping[str, ReplayTask]) -> str:
    """Say how well failures and qualities are foreseen on tasks of another family."""
    by_name = forecast(tasks, has_traits=False)
    areas = foreseen.auc_by_task
    mean_area = np.mean(list(areas.values()))
    worst = min(areas, key=lambda name: areas[name])
    correlation = np.mean(list(rank_correlation(tasks).values()))
    correlation_by_name = np.mean(list(rank_correlation(tasks, has_traits=False).values()))
    return f"""## What is foreseen before the first trial

The store has no task of the target's family.

| columns of the models | AUC, all trials | Brier score | rank correlation of quality |
| --- | --- | --- | --- |
| names, values and traits | {foreseen.auc:.3f} | {foreseen.brier:.3f} | {correlation:.3f} |
| names and values | {by_name.auc:.3f} | {by_name.brier:.3f} | {correlation_by_name:.3f} |
{new_model_row("the same, of a model that the store lacks: names, values and traits", tasks, has_traits=True)}
{new_model_row("names and values", tasks, has_traits=False)}

By task, with traits: AUC {mean_area:.3f} on the mean of {len(areas)} tasks, worst {areas[worst]:.3f} ({worst}).

![Predicted chance of failure and share that failed](pictures/contest-failures.svg)
"""


def new_model_row(title: str, tasks: Mapping[str, ReplayTask], *, has_traits: bool) -> str:
    """Return the row of forecasts of models that the store lacks."""
    foreseen, correlations = forecast_of_new_models(tasks, has_traits=has_traits)
    correlation = np.mean(list(correlations.values()))
    return f"| {title} | {foreseen.auc:.3f} | {foreseen.brier:.3f} | {correlation:.3f} |"


def draw_curves(
    results: Sequence[Mapping[str, object]], tasks: Mapping[str, ReplayTask], file: Path
) -> None:
    """Draw the mean hypervolume by share of the budget, with the quarter to three quarters of the tasks as a band."""
    from xautolm.objectives import hypervolume

    scales = scales_of(tasks)
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for method in DRAWN:
        curves: dict[str, list[np.ndarray]] = {}
        for result in results:
            if result["method"] != method:
                continue
            scale = scales[str(result["task"])]
            curve = []
            for share in GRID:
                looks = [look for look in result["looks"] if look[0] <= share * result["budget"]]
                points = scale.points(looks)
                curve.append(
                    hypervolume(points, np.zeros(2)) / scale.volume if len(points) else 0.0
                )
            curves.setdefault(str(result["task"]), []).append(np.asarray(curve))
        if not curves:
            continue
        by_task = np.asarray([np.mean(seeds, axis=0) for seeds in curves.values()])
        (line,) = axes.plot(100 * GRID, by_task.mean(axis=0), label=method)
        low, high = np.quantile(by_task, [0.25, 0.75], axis=0)
        if method in (OURS, PAPER_COLD):
            axes.fill_between(
                100 * GRID, low, high, color=line.get_color(), alpha=0.15, linewidth=0
            )
    axes.set(xlabel="% of the budget", ylabel="share of the table's hypervolume", ylim=(0, 1))
    # Outside: curves lie everywhere between 0 and 1.
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    _save(figure, file)


def draw_ranks(table: pd.DataFrame, file: Path) -> None:
    """Draw the mean rank of each method at half of the budget, with its interval."""
    standing = ranks(table, "volume_50")[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(standing) + 1))
    errors = [standing["rank"] - standing["low"], standing["high"] - standing["rank"]]
    axes.errorbar(standing["rank"], range(len(standing)), xerr=errors, fmt="o", capsize=3)
    axes.set_yticks(range(len(standing)), standing.index)
    axes.set(xlabel="mean rank of hypervolume at 50 % of the budget (1 is best), 95 % interval")
    _save(figure, file)


def draw_trust(results: Sequence[Mapping[str, object]], file: Path) -> None:
    """Draw the mean trust in a store that helps and in one that misleads, by trials of the target."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for method in (OURS, MISLED):
        searches = trusting(results, method)
        if not searches:
            continue
        # As long as three quarters of the searches go on: the others had longer trials.
        length = int(np.quantile([len(search) for search in searches], 0.25))
        trusts = [search[:length] for search in searches if len(search) >= length]
        by_trial = np.asarray(trusts)
        low, high = np.quantile(by_trial, [0.25, 0.75], axis=0)
        numbers = range(1, length + 1)
        (line,) = axes.plot(numbers, by_trial.mean(axis=0), label=method)
        axes.fill_between(numbers, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="proposal of the strategy", ylabel="trust in the store", ylim=(0, 1))
    axes.legend(frameon=False)
    _save(figure, file)


def trusting(results: Sequence[Mapping[str, object]], method: str) -> list[list[float]]:
    """Return the trust in each proposal of the strategy, of each search of a method that had something to trust.

    What an opening proposes follows no store. A search of which the past has next to nothing, as one of the two tasks
    of questions, does not say how far it follows it.
    """
    searches: list[list[float]] = []
    for result in results:
        trusts = [look[4] for look in result["looks"] if look[4] is not None]
        if result["method"] == method and trusts:
            searches.append(trusts)
    return searches


def draw_forecast(foreseen: Forecast, file: Path) -> None:
    """Draw predicted chances of failure against the shares that failed."""
    figure, axes = plt.subplots(figsize=(4.5, 4.5))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    chances, shares, counts = zip(*foreseen.bins(), strict=True)
    axes.scatter(chances, shares, s=[10 + count for count in counts])
    axes.set(
        xlabel="predicted chance of failure", ylabel="share that failed", xlim=(0, 1), ylim=(0, 1)
    )
    _save(figure, file)


def _save(figure: plt.Figure, file: Path) -> None:
    """Write a picture; the same one where nothing has changed."""
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
