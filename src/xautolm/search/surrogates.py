"""What past and present trials say of a configuration: its quality, its seconds, the chance that it fails.

The store's experiences train forests once: one for each past data set (`past_runs`), and one for failure. The target's
own trials correct them: a Gaussian process that takes the target for one more draw from the tasks of the past
(`transfer`), and a logistic regression of the chance of failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm.search.encoding import Encoder, Rows
from xautolm.search.evidence import Evidence, Scores, Trials, scores_of
from xautolm.search.forests import FEWEST, predicted, train_forest
from xautolm.search.past_runs import LEAST_WEIGHT, Opinions, PastRuns, learn_past_runs
from xautolm.search.settings import DEFAULTS, SearchSettings

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import LogisticRegression

    from xautolm.search.transfer import Belief

LARGEST_TARGET = 400
"""Of the target's own successes, the latest that the models of quality and time learn from."""
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
    """Shape (configurations, objectives), larger is better; in units of each objective's usual spread."""
    deviation: Scores
    """How uncertain they are, same shape."""
    own: Scores
    """What the target's own successes reached, on the same scale, shape (trials, objectives)."""
    units: np.ndarray
    """What 1 is in each objective's own unit, shape (objectives,)."""
    failure: Chances
    """How likely each is to fail."""

    def with_own_unit(self, objective: int) -> Prediction:
        """Return the same with one objective in its own unit."""
        factors = np.ones_like(self.units)
        factors[objective] = self.units[objective]
        return replace(
            self,
            scores=self.scores * factors,
            deviation=self.deviation * factors,
            own=self.own * factors,
            units=self.units / factors,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target's own trials as the models see them."""

    trials: Trials
    rows: Rows
    """Encoded configurations of the successes."""
    scores: Scores
    """What the successes reached, in the objectives' own units less a constant."""
    opinions: Opinions
    """What the models of past data sets expect of the successes."""


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
    past: PastRuns | None = field(default=None, init=False)
    """Models of the objectives; None where there are too few successes to learn from."""
    failure_forest: ExtraTreesRegressor | None = field(default=None, init=False)
    heaviest: Trials = field(default=(), init=False)
    """The experiences that the forests learned from."""
    rows: Rows = field(init=False)
    """Their encoded configurations, shape (experiences, columns)."""
    weights: np.ndarray = field(init=False)
    """Their weights, shape (experiences,)."""

    def __post_init__(self) -> None:
        self.heaviest = heaviest(self.store, self.settings)
        weights: list[float] = []
        failures: list[bool] = []
        for experience in self.heaviest:
            weights.append(experience.weight)
            failures.append(experience.failed)
        self.rows = self.encoder.rows_of_past(self.heaviest)
        weights_by_distance = np.asarray(weights, dtype=float)
        self.weights = np.maximum(weights_by_distance, LEAST_WEIGHT)
        self.past = learn_past_runs(self.encoder, self.heaviest, self.seed, self.settings)

        failed = np.asarray(failures, dtype=bool)
        succeeded = ~failed
        # The chance of failure is learned from all, as the mean of 1 for a failure and 0 for a success.
        has_both = failed.any() and succeeded.any()
        has_enough = len(failed) >= FEWEST
        if has_enough and has_both:
            outcomes = failed[:, None].astype(float)
            self.failure_forest = train_forest(
                self.rows,
                outcomes,
                trees=self.settings.trees,
                seed=self.seed,
                weights=self.weights,
            )

    def look_at(self, trials: Trials, objectives: int) -> Target:
        """Return the target's own trials as the models see them."""
        successes = [evidence for evidence in trials if not evidence.failed]
        rows = self.encoder.rows(evidence.values for evidence in successes)
        scores = scores_of(successes, objectives)
        if successes and successes[0].units:
            scores = scores * np.asarray(successes[0].units)
        opinions = np.zeros((0, len(rows), objectives))
        if self.past is not None:
            opinions = self.past.opinions(rows)
        return Target(trials=trials, rows=rows, scores=scores, opinions=opinions)

    def predict(self, target: Target, rows: Rows, failure_trust: float) -> Prediction:
        """Return opinions on encoded configurations.

        Args:
            target: The target's own trials.
            rows: The configurations.
            failure_trust: How far the store's opinion of failure counts.
        """
        beliefs = self._beliefs(target, rows)
        levels = np.asarray([belief.level for belief in beliefs])
        units = np.asarray([belief.unit for belief in beliefs])
        means = np.stack([belief.mean for belief in beliefs], axis=1)
        deviations = np.stack([belief.deviation for belief in beliefs], axis=1)
        return Prediction(
            scores=(means - levels) / units,
            deviation=deviations / units,
            own=(target.scores - levels) / units,
            units=units,
            failure=self.failure(target.trials, rows, failure_trust),
        )

    def past_quality(self, rows: Rows) -> np.ndarray:
        """Return the normal scores that the store expects in the first objective, shape (configurations,).

        0, which is the middle, where it says nothing.
        """
        if self.past is None:
            return np.zeros(len(rows))
        return np.asarray(self.past.weights @ self.past.opinions(rows)[:, :, 0])

    def trust_in_store(self, target: Target) -> Trust:
        """Return how probable it is that the store says something of the target, in each objective."""
        objectives = target.scores.shape[1]
        if self.past is None:
            return np.zeros(objectives)
        nothing = self.encoder.rows(())
        return np.asarray([belief.trust for belief in self._beliefs(target, nothing)])

    def _beliefs(self, target: Target, rows: Rows) -> list[Belief]:
        """Return what is believed of encoded configurations in each objective."""
        # Loads SciPy, which a search without a store does not need.
        from xautolm.search.transfer import StoreOpinion, believe

        assert self.past is not None
        opinions = self.past.opinions(rows)
        # How far the target deviates on its own is smooth in what is chosen; what is learned of traits is in opinions.
        own_rows = self.encoder.without_traits(target.rows)
        candidate_rows = self.encoder.without_traits(rows)
        # The time that a Gaussian process takes grows with the cube of the number of trials.
        latest = slice(-LARGEST_TARGET, None)
        beliefs = []
        for objective in range(target.scores.shape[1]):
            store = StoreOpinion(
                own=target.opinions[:, latest, objective],
                candidates=opinions[:, :, objective],
                weights=self.past.weights,
                spreads=self.past.spreads[:, objective],
            )
            own_scores = target.scores[latest, objective]
            belief = believe(store, own_rows[latest], own_scores, candidate_rows, self.settings)
            beliefs.append(belief)
        return beliefs

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
            opinion = np.clip(predicted(self.failure_forest, rows)[:, 0], 0, 1)
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


def _logistic(rows: Rows, failed: Sequence[bool]) -> LogisticRegression:
    """Fit the chance of failure to the target's own trials."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(C=INVERSE_PENALTY, max_iter=STEPS)
    classes = np.asarray(failed, dtype=int)
    return classifier.fit(rows, classes)
