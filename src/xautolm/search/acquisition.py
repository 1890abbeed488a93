"""What a candidate is expected to add to what a search has found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from xautolm.objectives import hypervolume_improvement
from xautolm.search.evidence import Evidence
from xautolm.search.surrogates import Prediction

LEAD_SHARE, EAGERNESS, FADE = 1.0, 4.0, 5.0
"""Weight of the gain in the first quality alone, beside that in hypervolume; what it has besides before any success,
and after how many successes that falls to a third: a budget may end after few trials, and these should be good ones."""
FLOOR = 0.5
"""Quantile of the target's own qualities that a candidate must pass to gain hypervolume: without a floor, a candidate
that is cheap enough gains however poor it is, and a search ends in a crowd of cheap and poor trials."""
QUANTILES = np.asarray([-1.4, -0.6, 0.0, 0.6, 1.4])
"""Points of the normal distribution at which the gain is averaged."""


def gain(prediction: Prediction, target: Sequence[Evidence], *, lead: int, time: int | None) -> np.ndarray:
    """Expected gain of each candidate over the target's trials, times the square of its chance of success.

    The gain is that in the lead objective alone, which counts most at first, plus that in the hypervolume of each pair
    of objectives, each averaged over quantiles of what is predicted. The square: a failure costs a trial, and teaches
    less than a success.

    Args:
        prediction: For the candidates.
        target: The target's own trials.
        lead: Position of the first quality.
        time: Position of the evaluation time, if it is an objective.
    """
    good = np.asarray([one.scores for one in target if one.scores is not None], dtype=float)
    good = good.reshape(-1, prediction.scores.shape[1])
    spread = prediction.deviation[:, :, None] * QUANTILES
    likely = prediction.scores[:, :, None] + spread  # shape (candidates, objectives, quantiles)
    best = float(good[:, lead].max()) if len(good) else float(prediction.scores[:, lead].min())
    share = LEAD_SHARE + EAGERNESS * np.exp(-len(good) / FADE)
    expected = share * np.maximum(likely[:, lead] - best, 0).mean(axis=1)
    for first, second in combinations(range(good.shape[1]), 2):
        pair = [first, second]
        floor = np.asarray([_floor(good[:, one], likely[:, one], is_time=one == time) for one in pair])
        # The evaluation time is known far better than any quality: its mean will do.
        left, right = (likely[:, one] if one != time else prediction.scores[:, [one]] for one in pair)
        shape = np.broadcast_shapes(left.shape, right.shape)
        expected = expected + hypervolume_improvement(
            np.broadcast_to(left, shape), np.broadcast_to(right, shape), good[:, pair], floor
        ).mean(axis=1)
    # Where no candidate is expected to gain, the most promising one is still found.
    hope = prediction.scores[:, lead] + prediction.deviation[:, lead] - best
    return np.asarray((expected + 1e-3 * np.exp(np.clip(hope, -20, 0))) * (1 - prediction.failure) ** 2)


def _floor(seen: np.ndarray, likely: np.ndarray, *, is_time: bool) -> float:
    """The reference in one objective: below everything for the time, a quantile of what was seen for a quality."""
    lowest = float(min(likely.min(), seen.min(initial=np.inf)))
    return lowest if is_time or not len(seen) else float(np.quantile(seen, FLOOR))
