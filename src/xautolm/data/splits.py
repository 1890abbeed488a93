"""Splits that can be trusted: seeded, stratified, and without a text on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd


def stratified_sample(strata: Sequence[Hashable], size: int, seed: int) -> np.ndarray:
    """Positions of `size` rows, each stratum in proportion and none left out where that is possible.

    Args:
        strata: The stratum of every row.
        size: How many rows to take; all if there are not more.
        seed: Same seed, same rows.

    Returns:
        Sorted positions, shape (min(size, rows),).
    """
    if size >= len(strata):
        return np.arange(len(strata))
    rng = np.random.default_rng(seed)
    codes, _ = pd.factorize(pd.Series(list(strata), dtype=object))
    order = rng.permutation(len(codes))
    # A row's rank within its stratum over the stratum's size: the smallest of these form a proportional sample.
    ranks = pd.Series(codes[order]).groupby(codes[order]).cumcount().to_numpy()
    sizes = np.bincount(codes)[codes[order]]
    chosen = order[np.lexsort((order, (ranks + 0.5) / sizes * (ranks > 0)))][:size]
    return np.sort(chosen)


def made_validation(
    texts: Sequence[str], strata: Sequence[Hashable], fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a training and a validation part; rows with equal texts fall on the same side.

    Args:
        texts: The text of every row.
        strata: The stratum of every row.
        fraction: Share of distinct texts for validation.
        seed: Same seed, same parts.

    Returns:
        Two arrays of sorted positions.
    """
    codes, distinct = pd.factorize(pd.Series(list(texts), dtype=object))
    first = pd.Series(range(len(codes))).groupby(codes).first().tolist()
    group_strata = [strata[position] for position in first]
    size = max(1, round(fraction * len(distinct)))
    held_out = _proportional(group_strata, size, seed)
    is_validation = np.isin(codes, held_out)
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _proportional(strata: Sequence[Hashable], size: int, seed: int) -> np.ndarray:
    """Like `stratified_sample`, but a stratum never gives its last member away."""
    series = pd.Series(list(strata), dtype=object)
    counts = series.map(series.value_counts())
    splittable = np.flatnonzero((counts > 1).to_numpy()).tolist()
    sample = stratified_sample([strata[position] for position in splittable], size, seed)
    kept = Counter(strata)
    result = []
    for position in (splittable[index] for index in sample.tolist()):
        if kept[strata[position]] > 1:
            kept[strata[position]] -= 1
            result.append(position)
    return np.asarray(result, dtype=int)


def without_texts_of(table: pd.DataFrame, others: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """The rows whose text is in none of the other tables."""
    seen = set[str]().union(*(set(other[column]) for other in others))
    return table[~table[column].isin(seen)]
