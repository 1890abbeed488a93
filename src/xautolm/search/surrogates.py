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

from xautolm.records import Values
from xautolm.search.encoding import Encoder, Rows
from xautolm.search.evidence import Evidence, Scores, Trials, scores_of
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
LARGEST_SEED = 2**31
"""Seeds of the forests lie below it: those of scikit-learn end at 2^32 - 1."""
LEAF = 2
"""Experiences in a leaf at least: a leaf of a single one would repeat it, chance included."""
TRIED_COLUMNS = 0.7
"""Share of the columns that each split of a tree chooses among."""
INVERSE_PENALTY = 3.0
"""Inverse of the strength with which the logistic regression is regularised; scikit-learn's `C`, there 1."""
STEPS = 200
"""Iterations of the logistic regression's solver at most; there 100."""


Trust = np.ndarray
"""How far the store's opinion of each objective counts, from 0 to 1, shape (objectives,)."""
Chances = np.ndarray
"""Chances of failure, from 0 to 1, shape (configurations,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Opinions on some configurations."""

    scores: Scores
    """Shape (configurations, objectives), as those of the evidence."""
    deviation: Scores
    """How uncertain they are, same shape."""
    failure: Chances
    """How likely each is to fail."""


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
    store: Trials
    settings: SearchSettings = DEFAULTS
    score_forest: ExtraTreesRegressor | None = field(default=None, init=False)
    failure_forest: ExtraTreesRegressor | None = field(default=None, init=False)
    heaviest: Trials = field(default=(), init=False)
    """The experiences that the forests learned from."""
    rows: Rows = field(init=False)
    """Their encoded configurations, shape (experiences, columns)."""
    weights: np.ndarray = field(init=False)
    """Their weights, shape (experiences,)."""

    def __post_init__(self) -> None:
        self.heaviest = heaviest(self.store, self.settings)
        configurations: list[Values] = []
        weights: list[float] = []
        scores: list[tuple[float, ...]] = []
        failures: list[bool] = []
        for experience in self.heaviest:
            configurations.append(experience.values)
            weights.append(experience.weight)
            failures.append(experience.failed)
            if experience.scores is not None:
                scores.append(experience.scores)
        self.rows = self.encoder.rows(configurations)
        weights_by_distance = np.asarray(weights, dtype=float)
        self.weights = np.maximum(weights_by_distance, LEAST_WEIGHT)

        # The scores are learned from successes, all objectives by one forest.
        failed = np.asarray(failures, dtype=bool)
        succeeded = ~failed
        if len(scores) >= FEWEST:
            values = np.asarray(scores, dtype=float)
            rows_of_successes = self.rows[succeeded]
            weights_of_successes = self.weights[succeeded]
            self.score_forest = self._forest(rows_of_successes, values, weights_of_successes)

        # The chance of failure is learned from all, as the mean of 1 for a failure and 0 for a success.
        has_both = failed.any() and succeeded.any()
        has_enough = len(failed) >= FEWEST
        if has_enough and has_both:
            outcomes = failed[:, None].astype(float)
            self.failure_forest = self._forest(self.rows, outcomes, self.weights)

    def predict(self, target: Trials, rows: Rows, trust: Trust, failure_trust: float) -> Prediction:
        """Return opinions on encoded configurations.

        Args:
            target: The target's own trials; their qualities in standard deviations among themselves.
            rows: The configurations.
            trust: How far the store's opinion of each objective counts.
            failure_trust: How far its opinion of failure counts.
        """
        objectives = len(trust)
        # Of the target's successes; shapes (successes, columns) and (successes, objectives).
        own_rows, own_scores = self._successes(target, objectives)
        own_opinion = self._opinion(own_rows, objectives)
        opinion = self._opinion(rows, objectives)
        # Shrunk toward the mean, which is 0, as far as the store is not trusted.
        own_opinion = trust * own_opinion
        opinion = trust * opinion
        # By how much the store is off on the target is learned from the target.
        residuals = own_scores - own_opinion
        scores, deviation = self._corrected(own_rows, residuals, rows, opinion)
        failure = self.failure(target, rows, failure_trust)
        return Prediction(scores=scores, deviation=deviation, failure=failure)

    def trust_in_store(self, target: Trials, objectives: int) -> Trust:
        """Return how far the store's opinion of each objective counts.

        It is its rank correlation with the target's own trials, as far as there are enough of them, else the first
        trust.
        """
        # Without a forest there is no opinion that could be trusted.
        if self.score_forest is None:
            return np.zeros(objectives)
        rows, scores = self._successes(target, objectives)
        opinion = self._opinion(rows, objectives)
        agreement = np.zeros(objectives)
        for objective in range(objectives):
            expected = opinion[:, objective]
            measured = scores[:, objective]
            agreement[objective] = _rank_correlation(expected, measured)

        # A weighted mean: the first trust counts as so many trials, the agreement as those that make a ranking.
        first_weight = self.settings.trust_weight
        own_weight = max(len(scores) - UNRANKED, 0)
        first_trust = self.settings.first_trust
        weighted_sum = first_weight * first_trust + own_weight * agreement
        trust = weighted_sum / (first_weight + own_weight)
        # A store that ranks the other way round is not trusted; its opinion is not turned round either.
        return np.asarray(np.clip(trust, 0.0, 1.0))

    def failure(self, target: Trials, rows: Rows, trust: float) -> Chances:
        """Return the chance of failure of encoded configurations.

        It is the store's opinion as far as that is trusted, else the usual chance, and what the target's own trials
        say, weighed by their number.
        """
        settings = self.settings
        # What is expected before the target's own trials are heard, and how many of them it counts as.
        before = np.full(len(rows), settings.usual_failure)
        weight = settings.usual_failure_weight
        if self.failure_forest is not None:
            opinion = np.clip(self.failure_forest.predict(rows), 0, 1)
            correction = opinion - settings.usual_failure
            before = before + trust * correction
            # The more the store is trusted, the more own trials it takes to overrule it.
            added_weight = settings.store_failure_weight - settings.usual_failure_weight
            weight += trust * added_weight

        failed = [evidence.failed for evidence in target]
        # What only failed, or only succeeded, has no boundary to be learned.
        has_both = any(failed) and not all(failed)
        if not has_both:
            return before
        own_rows = self.encoder.rows(evidence.values for evidence in target)
        classifier = _logistic(own_rows, failed)
        # Its columns are the classes in their order: success, failure.
        own_opinion = classifier.predict_proba(rows)[:, 1]
        own_weight = len(failed)
        weighted_sum = weight * before + own_weight * own_opinion
        return np.asarray(weighted_sum / (weight + own_weight))

    def _opinion(self, rows: Rows, objectives: int) -> Scores:
        """Return the store's opinion of the scores, shape (configurations, objectives)."""
        # Without an opinion, all are as good as the mean, which is 0. Forests refuse to predict for no rows.
        if self.score_forest is None or not len(rows):
            return np.zeros((len(rows), objectives))
        opinion = np.asarray(self.score_forest.predict(rows))
        # A forest of one output returns a vector.
        return opinion.reshape(-1, objectives)

    def _successes(self, target: Trials, objectives: int) -> tuple[Rows, Scores]:
        """Return the encoded configurations and the scores of those trials of the target that have any."""
        configurations: list[Values] = []
        for evidence in target:
            if not evidence.failed:
                configurations.append(evidence.values)
        rows = self.encoder.rows(configurations)
        scores = scores_of(target, objectives)
        return rows, scores

    def _forest(self, rows: Rows, values: np.ndarray, weights: np.ndarray) -> ExtraTreesRegressor:
        """Train a forest.

        Args:
            rows: Encoded experiences.
            values: What is learned, shape (experiences, outputs).
            weights: How much each counts, shape (experiences,).
        """
        from sklearn.ensemble import ExtraTreesRegressor

        forest = ExtraTreesRegressor(
            n_estimators=self.settings.trees,
            min_samples_leaf=LEAF,
            max_features=TRIED_COLUMNS,
            random_state=self.seed % LARGEST_SEED,
        )
        # To scikit-learn, a single output has to be a vector.
        outputs = values.shape[1]
        targets = values[:, 0] if outputs == 1 else values
        return forest.fit(rows, targets, sample_weight=weights)

    def _corrected(
        self, own_rows: Rows, residuals: Scores, rows: Rows, opinion: Scores
    ) -> tuple[Scores, Scores]:
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
        # The process falls back to 0 far from all points: there the mean error is the best guess.
        offset = residuals.mean(axis=0)
        # The length scale is a setting, chosen over many tasks, and not fitted to the few trials of one.
        kernel = RBF(self.settings.length_scale)
        process = GaussianProcessRegressor(kernel, alpha=self.settings.noise, optimizer=None)
        with warnings.catch_warnings():
            # It warns of variances that rounding leaves below 0, and takes them for 0.
            warnings.simplefilter("ignore")
            centered = residuals - offset
            process.fit(own_rows, centered)
            mean, deviation = process.predict(rows, return_std=True)
        # Of one objective it returns vectors.
        correction = mean.reshape(opinion.shape)
        corrected = opinion + offset + correction
        uncertainty = np.asarray(deviation).reshape(opinion.shape)
        return corrected, uncertainty


def _logistic(rows: Rows, failed: Sequence[bool]) -> LogisticRegression:
    """Fit the chance of failure to the target's own trials."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(C=INVERSE_PENALTY, max_iter=STEPS)
    classes = np.asarray(failed, dtype=int)
    return classifier.fit(rows, classes)


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 where there is none, as for what does not vary."""
    if len(first) <= UNRANKED:
        return 0.0
    # Values that are all equal have no ranks, and SciPy would warn of them.
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    from scipy.stats import spearmanr

    correlation = spearmanr(first, second).statistic
    return float(np.nan_to_num(correlation))
