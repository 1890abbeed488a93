"""Make tables of the shapes that data has in Python: sequences, arrays, series, frames, mappings, data sets, rows.

What `fit`, `evaluate` and `predict` take is read here, once for all three. Rows are told apart by position, as
scikit-learn does it: an index of pandas' is no part of the data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from types import UnionType
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from xautolm.data.columns import Columns, Role, any_text, choose_columns, extract, usual_columns
from xautolm.data.forms import inputs_in_columns
from xautolm.data.frames import Tabular, column_name, frame_of_columns, listed, plain_frame
from xautolm.data.loading import load
from xautolm.data.source import check_column_names
from xautolm.data.split_names import split_of
from xautolm.data.surrogates import repaired_table
from xautolm.data.targets import target_cells
from xautolm.errors import DataError
from xautolm.vocabulary import Split

LOG = logging.getLogger(__name__)
SHOWN = 80
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Data to learn from, in a shape that `load` reads."""

    data: object
    columns: Columns
    """The names of columns by role: those that the user gave, and those that the shape itself says."""


def training_data(
    inputs: object, targets: object, roles: Sequence[Role], columns: Columns
) -> TrainingData:
    """Return labelled data from inputs and targets as scikit-learn takes them, or from one table with both.

    Args:
        inputs: A path, a table, or a sequence of inputs.
        targets: Nothing, if they are in `inputs`; the name of their column there; or the targets.
        roles: Of the task's columns, the target's last.
        columns: The names that the user gave.

    Raises:
        DataError: The shapes do not fit together, or not the task.
    """
    *input_roles, target_role = roles
    inputs = _with_named_fields(inputs)
    _check_same_order(inputs, targets)
    if isinstance(inputs, Mapping):
        inputs = _with_tables_of_splits(inputs)
    elif not _is_table(inputs):
        # A generator can be read once only.
        inputs = listed(inputs, "data")
    # A frame's columns may have numbers as names.
    if isinstance(targets, str | int):
        columns = _with_target_named(inputs, str(targets), target_role, columns)
        targets = None
    if targets is None:
        table_with_targets = _with_targets_inside(inputs, input_roles)
        return TrainingData(data=table_with_targets, columns=columns)

    # From here on inputs and targets are given apart, and belong together by position.
    table, columns = _inputs(inputs, input_roles, columns)
    cells = target_cells(targets, target_role)
    if len(cells) != len(table):
        raise DataError(f"{len(table)} texts but {len(cells)} labels.")
    target = columns.get(target_role.name) or target_role.name
    labels = pd.Series(cells, index=table.index, dtype=object)
    table = table.assign(**{target: labels})
    return TrainingData(data=table, columns={**columns, target_role.name: target})


def input_table(
    inputs: object, roles: Sequence[Role], columns: Columns, used: Mapping[str, str]
) -> pd.DataFrame:
    """Return inputs to predict for as a table, a row for each, with columns named by role.

    Args:
        inputs: What `fit` takes, with or without targets; these are not looked at. A text may be empty here.
        roles: Of the task's inputs.
        columns: The names that the user gave.
        used: The names that training used.

    Raises:
        DataError: A shape that has no rows of these inputs, or an input that is no text, named by its row.
    """
    table, columns = _inputs(inputs, roles, columns)
    check_column_names(table, "inputs")
    has_nothing = table.empty and not len(table.columns)
    if has_nothing:
        return pd.DataFrame({role.name: [] for role in roles})
    table = inputs_in_columns(table, roles, columns)
    table, notes = repaired_table(table, "inputs")
    for note in notes:
        LOG.warning("%s", note)

    # A model can be asked about an empty text, though it cannot learn from one.
    text_roles: list[Role] = []
    for role in roles:
        text_role = Role(name=role.name, guesses=role.guesses, parse=any_text)
        text_roles.append(text_role)
    names = usual_columns(table, text_roles, columns, used)
    column_by_role = choose_columns(table, text_roles, names)
    return extract(table, text_roles, column_by_role, "inputs")


def _with_named_fields(inputs: object) -> object:
    """Return a NumPy array with named fields as a frame of these, which it is to its owner; anything else as it is.

    Raises:
        DataError: It is an open file, whose lines would be taken for texts.
    """
    if isinstance(inputs, IOBase):
        raise DataError(
            "An open file is no data.",
            got=type(inputs).__name__,
            fix="Give its path, or read it with pandas and give the frame.",
        )
    if isinstance(inputs, np.ndarray) and inputs.dtype.names is not None:
        return pd.DataFrame({name: inputs[name] for name in inputs.dtype.names})
    return inputs


