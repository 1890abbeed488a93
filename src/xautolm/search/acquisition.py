"""The acquisition function: what a candidate is expected to improve, times its chance of success."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from xautolm.objectives import hypervolume_improvement
from xautolm.search.evidence import Evidence
from xautolm.search.settings import DEFAULTS, SearchSettings
from xautolm.search.surrogates import Prediction

QUANTILES = np.asarray([-1.4, -0.6, 0.0, 0.6, 1.4])
"""Points of the standard normal distribution at which the improvement is averaged."""
HOPE = 1e-3
"""Weight of being near the best, where no candidate is expected to improve on anything: it only breaks ties."""


def acquisition(
    prediction: Prediction,
    target: Sequence[Evidence],
    *,
    lead: int,
    time: int | None,
    settings: SearchSettings = DEFAULTS,
) -> np.ndarray:
    """Return how much each candidate is worth as the next trial, shape (candidates,).

    The expected improvement of the lead objective, which counts most at first, plus the expected hypervolume
    improvement of each pair of objectives, both averaged over quantiles of what is predicted, times the square of the
    chance of success. The square: a failure costs a trial, and teaches less than a success.

    Args:
        prediction: For the candidates.
        target: The target's own trials.
        lead: Position of the first quality.
        time: Position of the evaluation time, if it is an objective.
        settings: The tuned numbers.
    """
    objectives = prediction.scores.shape[1]
    scored = [evidence.scores for evidence in target if evidence.scores is not None]
    own_scores = np.asarray(scored, dtype=float).reshape(-1, objectives)
    # Shape (candidates, objectives, quantiles).
    samples = prediction.scores[:, :, None] + prediction.deviation[:, :, None] * QUANTILES

    best = own_scores[:, lead].max() if len(own_scores) else prediction.scores[:, lead].min()
    early = settings.early_lead_share * np.exp(-len(own_scores) / settings.early_lead_fade)
    lead_improvement = np.maximum(samples[:, lead] - best, 0).mean(axis=1)
    expected = (settings.lead_share + early) * lead_improvement

    references = []
    coordinates = []
    for objective in range(objectives):
        is_time = objective == time
        reference = _reference(
            own_scores[:, objective], samples[:, objective], settings, is_time=is_time
        )
        references.append(reference)
        # The evaluation time is known far better than any quality: its mean will do.
        values = prediction.scores[:, [objective]] if is_time else samples[:, objective]
        coordinates.append(values)
    for pair in combinations(range(objectives), 2):
        first, second = np.broadcast_arrays(coordinates[pair[0]], coordinates[pair[1]])
        points = own_scores[:, pair]
        corner = np.asarray([references[pair[0]], references[pair[1]]])
        improvement = hypervolume_improvement(first, second, points, corner)
        expected = expected + improvement.mean(axis=1)

    shortfall = prediction.scores[:, lead] + prediction.deviation[:, lead] - best
    expected = expected + HOPE * np.exp(np.clip(shortfall, -20, 0))
    success = 1 - prediction.failure
    return np.asarray(expected * success**2)


def _reference(
    own: np.ndarray, samples: np.ndarray, settings: SearchSettings, *, is_time: bool
) -> float:
    """Return the reference in one objective: below everything for the time, a quantile of the own qualities."""
    if is_time or not len(own):
        return float(min(samples.min(), own.min(initial=np.inf)))
    return float(np.quantile(own, settings.reference_quantile))
