"""Choose configurations from past tasks: those of the nearest tasks, or those that together serve all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.ftbench.contestants import PastTask, TaskFeatures, Told
from xautolm.objectives import hypervolume_improvement
from xautolm.records import Values
from xautolm.search.candidates import leaders
from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence
from xautolm.space import Space

NEIGHBORS = 5
BEST_OF_EACH = 2
"""With five neighbours, ten configurations, as many as in the contest on NMTHPO."""
PORTFOLIO = 20
"""Configurations of a portfolio: half of the forty that a contest may ask for."""
LEAST_SECONDS = 1e-3
"""Evaluation time as which a smaller one counts: there is no logarithm of 0."""
CORNER_GAP = 0.1
"""Distance of the reference point to a task's worst trials, in spreads of its trials: the best in one objective gains
something even if it is the worst in the other."""
TIE_BREAK = 1e-4
"""Weight of a configuration's mean score where it adds nothing to any task's hypervolume."""


def log_seconds(trial: Told) -> float:
    """Return the natural logarithm of the evaluation time."""
    return float(np.log(max(trial.seconds, LEAST_SECONDS)))


def adopted(trials: Sequence[Told], space: Space) -> list[Told]:
    """Return those trials that have a place in a space, as configurations of it."""
    inside = []
    for trial in trials:
        configuration = space.adopt(trial.values).completed()
        if configuration is None:
            continue
        moved = Told(
            values=configuration.values,
            quality=trial.quality,
            seconds=trial.seconds,
            failure=trial.failure,
        )
        inside.append(moved)
    return inside


def adopted_by_task(past: Sequence[PastTask], space: Space) -> list[list[Told]]:
    """Return the trials of each past task that have a place in a space; tasks without any are left out."""
    trials_by_task: list[list[Told]] = []
    for task in past:
        trials = adopted(task.trials, space)
        if trials:
            trials_by_task.append(trials)
    return trials_by_task


def nearest_first(past: Sequence[PastTask], features: TaskFeatures) -> list[PastTask]:
    """Return past tasks by their distance from a target.

    Counts of rows and shares of classes differ by orders of magnitude: features count as signed logarithms, each
    divided by its standard deviation over all tasks. Only those that every task has are compared.
    """
    descriptions = [features]
    for task in past:
        descriptions.append(task.features)
    names: list[str] = []
    for name in features:
        if all(name in description for description in descriptions):
            names.append(name)

    rows: list[list[float]] = []
    for description in descriptions:
        row = [description[name] for name in names]
        rows.append(row)
    table = np.asarray(rows, dtype=float)
    scaled = np.sign(table) * np.log1p(np.abs(table))
    spread = scaled.std(axis=0)
    # What is the same for all tasks tells none from another.
    spread[spread == 0] = 1.0

    target = scaled[0]
    gaps = np.abs(scaled[1:] - target)
    distances = (gaps / spread).sum(axis=1)
    order = np.argsort(distances, kind="stable")
    return [past[position] for position in order]


def neighbors_best(space: Space, past: Sequence[PastTask], features: TaskFeatures) -> list[Values]:
    """Return what led on the nearest tasks: the best of each, the nearest one's first, then their second."""
    leading_by_task = []
    for task in nearest_first(past, features)[:NEIGHBORS]:
        trials = adopted(task.trials, space)
        leading_by_task.append(leading(trials, BEST_OF_EACH))
    best: list[Values] = []
    for rank in range(BEST_OF_EACH):
        for configurations in leading_by_task:
            # A task may have fewer successes than are wanted, and tasks may share a leader.
            if rank < len(configurations) and configurations[rank] not in best:
                best.append(configurations[rank])
    return best


def leading(trials: Sequence[Told], count: int) -> list[Values]:
    """Return the configurations that lead a task: each adds most to the hypervolume of those before it."""
    successes = []
    for trial in trials:
        if trial.quality is not None:
            scores = (trial.quality, -log_seconds(trial))
            successes.append(Evidence(values=trial.values, scores=scores))
    return [evidence.values for evidence in leaders(successes, count)]


def portfolio(space: Space, past: Sequence[PastTask], count: int = PORTFOLIO) -> list[Values]:
    """Return configurations of which each adds most to the mean, over past tasks, of the hypervolume so far.

    This is greedy submodular maximisation, as auto-sklearn 2.0 builds its portfolio (Feurer et al., 2022). Few
    configurations were run on every task: where one was not, the nearest that was stands for it.
    """
    trials_by_task = adopted_by_task(past, space)
    candidates = _distinct_successes(trials_by_task)
    if not candidates:
        return []
    scores_by_task = _scores_of(candidates, trials_by_task, space)
    mean_scores = np.mean(scores_by_task, axis=(0, 2))
    corner = np.full(2, -CORNER_GAP)
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        gains = TIE_BREAK * mean_scores
        for scores in scores_by_task:
            quality, speed = scores.T
            gains = gains + hypervolume_improvement(quality, speed, scores[chosen], corner)
        # Nothing is chosen twice.
        gains[chosen] = -np.inf
        best = int(np.argmax(gains))
        chosen.append(best)
    return [candidates[position] for position in chosen]


def _scores_of(
    candidates: Sequence[Values], trials_by_task: Sequence[Sequence[Told]], space: Space
) -> list[np.ndarray]:
    """Return, for each task, the scores of the trials that are nearest to candidates, shape (candidates, 2)."""
    encoder = Encoder.of_space(space)
    candidate_rows = encoder.rows(candidates)
    scores_by_task: list[np.ndarray] = []
    for trials in trials_by_task:
        trial_rows = encoder.rows(trial.values for trial in trials)
        # Every candidate against every trial, shape (candidates, trials, columns).
        gaps = candidate_rows[:, None, :] - trial_rows[None, :, :]
        distances = (gaps**2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        scores = _unit_scores(trials)
        scores_by_task.append(scores[nearest])
    return scores_by_task


def _distinct_successes(trials_by_task: Sequence[Sequence[Told]]) -> list[Values]:
    """Return every configuration that succeeded on some task, once."""
    distinct: dict[frozenset[tuple[str, object]], Values] = {}
    for trials in trials_by_task:
        for trial in trials:
            key = frozenset(trial.values.items())
            if not trial.failed:
                distinct.setdefault(key, trial.values)
    return list(distinct.values())


def _unit_scores(trials: Sequence[Told]) -> np.ndarray:
    """Return quality and speed of a task's trials from 0, its worst, to 1, its best.

    Failures are the corner that volumes begin at, so they add nothing.
    """
    scores = np.full((len(trials), 2), -CORNER_GAP)
    succeeded: list[int] = []
    objectives: list[tuple[float, float]] = []
    for position, trial in enumerate(trials):
        if trial.quality is not None:
            succeeded.append(position)
            objectives.append((trial.quality, -log_seconds(trial)))
    if not succeeded:
        return scores
    values = np.asarray(objectives)
    lowest = values.min(axis=0)
    width = values.max(axis=0) - lowest
    # Trials that are all alike have no width to divide by.
    width[width == 0] = 1.0
    scores[succeeded] = (values - lowest) / width
    return scores
