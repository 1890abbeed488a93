"""Splits that can be trusted: seeded, stratified, and without a text on both sides."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xautolm.data.stratify import Strata, hold_out

DOMINANT_SHARE = 0.4
"""Share of the rows from which on a text that they share dominates: with it on one side, that side is far from a
fifth of the data, and with more than half of the rows there may be no other side at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What rows must share to stay on one side of a split."""

    columns: tuple[str, ...]
    """The inputs that are compared: the first one, or all of them."""
    note: str = ""
    """Why not the first one only, for people."""

    def of(self, table: pd.DataFrame) -> list[Hashable]:
        """Return the key of every row; texts that only look alike to people are one."""
        inputs = [list(map(_visible, table[column])) for column in self.columns]
        if len(inputs) == 1:
            return inputs[0]
        keys = zip(*inputs, strict=True)
        return list(keys)


def _visible(text: Hashable) -> Hashable:
    """Return a text without blanks around it, and with each letter that has several codes written by one of them."""
    if not isinstance(text, str):
        return text
    return unicodedata.normalize("NFC", text.strip())


def possible_keys(table: pd.DataFrame, inputs: Sequence[str]) -> list[Keys]:
    """Return what rows may be told apart by, best first.

    Of several inputs it is the first, such as the document that questions are about, unless one text dominates; then,
    and where the first gives no split that can be used, all inputs together.
    """
    first = inputs[0]
    by_first = Keys(columns=(first,))
    if len(inputs) == 1:
        return [by_first]

    counts = table[first].value_counts()
    # `value_counts` puts the commonest first.
    most_rows = counts.iloc[0]
    share = most_rows / len(table)
    names = " and ".join(inputs)
    note = f"rows with the same {first} may be in several splits, {names} together are not: "
    note += f"there are {len(counts)} different texts of {first}, the commonest in {share:.0%} of the rows"
    by_all = Keys(columns=tuple(inputs), note=note)
    if share > DOMINANT_SHARE:
        return [by_all]
    return [by_first, by_all]


def made_validation(
    keys: Sequence[Hashable], strata: Sequence[Strata], size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of a training and a validation part; rows with equal keys fall on the same side.

    Args:
        keys: The key of every row.
        strata: The strata of every row.
        size: How many distinct keys to hold out; more where strata would be left out otherwise.
        seed: Same seed, same parts.

    Returns:
        Two arrays of sorted positions.
    """
    key_series = pd.Series(list(keys), dtype=object)
    # The number of its key for each row; missing texts share one.
    codes, distinct = pd.factorize(key_series, use_na_sentinel=False)

    # Strata keep their order, which a set would not between processes.
    strata_by_code: list[dict[Hashable, None]] = [{} for _ in distinct]
    for code, row_strata in zip(codes.tolist(), strata, strict=True):
        strata_of_key = strata_by_code[code]
        for stratum in row_strata:
            strata_of_key[stratum] = None
    units: list[Strata] = []
    for strata_of_key in strata_by_code:
        units.append(tuple(strata_of_key))

    is_held_out = hold_out(units, size, seed)
    in_validation = is_held_out[codes]
    train_positions = np.flatnonzero(~in_validation)
    validation_positions = np.flatnonzero(in_validation)
    return train_positions, validation_positions


def without_keys_of(
    table: pd.DataFrame, tables: Sequence[pd.DataFrame], keys: Keys
) -> pd.DataFrame:
    """Return the rows whose key is in none of the other tables."""
    keys_elsewhere: set[Hashable] = set()
    for split in tables:
        split_keys = keys.of(split)
        keys_elsewhere.update(split_keys)

    is_free: list[bool] = []
    for key in keys.of(table):
        is_free.append(key not in keys_elsewhere)
    return table[is_free]
