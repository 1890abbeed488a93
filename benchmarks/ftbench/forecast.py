"""Measure how well failures are foreseen on tasks of a family that the store does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from benchmarks.ftbench.contest import SETTING, experiences_of, past_of
from benchmarks.ftbench.replay import FEWEST_SUCCESSES, ReplayTask
from benchmarks.ftbench.strategies import memory_of
from xautolm.search.candidates import Proposer

BINS = 10
"""Of the predicted chance, all as wide."""
WHOLE_TRUST = 1.0
"""In the store's opinion: nothing is known of the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What was predicted of trials before any trial of their task, and what came of them."""

    tasks: np.ndarray
    """Name of each trial's task, shape (trials,)."""
    chances: np.ndarray
    """Predicted chance of failure, shape (trials,)."""
    failed: np.ndarray
    """Whether it failed, shape (trials,)."""

    @property
    def auc(self) -> float:
        """Return the area under the ROC curve over the trials of all tasks."""
        return float(roc_auc_score(self.failed, self.chances))

    @property
    def auc_by_task(self) -> Mapping[str, float]:
        """Return the area of each task on which some trials failed and some did not."""
        areas: dict[str, float] = {}
        for name in sorted(set(self.tasks)):
            is_here = self.tasks == name
            failed = self.failed[is_here]
            if failed.any() and not failed.all():
                areas[name] = float(roc_auc_score(failed, self.chances[is_here]))
        return areas

    @property
    def brier(self) -> float:
        """Return the mean squared difference of chance and outcome."""
        return float(brier_score_loss(self.failed, self.chances))

    def bins(self) -> list[tuple[float, float, int]]:
        """Return mean chance, share that failed and number of trials, of each bin that has any."""
        positions = np.minimum((self.chances * BINS).astype(int), BINS - 1)
        rows = []
        for position in range(BINS):
            is_here = positions == position
            if is_here.any():
                chance = float(self.chances[is_here].mean())
                rows.append((chance, float(self.failed[is_here].mean()), int(is_here.sum())))
        return rows


def forecast(tasks: Mapping[str, ReplayTask], *, has_traits: bool = True) -> Forecast:
    """Return the forecast of every trial from the tasks of other families."""
    names: list[str] = []
    chances: list[float] = []
    failed: list[bool] = []
    for task in tasks.values():
        past = experiences_of(past_of(tasks, task))
        memory = memory_of(task, past, SETTING, has_traits=has_traits)
        proposer = Proposer(task.space, 0, memory)
        rows = proposer.encoder.rows(trial.configuration.values for trial in task.experiences)
        predicted = proposer.surrogates.failure((), rows, WHOLE_TRUST)
        names += [task.name] * len(rows)
        chances += predicted.tolist()
        failed += [trial.outcome.failed for trial in task.experiences]
    return Forecast(tasks=np.asarray(names), chances=np.asarray(chances), failed=np.asarray(failed))


def forecast_of_new_models(
    tasks: Mapping[str, ReplayTask], *, has_traits: bool = True
) -> tuple[Forecast, Mapping[str, float]]:
    """Return the forecast of every trial by a store that has neither its task's family nor its model.

    With it, the rank correlation of predicted and real quality by task.
    """
    from scipy.stats import spearmanr

    names: list[str] = []
    chances: list[float] = []
    failed: list[bool] = []
    correlations: dict[str, float] = {}
    for task in tasks.values():
        past = experiences_of(past_of(tasks, task))
        expected: list[float] = []
        real: list[float] = []
        for model in sorted({trial.configuration.model for trial in task.experiences}):
            of_others = [trial for trial in past if trial.configuration.model != model]
            memory = memory_of(task, of_others, SETTING, has_traits=has_traits)
            proposer = Proposer(task.space, 0, memory)
            trials = [trial for trial in task.experiences if trial.configuration.model == model]
            rows = proposer.encoder.rows(trial.configuration.values for trial in trials)
            chances += proposer.surrogates.failure((), rows, WHOLE_TRUST).tolist()
            failed += [trial.outcome.failed for trial in trials]
            names += [task.name] * len(trials)
            qualities = proposer.surrogates.past_quality(rows).tolist()
            for trial, quality in zip(trials, qualities, strict=True):
                standing = task.quality(trial)
                if standing is not None:
                    expected.append(quality)
                    real.append(standing)
        if len(real) >= FEWEST_SUCCESSES and np.ptp(expected):
            correlations[task.name] = float(spearmanr(expected, real).statistic)
    foreseen = Forecast(
        tasks=np.asarray(names), chances=np.asarray(chances), failed=np.asarray(failed)
    )
    return foreseen, correlations


def rank_correlation(
    tasks: Mapping[str, ReplayTask], *, has_traits: bool = True
) -> Mapping[str, float]:
    """Return the rank correlation of predicted and real quality, by task, from the tasks of other families."""
    from scipy.stats import spearmanr

    correlations: dict[str, float] = {}
    for task in tasks.values():
        past = experiences_of(past_of(tasks, task))
        memory = memory_of(task, past, SETTING, has_traits=has_traits)
        proposer = Proposer(task.space, 0, memory)
        successes = task.successes
        rows = proposer.encoder.rows(trial.configuration.values for trial in successes)
        expected = proposer.surrogates.past_quality(rows)
        real = [task.quality(trial) for trial in successes]
        if len(successes) >= FEWEST_SUCCESSES and np.ptp(expected):
            correlations[task.name] = float(spearmanr(expected, real).statistic)
    return correlations
