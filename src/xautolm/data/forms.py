"""Forms in which tools and data sets keep what a task wants, made into the columns that it wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from xautolm.data.annotation_tools import (
    LABEL,
    annotation_columns,
    holds_named_labels,
    label_cells,
)
from xautolm.data.columns import Columns, Role, with_usual_name
from xautolm.data.instructions import INSTRUCTION, instruction_columns
from xautolm.data.questions import without_impossible_answers
from xautolm.data.source import NotedTable, Source, with_columns
from xautolm.data.targets import takes_lists

TARGET = "target"
"""What a text to generate is called; the label of all but generation and question answering is `LABEL`."""


def in_columns(source: Source, roles: Sequence[Role], named: Columns) -> Source:
    """Return tables in which known forms are columns; whatever the user named stays as it is.

    Args:
        source: As it was read.
        roles: What the task wants; the last is the target.
        named: The columns that the user named, by role.

    Raises:
        DataError: A row in such a form that cannot be used.
    """
    splits: dict[str, pd.DataFrame] = {}
    notes = list(source.notes)
    for split, table in source.splits.items():
        in_form, form_notes = table_in_columns(table, roles, named)
        splits[split] = in_form
        # With the split's name, since several splits may have the same note.
        for note in form_notes:
            notes.append(f"{split} split: {note}")
    return replace(source, splits=splits, notes=tuple(notes))


def table_in_columns(table: pd.DataFrame, roles: Sequence[Role], named: Columns) -> NotedTable:
    """Return a table in which known forms are columns, and what a person should know of it.

    Raises:
        DataError: A row in such a form that cannot be used.
    """
    text = roles[0]
    target = roles[-1]
    # Answers to questions have a form of their own, which the reader of JSON knows.
    if target.name not in (LABEL, TARGET):
        return without_impossible_answers(table, named.get(target.name) or _guess(table, target))
    # A task whose text may be an instruction reads conversations too.
    if INSTRUCTION in text.guesses:
        table, notes = instruction_columns(table, text, target, named)
        return _flat(table, text, named.values()), notes

    named_label = named.get(target.name)
    table, notes = annotation_columns(table, target, named_label)
    kept = list(named.values())
    guess = _guess(table, target)
    # An object there says yes or no of each label, or what the label is called.
    if guess is not None and (takes_lists(target) or holds_named_labels(table, guess)):
        kept.append(guess)
    table = _flat(table, text, kept)
    label = named_label or _guess(table, target)
    # Without such a column there is a message later, which asks for it.
    if label is not None and label in table.columns:
        cells = label_cells(table, label)
        table = with_columns(table, {label: cells})
    return table, notes


def inputs_in_columns(table: pd.DataFrame, roles: Sequence[Role], named: Columns) -> pd.DataFrame:
    """Return a table of inputs to predict for, in which known forms are columns.

    Raises:
        DataError: A row in such a form that cannot be used.
    """
    text = roles[0]
    if INSTRUCTION in text.guesses:
        prompted, _ = instruction_columns(table, text, None, named)
        return prompted
    named_columns = {column for column in named.values() if column is not None}
    # Where the columns that the user named are there already, what is nested elsewhere is not asked for.
    if named.get(text.name) is not None and named_columns.issubset(table.columns):
        return table
    return _flat(table, text, named.values())


def _guess(table: pd.DataFrame, role: Role) -> str | None:
    """Return the only column with a usual name of the role, if there is one."""
    matches = with_usual_name(table, role)
    # Of several, the message later asks which one is meant.
    if len(matches) != 1:
        return None
    return matches[0]


def _flat(table: pd.DataFrame, text: Role, kept: Collection[str | None]) -> pd.DataFrame:
    """Return a table whose objects are columns, if its text can only be inside one; names are short where they can.

    Args:
        table: Any table.
        text: Says what a column of texts is usually called.
        kept: Columns that stay as they are, for a role is known to be theirs.
    """
    if with_usual_name(table, text):
        return table
    keys_by_column: dict[str, list[str]] = {}
    for column in table.columns:
        if column in kept:
            continue
        cells = list(table[column])
        # Of a column without cells, `all` is true.
        holds_objects = all(isinstance(cell, Mapping) for cell in cells)
        if cells and holds_objects:
            keys_by_column[column] = _keys_of(cells)

    flat = table.drop(columns=list(keys_by_column))
    # A key that is also a column, or a key elsewhere, needs its object's name before it.
    uses_of_name = Counter(flat.columns)
    for keys in keys_by_column.values():
        uses_of_name.update(keys)
    for column, keys in keys_by_column.items():
        for key in keys:
            name = key
            if uses_of_name[key] > 1:
                name = f"{column}.{key}"
            # Not every object has every key.
            cells = [mapping.get(key) for mapping in table[column]]
            flat = with_columns(flat, {name: cells})
    return flat


def _keys_of(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    """Return all keys of some mappings, in the order in which they come."""
    keys: dict[str, None] = {}
    for mapping in mappings:
        keys.update(dict.fromkeys(mapping))
    return list(keys)
