"""The numbers of our own search that were tuned, in one record, so that two settings can be compared in one process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """Say how the strategy `xautolm` draws candidates, models them, and weighs a store against the target's own trials.

    The values were chosen on made-up tasks (docs/experiments.md, "Transfer on made-up tasks"); which others were tried
    was not kept. Those that say how past data sets and the target are related were chosen in a simulation of a public
    table (there, "A public table"), where they are therefore no independent result.
    """

    # Candidates

    prior_candidates: int = 100
    """Drawn from the prior where the store is trusted wholly; as far as it is not, from the plain space."""
    uniform_candidates: int = 50
    """Drawn from the plain space besides."""
    mutations: int = 70
    """Made from the best trials."""
    leaders: int = 8
    """Of each past data set's best configurations, how many are candidates as they are."""
    past_candidates: int = 80
    """Of these in all, those of the nearest data sets."""
    parents: int = 6
    """Of the best trials, how many are mutated; the store's best stand in while the target has fewer."""
    mutation_keeps: float = 0.75
    """Share of the parameters that a mutation leaves alone."""
    mutation_step: float = 0.15
    """Standard deviation of a mutated number, relative to its range."""

    # Trust in the store

    first_trust: float = 0.9
    """Trust in the store's opinion of quality before any trial of the target."""
    trust_weight: float = 4.0
    """How many trials of the target that counts as, against their rank correlation with the store's opinion."""
    largest_trust: float = 0.95
    """Share of the proposals that follow the store when it is trusted wholly: only trials that it would not choose can
    show that it misleads."""
    prior_trust: float = 0.5
    """Share of the proposals drawn from the prior where the store has too few successes for a model to learn of, before
    any trial of the target. It fades with their number: at `trust_weight` trials it is half."""
    trials_to_contradict: int = 3
    """Trials of the target's own before which a store is followed: fewer cannot contradict it, and a search from zero
    begins with random trials, of which on real tasks about half learn nothing."""
    failure_fade: float = 0.25
    """Power of the trust that is the trust in the store's opinion of failure: below 1 it fades more slowly than that of
    quality, since causes of failure carry over best."""

    # Failure

    bearable_failure: float = 0.3
    """Chance of failure up to which a candidate is proposed, if there is any such."""
    largest_failure: float = 0.35
    """Chance of failure from which on a proposal of the search from zero, which has no others to offer, is passed
    over."""
    passed_over: int = 4
    """How many such proposals are passed over at most for one trial."""
    usual_failure: float = 0.1
    """Chance of failure of a configuration of which nothing is known."""
    store_failure_weight: float = 10.0
    """How many of the target's own trials the store's opinion of failure counts as, where it is trusted wholly."""
    usual_failure_weight: float = 2.0
    """How many of them the usual chance counts as."""

    # Surrogates

    trees: int = 48
    """In the forest that learns failure."""
    past_trees: int = 240
    """In the forests of single past data sets, which share them evenly."""
    pooled_weight: float = 10.0
    """How many trials of a data set the forest over all data sets counts as, in what the data set expects."""
    largest_store: int = 3_000
    """Experiences that the forests learn from, those of the largest weight."""
    length_scale: float = 0.9
    """Of the Gaussian process over the target's own trials, in units of the encoded columns, which are 0 to 1."""
    noise: float = 0.1
    """Variance of the noise that the Gaussian process assumes, in squared normal scores."""
    slope_variance: float = 0.25
    """Doubt in the size of what past data sets say: a variance, in shares of their mean opinion squared."""
    smooth_variances: tuple[float, ...] = (0.1, 0.5, 2.0)
    """How far the target may deviate from the past on its own: variances that are tried, in squared normal scores."""

    # Acquisition function

    lead_share: float = 1.0
    """Weight of the improvement of the first quality alone, beside that of the hypervolume."""
    early_lead_share: float = 4.0
    """What that weight has besides before any success: a budget may end after few trials, which should be good ones."""
    early_lead_fade: float = 5.0
    """Successes after which that has fallen to a third (1 / e)."""
    reference_quantile: float | None = 0.5
    """Quantile of the target's own qualities that a candidate must pass to gain hypervolume: without it, a candidate
    that is cheap enough gains however poor it is, and a search ends in a crowd of cheap and poor trials. None takes the
    worst that is predicted or was seen."""
    reference_trials: int = 3
    """Successes of the target's own from which on it must: before, their median is next to the best of them, and only
    what is better gains. On made-up tasks (seeds 0 to 11) the hypervolume rose from .936 to .981 with it, and the best
    F1 from .705 to .728; with no such quantile at all it fell to .666."""


DEFAULTS = SearchSettings()
HYPERVOLUME_ONLY = SearchSettings(lead_share=0.0, early_lead_share=0.0, reference_quantile=None)
"""For studies of other people's own, which name no lead: no objective counts more than another."""
