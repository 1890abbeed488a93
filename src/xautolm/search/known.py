"""Which configurations models can judge: those of which every option and number was tried, in the past or here.

Trees never split by an option that no trial had, so an unknown one is taken to be as good as those that are known. A
store of few trials, most of them near a default, would send a search to all that nobody has tried.
"""

from __future__ import annotations

import numpy as np

from xautolm.search.encoding import MISSING, Encoder, NumberColumn, Rows

MARGIN = 0.1
"""How far beyond the smallest and largest number that were tried another one still counts as known, in shares of the
parameter's own scale."""
MODEL = "model"
"""The parameter whose options are known by their traits, too."""


def are_known(encoder: Encoder, rows: Rows, tried: Rows) -> np.ndarray:
    """Return which configurations lie within what was tried, shape (configurations,).

    Args:
        encoder: Of the rows.
        rows: Encoded configurations, shape (configurations, columns).
        tried: Encoded trials, failed ones among them, shape (trials, columns); at least one.
    """
    lowest = tried.min(axis=0)
    highest = tried.max(axis=0)
    known = np.ones(len(rows), dtype=bool)
    options_tried: dict[str, bool] = {}
    for position, column in enumerate(encoder.columns):
        if not isinstance(column, NumberColumn):
            has_option = highest[position] > 0
            options_tried[column.name] = options_tried.get(column.name, False) or has_option
    for position, column in enumerate(encoder.columns):
        values = rows[:, position]
        if isinstance(column, NumberColumn):
            is_missing_in_all = lowest[position] == highest[position] == MISSING
            if is_missing_in_all:
                continue
            known &= values >= lowest[position] - MARGIN
            known &= values <= highest[position] + MARGIN
            continue
        # A parameter of which no trial tells is none that models could judge anything by.
        is_told_of = options_tried[column.name]
        # What a new model is worth is foretold by its sizes.
        is_told_by_traits = column.name == MODEL and encoder.traits is not None
        if is_told_of and not is_told_by_traits:
            known &= values <= highest[position]
    return known
