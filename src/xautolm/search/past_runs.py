"""Models of past data sets: what each of them would say of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm.search.encoding import Encoder, Rows
from xautolm.search.evidence import LEAST_DEVIATION, Evidence, Trials, scores_of
from xautolm.search.forests import FEWEST, predicted, train_forest
from xautolm.search.settings import SearchSettings

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

REST = ""
"""The group that data sets with fewer successes share, and what was written before data sets were kept apart."""
LEAST_WEIGHT = 1e-20
"""Of a data set, however far: weights must have a sum other than 0."""
FEWEST_TREES = 10
"""In a forest at least, however many data sets share the trees."""
Opinions = np.ndarray
"""Normal scores that the model of each data set expects, shape (data sets, configurations, objectives)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRuns:
    """Hold one forest for each past data set, and one for all of them.

    The forest over all ranks the whole well, but is wrong near the top where one data set dominates, and says nothing
    of how much tasks differ. The forest of a data set with few trials is little more than chance. So each data set's
    opinion is a mean of the two, in which its own forest counts the more, the more trials it learned from.
    """

    pooled: ExtraTreesRegressor
    """Learned from all data sets together."""
    forests: Sequence[ExtraTreesRegressor]
    """Learned from one data set each."""
    own_shares: np.ndarray
    """How much a data set's own forest counts, from 0 to 1, shape (data sets,)."""
    weights: np.ndarray
    """How near each data set is to the target, with the sum 1, shape (data sets,)."""
    spreads: np.ndarray
    """Standard deviations of the objectives in each data set, in their own units, shape (data sets, objectives); NaN
    where they are not known."""

    def opinions(self, rows: Rows) -> Opinions:
        """Return what each data set expects of encoded configurations."""
        own = [predicted(forest, rows) for forest in self.forests]
        pooled = predicted(self.pooled, rows)
        shares = self.own_shares[:, None, None]
        return np.asarray(shares * np.asarray(own) + (1 - shares) * pooled)


def learn_past_runs(
    encoder: Encoder, store: Trials, seed: int, settings: SearchSettings
) -> PastRuns | None:
    """Train the forests on the successes of a store; None where there are too few of them."""
    groups = [members for members in by_data(store).values() if len(members) >= FEWEST]
    if not groups:
        return None
    trees = max(FEWEST_TREES, settings.past_trees // len(groups))
    rows_by_group = []
    scores_by_group = []
    forests = []
    weights = []
    spreads = []
    for members in groups:
        rows = encoder.rows_of_past(members)
        scores = scores_of(members, len(members[0].scores or ()))
        ranks = normal_scores(scores)
        forests.append(train_forest(rows, ranks, trees=trees, seed=seed))
        weights.append(np.mean([evidence.weight for evidence in members]))
        spreads.append(_spreads(members, scores))
        rows_by_group.append(rows)
        scores_by_group.append(ranks)
    all_rows = np.concatenate(rows_by_group)
    all_scores = np.concatenate(scores_by_group)
    sizes = np.asarray([len(members) for members in groups], dtype=float)
    bounded_weights = np.maximum(np.asarray(weights), LEAST_WEIGHT)
    return PastRuns(
        pooled=train_forest(all_rows, all_scores, trees=settings.trees, seed=seed),
        forests=forests,
        own_shares=sizes / (sizes + settings.pooled_weight),
        weights=bounded_weights / bounded_weights.sum(),
        spreads=np.asarray(spreads),
    )


def by_data(store: Trials) -> Mapping[str, list[Evidence]]:
    """Return the successes of each data set; those of data sets with fewer than `FEWEST` share a group."""
    groups: dict[str, list[Evidence]] = {}
    for evidence in store:
        if not evidence.failed:
            groups.setdefault(evidence.data, []).append(evidence)
    rest = groups.pop(REST, [])
    large: dict[str, list[Evidence]] = {}
    for data, members in groups.items():
        if len(members) >= FEWEST:
            large[data] = members
        else:
            rest += members
    if rest:
        large[REST] = rest
    return large


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Return ranks as quantiles of the standard normal distribution, column by column, in the shape of the values.

    Ranks do not care how far one poor trial lies below all others, nor in which unit a quality is.
    """
    from scipy.stats import norm, rankdata

    ranks = rankdata(values, axis=0)
    return np.asarray(norm.ppf((ranks - 0.5) / len(values)))


def _spreads(members: Trials, scores: np.ndarray) -> np.ndarray:
    """Return the standard deviations of a data set's objectives in their own units; NaN where they are not known."""
    units = members[0].units
    is_one_data_set = members[0].data != REST
    if not units or not is_one_data_set:
        return np.full(scores.shape[1], np.nan)
    spreads = scores.std(axis=0) * np.asarray(units)
    # What was divided by less has no finite range, and its unit may be any.
    least = np.minimum(units, LEAST_DEVIATION)
    return np.asarray(np.maximum(spreads, least))
