"""What forecasts from a store are worth: each of its data sets foretold from the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.forecaster import Forecaster
from xautolm.forecasts import FailureCheck, ForecastCheck, check_failures
from xautolm.past_evidence import title
from xautolm.records import Experience
from xautolm.search.forests import FEWEST, predicted, train_forest
from xautolm.search.surrogates import Surrogates

FOLDS = 5
"""Times that a forest is trained on some of the data sets, to foretell the others."""


def check_on_past(
    surrogates: Surrogates, forecaster: Forecaster, past: Sequence[Experience]
) -> ForecastCheck:
    """Return how failures, times and memories of past trials compare with forecasts that did not see their data set.

    Args:
        surrogates: They learned failure from past trials.
        forecaster: It learned times and memories from past trials.
        past: The trials that they learned from.
    """
    return ForecastCheck(
        seconds=forecaster.check_seconds(),
        memory=forecaster.check_memory(),
        failure=_check_failures(surrogates, past),
    )


def _check_failures(surrogates: Surrogates, past: Sequence[Experience]) -> FailureCheck | None:
    """Return how past failures compare with their chances by forests that were trained on other data sets.

    None where there are fewer than two data sets, or failures or successes are missing in what a forest would learn.
    """
    # Loaded here: scikit-learn takes a second.
    from sklearn.model_selection import GroupKFold

    data_sets = {title(experience): experience.data_set for experience in past}
    trials = surrogates.heaviest
    # Evidence knows its trial by its title.
    groups = [data_sets[evidence.source] for evidence in trials]
    distinct = set(groups)
    if len(distinct) < 2:
        return None
    # No fold may be without a data set.
    folds = GroupKFold(min(FOLDS, len(distinct)))
    # Shape (trials, 1), as a forest takes it.
    failed = np.asarray([[evidence.failed] for evidence in trials], dtype=float)
    chances = np.zeros(len(trials))
    for training, held_out in folds.split(surrogates.rows, groups=groups):
        learned = failed[training]
        # As the forest of the advice, which is not trained either without both.
        has_both = np.ptp(learned) > 0
        if len(learned) < FEWEST or not has_both:
            return None
        forest = train_forest(
            surrogates.rows[training],
            learned,
            trees=surrogates.settings.trees,
            seed=surrogates.seed,
            weights=surrogates.weights[training],
        )
        # Shape (held out, 1).
        opinion = predicted(forest, surrogates.rows[held_out])
        chances[held_out] = np.clip(opinion[:, 0], 0, 1)
    happened = [evidence.failed for evidence in trials]
    return check_failures(chances.tolist(), happened)
