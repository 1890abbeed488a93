"""The target as one more draw from the tasks of the past: a Gaussian process whose mean and covariance they give.

For each objective y = s (a + m(x) + e(x)): m is the mean of what the models of past data sets say, in normal scores; a
an offset; s the unit, near the spreads that past data sets had. e is a Gaussian process: its covariance is how past
data sets differ from their mean, doubt in the size of m, a smooth deviation of the target's own, and noise. A second
hypothesis has no m: there the store says nothing of the target. The marginal likelihood of the target's own trials
weighs hypotheses, and so does their rank correlation with what the past expects: a store that misleads fades.

The nearest published relative is RGPE (Feurer et al. 2018, arXiv 1802.02219), which weighs past models by how they rank
the target's trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist
from scipy.special import softmax
from scipy.stats import spearmanr

from xautolm.search.settings import SearchSettings

OFFSET_VARIANCE = 4.0
"""Of a, in squared normal scores: the target's own trials are selected, so their mean lies well above the usual."""
UNRANKED = 2
"""Trials of the target that say nothing of a ranking."""
LEAST_TRUST = 1e-3
"""Prior probability that a store says something at least, and that it does not."""
UNIT_POINTS = 7
"""Values of s that are tried, over two standard deviations of its logarithm to both sides."""
LEAST_VARIANCE = 1e-9
"""Variance as which a smaller one counts, which rounding may even leave below 0."""
UNIT_SIGMA = 0.5
"""Standard deviation of log s at least: past data sets may by chance have had the same spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOpinion:
    """What the models of past data sets say of the target's own trials and of candidates, of one objective."""

    own: np.ndarray
    """Normal scores, shape (data sets, trials)."""
    candidates: np.ndarray
    """Normal scores, shape (data sets, candidates)."""
    weights: np.ndarray
    """Of the data sets, with the sum 1, shape (data sets,)."""
    spreads: np.ndarray
    """Standard deviations of the objective in the data sets, in its own unit, shape (data sets,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is believed of candidates in one objective, in its own unit."""

    mean: np.ndarray
    """Shape (candidates,)."""
    deviation: np.ndarray
    """Shape (candidates,)."""
    level: float
    """The mean of the target's own trials, 0 before the first."""
    unit: float
    """What one normal score is in the objective's own unit: differences of objectives are compared in it."""
    trust: float
    """Probability that the store says something of the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hypothesis:
    """One way in which the target may be related to the past; all in normal scores."""

    own_mean: np.ndarray
    """What is expected of the target's own trials, shape (trials,)."""
    mean: np.ndarray
    """What is expected of the candidates, shape (candidates,)."""
    own_factor: np.ndarray
    """Own trials' part of a low-rank covariance, shape (trials, factors)."""
    factor: np.ndarray
    """Candidates' part, shape (candidates, factors)."""
    smooth: float
    """Variance of the smooth deviation."""
    log_prior: float
    uses_store: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """The target's own trials, and what is to be found out."""

    centred: np.ndarray
    """Own scores less their mean, in the objective's unit, shape (trials,)."""
    kernel: np.ndarray
    """Of a smooth deviation with variance 1 between own trials, shape (trials, trials)."""
    cross_kernel: np.ndarray
    """The same between own trials and candidates, shape (trials, candidates)."""
    units: np.ndarray
    """Values of s that are tried, shape (units,)."""
    unit_log_priors: np.ndarray
    """Logarithms of their prior, up to a constant, shape (units,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a hypothesis says, for each value of the unit."""

    means: np.ndarray
    """Shape (units, candidates)."""
    variances: np.ndarray
    """Shape (units, candidates)."""
    log_weights: np.ndarray
    """Logarithms of prior times marginal likelihood, up to a constant, shape (units,)."""


def believe(
    opinion: StoreOpinion,
    own_rows: np.ndarray,
    own_scores: np.ndarray,
    rows: np.ndarray,
    settings: SearchSettings,
) -> Belief:
    """Return what store and own trials together say of candidates, in one objective.

    Args:
        opinion: Of the models of past data sets.
        own_rows: Encoded configurations of the target's own trials, shape (trials, columns).
        own_scores: What they reached, larger is better, shape (trials,).
        rows: Encoded candidates, shape (candidates, columns).
        settings: The tuned numbers.
    """
    level = 0.0
    if len(own_scores):
        level = float(own_scores.mean())
    centred = own_scores - level
    units, unit_log_priors = _units(opinion.spreads, centred)
    observed = _Observed(
        centred=centred,
        kernel=_smooth_kernel(own_rows, own_rows, settings),
        cross_kernel=_smooth_kernel(own_rows, rows, settings),
        units=units,
        unit_log_priors=unit_log_priors,
    )
    hypotheses = _hypotheses(opinion, own_scores, settings)
    answers = [_answer(hypothesis, observed, settings) for hypothesis in hypotheses]
    mean, variance, weights = _mixture(answers)
    uses_store = np.asarray([hypothesis.uses_store for hypothesis in hypotheses])
    # The geometric mean, for the prior of the unit is log-normal.
    log_unit = float((weights * np.log(units)).sum())
    return Belief(
        mean=mean + level,
        level=level,
        deviation=np.sqrt(variance),
        unit=float(np.exp(log_unit)),
        trust=float(weights[uses_store].sum()),
    )