def _with_tables_of_splits(data: Mapping[str, object]) -> Mapping[str, object]:
    """Return a mapping of splits with frames for lists of rows, without splits that are None; any other as it is.

    Raises:
        DataError: Splits are paths, which have options of their own.
    """
    splits = [split_of(str(name)) for name in data]
    if Split.TRAIN not in splits or None in splits:
        return data
    present = {name: rows for name, rows in data.items() if rows is not None}
    if all(isinstance(rows, str | Path) for rows in present.values()):
        raise DataError(
            "The splits are paths.",
            got=str(dict(data))[:SHOWN],
            fix="Give the training data's path, and the others as validation and test; or a folder with train.* in it.",
        )
    tables: dict[str, object] = {}
    for name, rows in present.items():
        if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
            tables[name] = pd.DataFrame(rows, dtype=object)
        elif _is_table(rows):
            tables[name] = rows
        else:
            # Columns that are called like splits.
            return data
    return tables


def _with_targets_inside(data: object, roles: Sequence[Role]) -> object:
    """Return data that must hold its targets itself, in a shape that `load` reads.

    Args:
        data: A table, or the list of rows.
        roles: Of the task's inputs.

    Raises:
        DataError: It cannot: it is a sequence of texts.
    """
    if isinstance(data, pd.DataFrame):
        return plain_frame(data)
    if isinstance(data, Mapping) and not _holds_splits(data):
        return frame_of_columns(data)
    if _is_table(data):
        return data
    assert isinstance(data, list)
    if _has_columns(data):
        return plain_frame(_frame_of_rows(data))
    role_names = [role.name for role in roles]
    names = " and ".join(role_names)
    are_files = bool(data) and all(isinstance(value, Path) or _is_file(value) for value in data)
    if are_files:
        raise DataError(
            "A list of files is no table.",
            got=", ".join(map(str, data))[:SHOWN],
            fix="Give one file, and others as validation and test; or a folder with train.* in it.",
        )
    raise DataError(
        "There are texts but no labels.",
        got=f"{len(data)} values without columns",
        fix=f"Give the labels too, as fit(texts, labels), or a table with {names} and labels.",
    )


def _is_file(value: object) -> bool:
    """Return whether a text names a file here."""
    try:
        return isinstance(value, str) and Path(value).expanduser().is_file()
    # A text may be too long for a name, or begin with a tilde.
    except (OSError, RuntimeError):
        return False


def _with_target_named(data: object, name: str, target: Role, columns: Columns) -> Columns:
    """Return the names of columns with the target's, which stands where targets may.

    Raises:
        DataError: The data has no columns, or another name was given too.
    """
    if isinstance(data, list) and not _has_columns(data):
        raise DataError(
            f"y is the name {name!r}, but the data has no columns.",
            got=f"{len(data)} values without columns",
            fix="Give as many labels as texts, or a table with that column.",
        )
    earlier = columns.get(target.name)
    if earlier is not None and earlier != name:
        raise DataError(
            f"Which column is the {target.name}?", got=f"{name!r} as y, {earlier!r} as an option"
        )
    return {**columns, target.name: name}


def _inputs(
    inputs: object, roles: Sequence[Role], columns: Columns
) -> tuple[pd.DataFrame, Columns]:
    """Return a table of inputs in some columns, and what is known of their names."""
    if _is_table(inputs):
        return _inputs_of_table(inputs, roles, columns)
    rows = listed(inputs, "data")
    # One mapping is enough: a row beside it that is none is named in the message.
    if any(isinstance(row, Mapping) for row in rows):
        frame = _frame_of_mappings(rows)
        return _inputs_of_table(frame, roles, columns)

    # Rows have no names of columns, so these are called as the user or the task calls them.
    names: dict[str, str] = {}
    for role in roles:
        names[role.name] = columns.get(role.name) or role.name
    cells: list[list[object]] = []
    for number, row in enumerate(rows):
        parts = _parts(row, number, roles)
        cells.append(parts)
    column_names = list(names.values())
    table = pd.DataFrame(cells, columns=column_names, dtype=object)
    return table, {**columns, **names}


def _inputs_of_table(
    data: object, roles: Sequence[Role], columns: Columns
) -> tuple[pd.DataFrame, Columns]:
    table = _only_table(data)
    # An index with a name is a column too, but not what a frame of one column is about.
    own_names = table.columns
    if isinstance(data, pd.DataFrame):
        own_names = data.columns
    text = roles[0].name
    has_one_choice = len(roles) == 1 and len(own_names) == 1
    is_named = columns.get(text) is not None
    if has_one_choice and not is_named:
        # A single column can only be the single input, whatever it is called.
        only_name = column_name(own_names[0])
        return table, {**columns, text: only_name}
    return table, columns


def _is_table(data: object) -> bool:
    """Return whether something has columns, as opposed to a sequence of rows."""
    if isinstance(data, str | Path | pd.DataFrame | Mapping):
        return True
    # A series and an index of pandas' are columns, not tables.
    if isinstance(data, pd.Series | pd.Index):
        return False
    if not isinstance(data, Tabular):
        return False
    # Arrow's arrays and polars' series have `to_pandas` too, but no columns.
    return hasattr(data, "column_names") or hasattr(data, "columns")


