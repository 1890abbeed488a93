"""What a person should know of data that can be used as it is, and may be meant otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import pandas as pd

from xautolm.cells import WORDS_FOR_NOTHING, quoted
from xautolm.data.needs import Needs
from xautolm.data.source import place_of
from xautolm.data.split_names import split_of
from xautolm.vocabulary import Split

USUAL_CLASS = "none"
"""In lower case the name of many a class: none of the others fits."""


def doubtful_labels(names: Sequence[str]) -> list[str]:
    """Return a note on classes whose names may stand for a missing label: they may as well be meant so."""
    doubtful: list[str] = []
    for name in names:
        if name.casefold() in WORDS_FOR_NOTHING and name != USUAL_CLASS:
            doubtful.append(repr(name))
    if not doubtful:
        return []
    listed_names = ", ".join(doubtful)
    return [
        f"taken for classes like others: {listed_names}; if they mean that there is no label, empty these cells"
    ]


def contradictions(table: pd.DataFrame, needs: Needs) -> list[str]:
    """Return a note on rows whose inputs are those of a row of another class: no model can be right about both.

    Args:
        table: Labelled rows, under the roles' names.
        needs: The task's demands; of those without classes, rows may differ as they like.
    """
    if not needs.validates_every_class:
        return []
    first_class: dict[Hashable, str] = {}
    contradicted: set[Hashable] = set()
    # A single column of texts needs no tuple for each of them.
    columns = [table[name].tolist() for name in needs.inputs]
    inputs = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    for row_inputs, label in zip(inputs, table[needs.target].tolist(), strict=True):
        if first_class.setdefault(row_inputs, label) != label:
            contradicted.add(row_inputs)
    rows: list[int] = []
    if contradicted:
        rows = [number for number, row_inputs in enumerate(inputs) if row_inputs in contradicted]
    if not rows:
        return []
    first = place_of(table, table.index[rows[0]])
    return [
        f"rows whose text has another {needs.target} elsewhere: {len(rows)} of {len(table)}, the first in {first}"
    ]


def split_columns(table: pd.DataFrame) -> list[str]:
    """Return a note on a column that says of each row which split it belongs to, since nothing heeds it."""
    for name in table.columns:
        values = table[name].tolist()
        # Nearly every column shows in its first cell that it names no splits.
        if not values or not isinstance(values[0], str) or split_of(values[0]) is None:
            continue
        counts = Counter(value for value in values if isinstance(value, str))
        are_all_texts = counts.total() == len(values)
        # Of a column of texts, the first few show it.
        splits = [split_of(value) for value in list(counts)[: len(Split) + 1]]
        if are_all_texts and len(set(splits)) > 1 and None not in splits and Split.TRAIN in splits:
            shown = ", ".join(f"{quoted(value)} {count} times" for value, count in counts.items())
            return [
                f"column {str(name)!r} names splits ({shown}) and is not heeded: rows of all of them are learned from; "
                "give a file for each split"
            ]
    return []