def _mixture(answers: Sequence[_Answer]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and variance over all hypotheses and units, both of shape (candidates,), and the weights.

    The weights have the sum 1 and the shape (hypotheses, units).
    """
    weights = softmax(np.asarray([answer.log_weights for answer in answers]))
    # Shape (hypotheses, units, candidates), both.
    means = np.asarray([answer.means for answer in answers])
    variances = np.asarray([answer.variances for answer in answers])
    mean = np.einsum("hu,huc->c", weights, means)
    # The variance of a mixture: that within its parts, and that between them.
    second_moments = variances + means**2
    second_moment = np.einsum("hu,huc->c", weights, second_moments)
    variance = np.maximum(second_moment - mean**2, LEAST_VARIANCE)
    return mean, variance, weights


def _units(spreads: np.ndarray, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values of the unit on a grid, and the logarithms of their log-normal prior, both of shape (units,)."""
    known = spreads[np.isfinite(spreads)]
    if not len(known):
        # Nothing is known of the unit but what the target's own trials show.
        own = float(centred.std()) if len(centred) else 0.0
        known = np.asarray([own or 1.0])
    logarithms = np.log(known)
    sigma = max(UNIT_SIGMA, float(logarithms.std()))
    standard = np.linspace(-2.0, 2.0, UNIT_POINTS)
    units = np.exp(logarithms.mean() + sigma * standard)
    return units, -0.5 * standard**2


def _trust_before(own_mean: np.ndarray, own_scores: np.ndarray, settings: SearchSettings) -> float:
    """Return the prior probability that the store says something of the target.

    It is the store's rank correlation with the target's own trials, as far as there are enough of them, else the first
    trust. The likelihood alone is slow to see that a store ranks the other way round: a smooth deviation explains the
    opposite of an opinion about as well as no opinion does.

    Args:
        own_mean: The store's mean opinion of the target's trials, shape (trials,).
        own_scores: What they reached, shape (trials,).
        settings: The tuned numbers.
    """
    further_trials = len(own_scores) - UNRANKED
    if further_trials <= 0:
        return _possible(settings.first_trust)
    correlation = 0.0
    # What does not vary has no ranks, and SciPy would warn of it.
    if np.ptp(own_mean) and np.ptp(own_scores):
        correlation = float(spearmanr(own_mean, own_scores).statistic)
    # A weighted mean: the first trust counts as so many trials, the agreement as those that make a ranking.
    weighted_sum = settings.trust_weight * settings.first_trust + further_trials * correlation
    return _possible(weighted_sum / (settings.trust_weight + further_trials))


def _possible(trust: float) -> float:
    """Return a probability that is neither 0 nor 1: there is no logarithm of what is impossible."""
    return min(max(trust, LEAST_TRUST), 1 - LEAST_TRUST)


def _hypotheses(
    opinion: StoreOpinion, own_scores: np.ndarray, settings: SearchSettings
) -> list[_Hypothesis]:
    """Return the hypotheses: with the store, for each size of the target's own deviation; and without it."""
    weights = opinion.weights
    own_mean = weights @ opinion.own
    mean = weights @ opinion.candidates
    own_factor = _factor(opinion.own, own_mean, weights, settings)
    factor = _factor(opinion.candidates, mean, weights, settings)
    trust = _trust_before(own_mean, own_scores, settings)
    # The fewer data sets there were, the less is known of how far a task may be off.
    sizes = (*settings.smooth_variances, 1.0 / len(weights))
    hypotheses = []
    for size in sizes:
        with_store = _Hypothesis(
            own_mean=own_mean,
            mean=mean,
            own_factor=own_factor,
            factor=factor,
            smooth=size,
            log_prior=float(np.log(trust / len(sizes))),
            uses_store=True,
        )
        hypotheses.append(with_store)
    without_store = _Hypothesis(
        own_mean=np.zeros_like(own_mean),
        mean=np.zeros_like(mean),
        own_factor=np.zeros((len(own_mean), 0)),
        factor=np.zeros((len(mean), 0)),
        smooth=1.0,
        log_prior=float(np.log(1 - trust)),
        uses_store=False,
    )
    return [*hypotheses, without_store]


def _factor(
    opinions: np.ndarray, mean: np.ndarray, weights: np.ndarray, settings: SearchSettings
) -> np.ndarray:
    """Return F, of which F F' is the covariance that the past gives, shape (configurations, data sets + 1).

    It is the weighted sample covariance between data sets, and doubt in the size of their mean.

    Args:
        opinions: Shape (data sets, configurations).
        mean: Their weighted mean, shape (configurations,).
        weights: Of the data sets, shape (data sets,).
        settings: The tuned numbers.
    """
    # 1 - 1 / n for n equal weights: what makes the sample covariance unbiased. One data set has no covariance.
    unbiased = 1.0 - float((weights**2).sum())
    shares = np.zeros_like(weights)
    if unbiased > LEAST_VARIANCE:
        shares = np.sqrt(weights / unbiased)
    differences = shares[:, None] * (opinions - mean)
    slope = np.sqrt(settings.slope_variance) * mean
    return np.column_stack([differences.T, slope])


def _answer(hypothesis: _Hypothesis, observed: _Observed, settings: SearchSettings) -> _Answer:
    """Return what a hypothesis says of the candidates, and how well it explains the own trials."""
    units = observed.units[:, None]
    # Variances of the candidates before the trials are heard, less that of the offset, shape (candidates,).
    before = hypothesis.smooth + (hypothesis.factor**2).sum(axis=1)
    count = len(observed.centred)
    if not count:
        return _Answer(
            means=units * hypothesis.mean,
            variances=units**2 * before,
            log_weights=hypothesis.log_prior + observed.unit_log_priors,
        )
    own_factor = hypothesis.own_factor
    covariance = own_factor @ own_factor.T + hypothesis.smooth * observed.kernel + OFFSET_VARIANCE
    covariance[np.diag_indices(count)] += settings.noise
    cholesky = cho_factor(covariance, lower=True)
    low_rank = own_factor @ hypothesis.factor.T
    cross = low_rank + hypothesis.smooth * observed.cross_kernel + OFFSET_VARIANCE
    # Products of the inverse covariance with scores, with what was expected of them, and with the cross-covariance.
    solved_scores = cho_solve(cholesky, observed.centred)
    solved_mean = cho_solve(cholesky, hypothesis.own_mean)
    solved_cross = cho_solve(cholesky, cross)

    # Mean and variance of a Gaussian process; the mean is linear in the unit.
    from_scores = cross.T @ solved_scores
    from_mean = hypothesis.mean - cross.T @ solved_mean
    learned = (cross * solved_cross).sum(axis=0)
    after = np.maximum(before + OFFSET_VARIANCE - learned, LEAST_VARIANCE)
    log_determinant = 2 * float(np.log(np.diag(cholesky[0])).sum())
    log_likelihoods = _log_likelihoods(
        hypothesis, observed, solved_scores, solved_mean, log_determinant
    )
    return _Answer(
        means=from_scores + units * from_mean,
        variances=units**2 * after,
        log_weights=hypothesis.log_prior + observed.unit_log_priors + log_likelihoods,
    )


def _log_likelihoods(
    hypothesis: _Hypothesis,
    observed: _Observed,
    solved_scores: np.ndarray,
    solved_mean: np.ndarray,
    log_determinant: float,
) -> np.ndarray:
    """Return the logarithm of the own trials' marginal likelihood for each unit, up to a constant, shape (units,).

    With r = y / s - m, the quadratic form r' K^-1 r is a polynomial in 1 / s.

    Args:
        hypothesis: Has m.
        observed: Has y, and the values of s.
        solved_scores: K^-1 y, shape (trials,).
        solved_mean: K^-1 m, shape (trials,).
        log_determinant: Of K.
    """
    units = observed.units
    quadratic = observed.centred @ solved_scores / units**2
    linear = -2 * (observed.centred @ solved_mean) / units
    constant = hypothesis.own_mean @ solved_mean
    misfit = quadratic + linear + constant + log_determinant
    # y / s has a density in y that is s^-n times that in y / s.
    count = len(observed.centred)
    return np.asarray(-0.5 * misfit - count * np.log(units))


def _smooth_kernel(first: np.ndarray, second: np.ndarray, settings: SearchSettings) -> np.ndarray:
    """Return the squared-exponential kernel between encoded configurations, shape (first, second)."""
    squared = cdist(first, second, "sqeuclidean") / settings.length_scale**2
    return np.asarray(np.exp(-0.5 * squared))
