"""What a person should know of data that can be used as it is, and may be meant otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from xautolm.cells import quoted
from xautolm.data.needs import Needs
from xautolm.data.source import place_of
from xautolm.data.split_names import split_of
from xautolm.vocabulary import Split

NOTHINGS = frozenset(
    {
        "nan",
        "NaN",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "None",
        "null",
        "NULL",
        "NaT",
        "unlabeled",
        "unlabelled",
    }
)
"""Names of classes that programs write where there is none; `none` in lower case is a usual name of a class."""


def doubtful_labels(names: Sequence[str]) -> list[str]:
    """Return a note on classes whose names may stand for a missing label: they may as well be meant so."""
    doubtful = [repr(name) for name in names if name in NOTHINGS]
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
    classes_by_input: dict[tuple[str, ...], set[str]] = {}
    inputs = list(zip(*(table[name] for name in needs.inputs), strict=True))
    for row_inputs, label in zip(inputs, table[needs.target], strict=True):
        classes_by_input.setdefault(row_inputs, set()).add(label)
    rows = [
        number for number, row_inputs in enumerate(inputs) if len(classes_by_input[row_inputs]) > 1
    ]
    if not rows:
        return []
    first = place_of(table, table.index[rows[0]])
    return [
        f"rows whose text has another {needs.target} elsewhere: {len(rows)} of {len(table)}, the first in {first}"
    ]


def split_columns(table: pd.DataFrame) -> list[str]:
    """Return a note on a column that says of each row which split it belongs to, since nothing heeds it."""
    for name in table.columns:
        values = list(table[name])
        counts = Counter(value for value in values if isinstance(value, str))
        are_all_texts = counts.total() == len(values)
        # Of a column of texts, the first few show that it names no splits.
        splits = [split_of(value) for value in list(counts)[: len(Split) + 1]]
        if are_all_texts and len(set(splits)) > 1 and None not in splits and Split.TRAIN in splits:
            shown = ", ".join(f"{quoted(value)} {count} times" for value, count in counts.items())
            return [
                f"column {str(name)!r} names splits ({shown}) and is not heeded: rows of all of them are learned from; "
                "give a file for each split"
            ]
    return []