def _has_columns(rows: Sequence[object]) -> bool:
    """Return whether the values of rows stand in columns: rows that are mappings or lists."""
    return any(isinstance(row, Mapping | list | tuple) for row in rows)


def _only_table(data: object) -> pd.DataFrame:
    """Return the single table that a path, a data set, a mapping or a frame holds.

    Raises:
        DataError: It holds several splits, or it is one row, or a text and no file.
    """
    if isinstance(data, pd.DataFrame):
        table = plain_frame(data)
        # An index with a name, such as `line`, says where a row stands in its file.
        if any(table.index.names):
            return table
        return table.reset_index(drop=True)

    if isinstance(data, str) and not _is_there(data):
        beginning = str(data)[:SHOWN]
        raise DataError(
            "A text by itself is no data.",
            got=f"{beginning!r}, which is no file here",
            fix="For one text, give [text].",
        )
    if _holds_splits(data):
        tables: dict[str, pd.DataFrame] = {}
        for name, split in data.items():
            tables[name] = _only_table(split)
        return _only_split(tables)
    if isinstance(data, Mapping):
        # As columns, texts would have a character for each row.
        is_row = bool(data) and all(isinstance(cell, str) for cell in data.values())
        if is_row:
            beginning = str(data)[:SHOWN]
            raise DataError(
                "A row by itself is no table.", got=beginning, fix="For one row, give [row]."
            )
        return frame_of_columns(data)
    source = load(data, any_split=True)
    for note in source.notes:
        LOG.warning("%s", note)
    table = _only_split(source.splits)
    return plain_frame(table)


def _is_there(location: str) -> bool:
    """Return whether there is a file or folder of this name."""
    try:
        return Path(location).expanduser().exists()
    except (OSError, RuntimeError):
        return False


def _only_split(splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if len(splits) != 1:
        names = ", ".join(map(str, splits))
        raise DataError("Which split?", got=names, fix="Give one of them.")
    (table,) = splits.values()
    return table


def _holds_splits(data: object) -> TypeGuard[Mapping[str, object]]:
    """Return whether something maps names of splits to tables."""
    if not isinstance(data, Mapping) or not data:
        return False
    for value in data.values():
        # A path or a mapping is a table by itself; in a mapping it is a cell or a column.
        if isinstance(value, str | Path | Mapping):
            return False
        if not _is_table(value):
            return False
    return True


def _frame_of_rows(rows: Sequence[object]) -> pd.DataFrame:
    """Return rows that are mappings, or lists, as a frame.

    Raises:
        DataError: A row is something else than the others, named by its number.
    """
    if any(isinstance(row, Mapping) for row in rows):
        return _frame_of_mappings(rows)
    return pd.DataFrame(_all_of(rows, list | tuple, "a list"), dtype=object)


def _frame_of_mappings(rows: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame(_all_of(rows, Mapping, "a mapping"), dtype=object)


def _all_of(rows: Sequence[object], kind: type | UnionType, name: str) -> Sequence[Any]:
    """Return rows that are all of one kind.

    Raises:
        DataError: One is not, named by its number.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, kind):
            value = f"{type(row).__name__} {row!r}"
            raise DataError(
                f"data, row {number}: expected {name} as in other rows.", got=value[:SHOWN]
            )
    return rows


def _parts(row: object, number: int, roles: Sequence[Role]) -> list[object]:
    """Return a row's inputs: the row itself where the task has one, else its parts.

    Raises:
        DataError: It has more or fewer parts than the task has inputs.
    """
    parts = [row]
    if isinstance(row, list | tuple):
        parts = list(row)
    if len(parts) == len(roles):
        return parts
    role_names = [role.name for role in roles]
    names = " and ".join(role_names)
    value = f"{len(parts)} values, {row!r}"
    advice = ""
    if len(roles) > 1:
        advice = "Give a table with columns of these names."
    raise DataError(f"data, row {number}: expected {names}.", got=value[:SHOWN], fix=advice)


def _check_same_order(inputs: object, targets: object) -> None:
    """Refuse pandas objects whose indexes hold the same rows in another order: which rows belong together is unclear.

    Raises:
        DataError: The first place where they differ.
    """
    if not isinstance(inputs, pd.DataFrame | pd.Series) or not isinstance(
        targets, pd.DataFrame | pd.Series
    ):
        return
    of_inputs = inputs.index
    of_targets = targets.index
    if of_inputs.equals(of_targets):
        return
    # Where a value occurs twice, an index does not tell which rows belong together.
    if not of_inputs.is_unique or not of_targets.is_unique:
        return
    # Indexes of different rows say nothing; rows belong together by position, as in scikit-learn.
    unshared = of_inputs.symmetric_difference(of_targets)
    if len(unshared):
        return

    number = 0
    while of_inputs[number] == of_targets[number]:
        number += 1
    raise DataError(
        "X and y have the same index in another order.",
        got=f"{of_inputs[number]!r} and {of_targets[number]!r} in row {number}",
        fix="Give y.loc[X.index], or reset both indexes if the order is right as it is.",
    )
