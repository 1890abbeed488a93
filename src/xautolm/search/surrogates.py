"""What past and present trials say of a configuration: its quality, its seconds, the chance that it fails.

The store's experiences train forests once. The target's own trials correct them: a Gaussian process learns the
residuals of quality and of time, a logistic regression the chance of failure. How far the store is believed is learned
too: its opinion of quality counts as much as it agrees with the target's own trials, so a store that misleads fades.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence

FOREST = 48
LARGEST_STORE = 1_500
"""Experiences that the forests learn from, those of the largest weight."""
FIRST_TRUST, TRUST_WEIGHT = 0.9, 1.5
"""Trust in the store before any trial of the target, and how many trials that counts as."""
LENGTH_SCALE = 0.9
"""Of the Gaussian process, in units of the encoded columns."""
NOISE = 0.1
FAILURE_BASE = 0.1
"""Chance of failure of a configuration of which nothing is known."""
STORE_FAILURE_WEIGHT, BASE_FAILURE_WEIGHT = 10.0, 2.0
"""How many of the target's own trials the store's opinion of failure, or the base chance, counts as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Opinions on some configurations; every array has one entry for each."""

    quality: np.ndarray
    """Shape (configurations,): the first objective in standard deviations of the target's own successes."""
    deviation: np.ndarray
    """How uncertain that is."""
    log_seconds: np.ndarray
    failure: np.ndarray
    """Chance of failure."""


@dataclass(slots=True)
class Surrogates:
    """Models of quality, time and failure over store and target together."""

    encoder: Encoder
    seed: int
    store: Sequence[Evidence]
    quality_forest: Any = field(default=None, init=False)
    time_forest: Any = field(default=None, init=False)
    failure_forest: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        heaviest = sorted(self.store, key=lambda one: -one.weight)[:LARGEST_STORE]
        good = [one for one in heaviest if one.quality is not None]
        if len(good) >= 5:
            rows, weights = self.encoder.rows(one.values for one in good), [one.weight for one in good]
            self.quality_forest = _forest(rows, [one.quality for one in good], weights, self.seed)
            self.time_forest = _forest(rows, [one.log_seconds for one in good], weights, self.seed)
        if len(heaviest) >= 5 and len({one.failed for one in heaviest}) == 2:
            rows, weights = self.encoder.rows(one.values for one in heaviest), [one.weight for one in heaviest]
            self.failure_forest = _forest(rows, [float(one.failed) for one in heaviest], weights, self.seed)

    def predict(self, target: Sequence[Evidence], rows: np.ndarray, trust: float, failure_trust: float) -> Prediction:
        """Opinions on encoded configurations.

        Args:
            target: The target's own trials; their qualities in standard deviations among themselves.
            rows: Shape (configurations, columns).
            trust: How far the store's opinion of quality counts; of time it always does.
            failure_trust: How far its opinion of failure counts.
        """
        good = [one for one in target if one.quality is not None]
        seen = self.encoder.rows(one.values for one in good)
        qualities = np.asarray([one.quality for one in good], dtype=float)
        times = np.asarray([one.log_seconds for one in good], dtype=float)
        quality, deviation = _corrected(
            trust * _opinion(self.quality_forest, seen),
            trust * _opinion(self.quality_forest, rows),
            seen,
            rows,
            qualities,
        )
        log_seconds, _ = _corrected(
            _opinion(self.time_forest, seen), _opinion(self.time_forest, rows), seen, rows, times
        )
        return Prediction(
            quality=quality,
            deviation=deviation,
            log_seconds=log_seconds,
            failure=self._failure(target, rows, failure_trust),
        )

    def trust_in_store(self, target: Sequence[Evidence]) -> float:
        """How far the store's opinion of quality counts: its rank correlation with the target's own trials, as far as
        there are enough of them, else the first trust."""
        if self.quality_forest is None:
            return 0.0
        good = [one for one in target if one.quality is not None]
        opinion = _opinion(self.quality_forest, self.encoder.rows(one.values for one in good))
        agreement = _rank_correlation(opinion, np.asarray([one.quality for one in good], dtype=float))
        count = len(good) if len(good) > 2 else 0
        return min(max((TRUST_WEIGHT * FIRST_TRUST + count * agreement) / (TRUST_WEIGHT + count), 0.0), 1.0)

    def _failure(self, target: Sequence[Evidence], rows: np.ndarray, trust: float) -> np.ndarray:
        """The store's opinion as far as it is trusted, else the base chance, and the target's own trials by number."""
        trust = trust if self.failure_forest is not None else 0.0
        before = FAILURE_BASE + trust * (np.clip(_opinion(self.failure_forest, rows), 0, 1) - FAILURE_BASE)
        if len({one.failed for one in target}) < 2:
            return np.asarray(before)
        seen = self.encoder.rows(one.values for one in target)
        own = _logistic(seen, [one.failed for one in target]).predict_proba(rows)[:, 1]
        weight = BASE_FAILURE_WEIGHT + trust * (STORE_FAILURE_WEIGHT - BASE_FAILURE_WEIGHT)
        return np.asarray((weight * before + len(target) * own) / (weight + len(target)))


def _logistic(rows: np.ndarray, failed: Sequence[bool]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=3.0, max_iter=200).fit(rows, np.asarray(failed, dtype=int))


def _forest(rows: np.ndarray, targets: Sequence[float | None], weights: Sequence[float], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(FOREST, min_samples_leaf=2, max_features=0.7, random_state=seed % 2**31)
    return forest.fit(rows, np.asarray(targets, dtype=float), sample_weight=weights)


def _opinion(forest: Any, rows: np.ndarray) -> np.ndarray:
    return np.asarray(forest.predict(rows)) if forest is not None and len(rows) else np.zeros(len(rows))


def _corrected(
    before_seen: np.ndarray, before: np.ndarray, seen: np.ndarray, rows: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An opinion plus what a Gaussian process learned of its errors at the points seen: mean and deviation."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    if len(values) < 2:
        offset = float((values - before_seen).mean()) if len(values) else 0.0
        return before + offset, np.ones(len(rows))
    residuals = values - before_seen
    process = GaussianProcessRegressor(RBF(LENGTH_SCALE), alpha=NOISE, optimizer=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, deviation = process.fit(seen, residuals - residuals.mean()).predict(rows, return_std=True)
    return before + residuals.mean() + mean, np.asarray(deviation)


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 3 or not np.ptp(first) or not np.ptp(second):
        return 0.0
    from scipy.stats import spearmanr

    return float(np.nan_to_num(spearmanr(first, second).statistic))
