"""Forests over encoded configurations, and what they predict without scikit-learn's checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xautolm.search.encoding import Rows

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

FEWEST = 5
"""Experiences without which no forest is trained: fewer make leaves of what is chance."""
LARGEST_SEED = 2**31
"""Seeds of the forests lie below it: those of scikit-learn end at 2^32 - 1."""
LEAF = 2
"""Experiences in a leaf at least: a leaf of a single one would repeat it, chance included."""
TRIED_COLUMNS = 0.7
"""Share of the columns that each split of a tree chooses among."""


def train_forest(
    rows: Rows, values: np.ndarray, *, trees: int, seed: int, weights: np.ndarray | None = None
) -> ExtraTreesRegressor:
    """Train a forest.

    Args:
        rows: Encoded experiences.
        values: What is learned, shape (experiences, outputs).
        trees: Their number.
        seed: Same seed and experiences, same forest.
        weights: How much each experience counts, shape (experiences,); all as much by default.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        n_estimators=trees,
        min_samples_leaf=LEAF,
        max_features=TRIED_COLUMNS,
        random_state=seed % LARGEST_SEED,
    )
    # scikit-learn warns of a single output that is no vector.
    outputs = values.shape[1]
    targets = values[:, 0] if outputs == 1 else values
    return forest.fit(rows, targets, sample_weight=weights)


def predicted(forest: ExtraTreesRegressor, rows: Rows) -> np.ndarray:
    """Return the mean of a forest's trees, shape (configurations, outputs).

    As `forest.predict` does, without its checks and threads, which take longer than some hundred rows in small trees.
    """
    total = np.zeros((len(rows), forest.n_outputs_))
    # Trees refuse to predict for no rows.
    if not len(rows):
        return total
    # They take single precision only.
    inputs = np.ascontiguousarray(rows, dtype=np.float32)
    for tree in forest.estimators_:
        total += tree.tree_.predict(inputs).reshape(total.shape)
    return total / len(forest.estimators_)
