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
FIRST_TRUST, TRUST_WEIGHT = 0.9, 4.0
"""Trust in the store before any trial of the target, and how many trials that counts as."""
LEAST_WEIGHT = 1e-20
"""Of an experience, however far: it counts for nothing beside any other, but forests cannot learn where all weights are
0, and there is no logarithm of 0."""
LENGTH_SCALE = 0.9
"""Of the Gaussian process, in units of the encoded columns."""
NOISE = 0.1
FAILURE_BASE = 0.1
"""Chance of failure of a configuration of which nothing is known."""
STORE_FAILURE_WEIGHT, BASE_FAILURE_WEIGHT = 10.0, 2.0
"""How many of the target's own trials the store's opinion of failure, or the base chance, counts as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Opinions on some configurations."""

    scores: np.ndarray
    """Shape (configurations, objectives), as those of the evidence."""
    deviation: np.ndarray
    """How uncertain they are, same shape."""
    failure: np.ndarray
    """Chance of failure, shape (configurations,)."""


def heaviest(store: Sequence[Evidence]) -> list[Evidence]:
    """Return what the forests learn from of a store: the experiences of the largest weight."""
    return sorted(store, key=lambda evidence: -evidence.weight)[:LARGEST_STORE]


@dataclass(slots=True)
class Surrogates:
    """Models of the objectives and of failure over store and target together."""

    encoder: Encoder
    seed: int
    store: Sequence[Evidence]
    score_forest: Any = field(default=None, init=False)
    failure_forest: Any = field(default=None, init=False)
    heaviest: Sequence[Evidence] = field(default=(), init=False)
    """The experiences that the forests learned from."""
    rows: np.ndarray = field(init=False)
    """Their encoded configurations, shape (experiences, columns)."""
    weights: np.ndarray = field(init=False)
    """Their weights, shape (experiences,)."""

    def __post_init__(self) -> None:
        self.heaviest = heaviest(self.store)
        self.rows = self.encoder.rows(one.values for one in self.heaviest)
        weights = np.asarray([one.weight for one in self.heaviest], dtype=float)
        self.weights = np.maximum(weights, LEAST_WEIGHT)
        failed = np.asarray([one.failed for one in self.heaviest], dtype=bool)
        if (~failed).sum() >= 5:
            scores = np.asarray([one.scores for one in self.heaviest if one.scores is not None], dtype=float)
            self.score_forest = _forest(self.rows[~failed], scores, self.weights[~failed], self.seed)
        if len(failed) >= 5 and 0 < failed.sum() < len(failed):
            self.failure_forest = _forest(self.rows, failed[:, None].astype(float), self.weights, self.seed)

    def predict(
        self, target: Sequence[Evidence], rows: np.ndarray, trust: np.ndarray, failure_trust: float
    ) -> Prediction:
        """Opinions on encoded configurations.

        Args:
            target: The target's own trials; their qualities in standard deviations among themselves.
            rows: Shape (configurations, columns).
            trust: How far the store's opinion of each objective counts, shape (objectives,).
            failure_trust: How far its opinion of failure counts.
        """
        seen, scores = self._successes(target, len(trust))
        before_seen, before = (trust * self._opinion(some, len(trust)) for some in (seen, rows))
        found, deviation = _corrected(before_seen, before, seen, rows, scores)
        return Prediction(scores=found, deviation=deviation, failure=self.failure(target, rows, failure_trust))

    def trust_in_store(self, target: Sequence[Evidence], objectives: int) -> np.ndarray:
        """How far the store's opinion of each objective counts, shape (objectives,): its rank correlation with the
        target's own trials, as far as there are enough of them, else the first trust."""
        if self.score_forest is None:
            return np.zeros(objectives)
        seen, scores = self._successes(target, objectives)
        opinion = self._opinion(seen, objectives)
        agreement = np.asarray([_rank_correlation(opinion[:, one], scores[:, one]) for one in range(objectives)])
        # Two trials say nothing of a ranking, so the first two count for nothing.
        count = max(len(scores) - 2, 0)
        trust = (TRUST_WEIGHT * FIRST_TRUST + count * agreement) / (TRUST_WEIGHT + count)
        return np.asarray(np.clip(trust, 0.0, 1.0))

    def _opinion(self, rows: np.ndarray, objectives: int) -> np.ndarray:
        """The store's, shape (configurations, objectives)."""
        if self.score_forest is None or not len(rows):
            return np.zeros((len(rows), objectives))
        return np.asarray(self.score_forest.predict(rows)).reshape(-1, objectives)

    def _successes(self, target: Sequence[Evidence], objectives: int) -> tuple[np.ndarray, np.ndarray]:
        """Encoded configurations and scores of those trials of the target that have any."""
        good = [one for one in target if one.scores is not None]
        scores = np.asarray([one.scores for one in good], dtype=float).reshape(-1, objectives)
        return self.encoder.rows(one.values for one in good), scores

    def failure(self, target: Sequence[Evidence], rows: np.ndarray, trust: float) -> np.ndarray:
        """The store's opinion as far as it is trusted, else the base chance, and the target's own trials by number."""
        trust = trust if self.failure_forest is not None else 0.0
        opinion = FAILURE_BASE if self.failure_forest is None else np.clip(self.failure_forest.predict(rows), 0, 1)
        before = FAILURE_BASE + trust * (opinion - FAILURE_BASE) * np.ones(len(rows))
        if len({one.failed for one in target}) < 2:
            return np.asarray(before)
        seen = self.encoder.rows(one.values for one in target)
        own = _logistic(seen, [one.failed for one in target]).predict_proba(rows)[:, 1]
        weight = BASE_FAILURE_WEIGHT + trust * (STORE_FAILURE_WEIGHT - BASE_FAILURE_WEIGHT)
        return np.asarray((weight * before + len(target) * own) / (weight + len(target)))


def _logistic(rows: np.ndarray, failed: Sequence[bool]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=3.0, max_iter=200).fit(rows, np.asarray(failed, dtype=int))


def _forest(rows: np.ndarray, values: np.ndarray, weights: np.ndarray, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(FOREST, min_samples_leaf=2, max_features=0.7, random_state=seed % 2**31)
    return forest.fit(rows, values[:, 0] if values.shape[1] == 1 else values, sample_weight=weights)


def _corrected(
    before_seen: np.ndarray, before: np.ndarray, seen: np.ndarray, rows: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An opinion plus what a Gaussian process learned of its errors at the points seen: mean and deviation."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    if len(scores) < 2:
        return before + (scores - before_seen).sum(axis=0), np.ones_like(before)
    residuals = scores - before_seen
    process = GaussianProcessRegressor(RBF(LENGTH_SCALE), alpha=NOISE, optimizer=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, deviation = process.fit(seen, residuals - residuals.mean(axis=0)).predict(rows, return_std=True)
    return before + residuals.mean(axis=0) + mean.reshape(before.shape), np.asarray(deviation).reshape(before.shape)


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 3 or not np.ptp(first) or not np.ptp(second):
        return 0.0
    from scipy.stats import spearmanr

    return float(np.nan_to_num(spearmanr(first, second).statistic))
