"""What past and present trials say of a configuration: its quality, its seconds, the chance that it fails.

The store's experiences train forests once. The target's own trials correct them: a Gaussian process learns the
residuals of quality and of time, a logistic regression the chance of failure. How far the store is believed is learned
too: its opinion of quality counts as much as it agrees with the target's own trials, so a store that misleads fades.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xautolm.search.encoding import Encoder
from xautolm.search.evidence import Evidence
from xautolm.search.settings import DEFAULTS, SearchSettings

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import LogisticRegression

LEAST_WEIGHT = 1e-20
"""Of an experience, however far: it counts for nothing beside any other, but forests cannot learn where all weights are
0, and there is no logarithm of 0."""
FEWEST = 5
"""Experiences without which no forest is trained: fewer make leaves of what is chance."""
UNRANKED = 2
"""Trials of the target that say nothing of a ranking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Opinions on some configurations."""

    scores: np.ndarray
    """Shape (configurations, objectives), as those of the evidence."""
    deviation: np.ndarray
    """How uncertain they are, same shape."""
    failure: np.ndarray
    """Chance of failure, shape (configurations,)."""


def heaviest(store: Iterable[Evidence], settings: SearchSettings = DEFAULTS) -> list[Evidence]:
    """Return what the forests learn from of a store: the experiences of the largest weight."""
    by_weight = sorted(store, key=lambda evidence: evidence.weight, reverse=True)
    return by_weight[: settings.largest_store]


@dataclass(slots=True)
class Surrogates:
    """Model the objectives and failure over store and target together.

    Args:
        encoder: Of configurations as rows.
        seed: Of the forests.
        store: Past experiences.
        settings: The tuned numbers.
    """

    encoder: Encoder
    seed: int
    store: Sequence[Evidence]
    settings: SearchSettings = DEFAULTS
    score_forest: ExtraTreesRegressor | None = field(default=None, init=False)
    failure_forest: ExtraTreesRegressor | None = field(default=None, init=False)
    heaviest: Sequence[Evidence] = field(default=(), init=False)
    """The experiences that the forests learned from."""
    rows: np.ndarray = field(init=False)
    """Their encoded configurations, shape (experiences, columns)."""
    weights: np.ndarray = field(init=False)
    """Their weights, shape (experiences,)."""

    def __post_init__(self) -> None:
        self.heaviest = heaviest(self.store, self.settings)
        self.rows = self.encoder.rows(evidence.values for evidence in self.heaviest)
        weights = np.asarray([evidence.weight for evidence in self.heaviest], dtype=float)
        self.weights = np.maximum(weights, LEAST_WEIGHT)
        failed = np.asarray([evidence.failed for evidence in self.heaviest], dtype=bool)
        succeeded = ~failed
        if succeeded.sum() >= FEWEST:
            scores = [evidence.scores for evidence in self.heaviest if evidence.scores is not None]
            values = np.asarray(scores, dtype=float)
            self.score_forest = self._forest(self.rows[succeeded], values, self.weights[succeeded])
        if len(failed) >= FEWEST and failed.any() and succeeded.any():
            values = failed[:, None].astype(float)
            self.failure_forest = self._forest(self.rows, values, self.weights)

    def predict(
        self, target: Sequence[Evidence], rows: np.ndarray, trust: np.ndarray, failure_trust: float
    ) -> Prediction:
        """Return opinions on encoded configurations.

        Args:
            target: The target's own trials; their qualities in standard deviations among themselves.
            rows: Shape (configurations, columns).
            trust: How far the store's opinion of each objective counts, shape (objectives,).
            failure_trust: How far its opinion of failure counts.
        """
        objectives = len(trust)
        own_rows, own_scores = self._successes(target, objectives)
        own_opinion = trust * self._opinion(own_rows, objectives)
        opinion = trust * self._opinion(rows, objectives)
        scores, deviation = self._corrected(own_rows, own_scores - own_opinion, rows, opinion)
        failure = self.failure(target, rows, failure_trust)
        return Prediction(scores=scores, deviation=deviation, failure=failure)

    def trust_in_store(self, target: Sequence[Evidence], objectives: int) -> np.ndarray:
        """Return how far the store's opinion of each objective counts, shape (objectives,).

        It is its rank correlation with the target's own trials, as far as there are enough of them, else the first
        trust.
        """
        if self.score_forest is None:
            return np.zeros(objectives)
        rows, scores = self._successes(target, objectives)
        opinion = self._opinion(rows, objectives)
        agreements = []
        for objective in range(objectives):
            agreements.append(_rank_correlation(opinion[:, objective], scores[:, objective]))
        agreement = np.asarray(agreements)
        count = max(len(scores) - UNRANKED, 0)
        weight = self.settings.trust_weight
        trust = (weight * self.settings.first_trust + count * agreement) / (weight + count)
        return np.asarray(np.clip(trust, 0.0, 1.0))

    def failure(self, target: Sequence[Evidence], rows: np.ndarray, trust: float) -> np.ndarray:
        """Return the chance of failure of encoded configurations, shape (configurations,).

        It is the store's opinion as far as that is trusted, else the usual chance, and what the target's own trials
        say, weighed by their number.
        """
        settings = self.settings
        before = np.full(len(rows), settings.usual_failure)
        weight = settings.usual_failure_weight
        if self.failure_forest is not None:
            opinion = np.clip(self.failure_forest.predict(rows), 0, 1)
            before = before + trust * (opinion - settings.usual_failure)
            weight += trust * (settings.store_failure_weight - settings.usual_failure_weight)
        failed = [evidence.failed for evidence in target]
        # What only failed, or only succeeded, has no boundary to be learned.
        if len(set(failed)) < 2:
            return before
        own_rows = self.encoder.rows(evidence.values for evidence in target)
        own = _logistic(own_rows, failed).predict_proba(rows)[:, 1]
        return np.asarray((weight * before + len(failed) * own) / (weight + len(failed)))

    def _opinion(self, rows: np.ndarray, objectives: int) -> np.ndarray:
        """Return the store's opinion of the scores, shape (configurations, objectives)."""
        if self.score_forest is None or not len(rows):
            return np.zeros((len(rows), objectives))
        return np.asarray(self.score_forest.predict(rows)).reshape(-1, objectives)

    def _successes(
        self, target: Sequence[Evidence], objectives: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the encoded configurations and the scores of those trials of the target that have any."""
        configurations = []
        scores = []
        for evidence in target:
            if evidence.scores is not None:
                configurations.append(evidence.values)
                scores.append(evidence.scores)
        rows = self.encoder.rows(configurations)
        return rows, np.asarray(scores, dtype=float).reshape(-1, objectives)

    def _forest(
        self, rows: np.ndarray, values: np.ndarray, weights: np.ndarray
    ) -> ExtraTreesRegressor:
        """Train a forest; values have shape (experiences, outputs)."""
        from sklearn.ensemble import ExtraTreesRegressor

        # scikit-learn's seeds end at 2^32 - 1, and a single output has to be a vector.
        seed = self.seed % 2**31
        targets = values[:, 0] if values.shape[1] == 1 else values
        forest = ExtraTreesRegressor(
            self.settings.trees, min_samples_leaf=2, max_features=0.7, random_state=seed
        )
        return forest.fit(rows, targets, sample_weight=weights)

    def _corrected(
        self, own_rows: np.ndarray, residuals: np.ndarray, rows: np.ndarray, opinion: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Correct an opinion by what a Gaussian process learned of its errors.

        Args:
            own_rows: Encoded configurations of the target's own trials, shape (trials, columns).
            residuals: Their scores less the opinion of them, shape (trials, objectives).
            rows: Encoded configurations, shape (configurations, columns).
            opinion: Of those, shape (configurations, objectives).

        Returns:
            Mean and standard deviation, both of the opinion's shape.
        """
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF

        # One point says by how much the opinion is off, not where.
        if len(residuals) < 2:
            return opinion + residuals.sum(axis=0), np.ones_like(opinion)
        offset = residuals.mean(axis=0)
        kernel = RBF(self.settings.length_scale)
        process = GaussianProcessRegressor(kernel, alpha=self.settings.noise, optimizer=None)
        with warnings.catch_warnings():
            # It warns of variances that rounding leaves below 0, and takes them for 0.
            warnings.simplefilter("ignore")
            process.fit(own_rows, residuals - offset)
            mean, deviation = process.predict(rows, return_std=True)
        shape = opinion.shape
        return opinion + offset + mean.reshape(shape), np.asarray(deviation).reshape(shape)


def _logistic(rows: np.ndarray, failed: Sequence[bool]) -> LogisticRegression:
    """Fit the chance of failure to the target's own trials."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=3.0, max_iter=200).fit(rows, np.asarray(failed, dtype=int))


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 where there is none, as for what does not vary."""
    if len(first) <= UNRANKED or not np.ptp(first) or not np.ptp(second):
        return 0.0
    from scipy.stats import spearmanr

    return float(np.nan_to_num(spearmanr(first, second).statistic))
