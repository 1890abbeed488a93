"""Make tables of the shapes that data has in Python: sequences, arrays, series, frames, mappings, data sets, rows.

What `fit`, `evaluate` and `predict` take is read here, once for all three. Rows are told apart by position, as
scikit-learn does it: an index of pandas' is no part of the data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xautolm.data.columns import Role, choose_columns, extract, usual_columns
from xautolm.data.forms import inputs_in_columns
from xautolm.data.frames import column_name, frame_of_columns, listed, plain_frame
from xautolm.data.loading import load
from xautolm.data.surrogates import repaired_table
from xautolm.data.targets import target_cells
from xautolm.errors import DataError

LOG = logging.getLogger(__name__)
Columns = Mapping[str, str | None]
"""Names of columns by role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Data to learn from, in a shape that `load` reads."""

    data: Any
    columns: Columns
    """The names of columns by role: those that the user gave, and those that the shape itself says."""


def training_data(X: Any, y: Any, roles: Sequence[Role], columns: Columns) -> TrainingData:
    """Return labelled data from inputs and targets as scikit-learn takes them, or from one table with both.

    Args:
        X: A path, a table, or a sequence of inputs.
        y: Nothing, if the targets are in `X`; the name of their column; or the targets.
        roles: Of the task's columns, the target's last.
        columns: The names that the user gave.

    Raises:
        DataError: The shapes do not fit together, or not the task.
    """
    *inputs, target = roles
    _check_same_order(X, y)
    if not _is_table(X):
        X = listed(X, "data")
    if isinstance(y, str | int):
        columns = _with_target_named(X, str(y), target, columns)
    if y is None or isinstance(y, str | int):
        return TrainingData(data=_with_targets_inside(X, inputs), columns=columns)
    table, named = _inputs(X, inputs, columns)
    cells = target_cells(y, target)
    if len(cells) != len(table):
        raise DataError(f"{len(table)} texts but {len(cells)} labels.")
    name = columns.get(target.name) or target.name
    labelled = table.assign(**{name: pd.Series(cells, index=table.index, dtype=object)})
    return TrainingData(data=labelled, columns={**named, target.name: name})


def input_table(X: Any, roles: Sequence[Role], columns: Columns, used: Mapping[str, str]) -> pd.DataFrame:
    """Return inputs to predict for as a table, a row for each, with columns named by role.

    Args:
        X: What `fit` takes, with or without targets; these are not looked at. A text may be empty here.
        roles: Of the task's inputs.
        columns: The names that the user gave.
        used: The names that training used.

    Raises:
        DataError: A shape that has no rows of these inputs, or an input that is no text, named by its row.
    """
    table, named = _inputs(X, roles, columns)
    if table.empty and not len(table.columns):
        return pd.DataFrame({role.name: [] for role in roles})
    table, repairs = repaired_table(inputs_in_columns(table, roles, named), "inputs")
    for note in repairs:
        LOG.warning("%s", note)
    texts = [Role(name=role.name, guesses=role.guesses, parse=_any_text) for role in roles]
    chosen = choose_columns(table, texts, usual_columns(table, texts, named, used))
    return extract(_with_whole_characters(table), texts, chosen, "inputs")


def _with_whole_characters(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without halves of characters, which no tokenizer takes; how many there were is logged."""
    whole, notes = repaired_table(table, "inputs")
    for note in notes:
        LOG.warning("%s", note)
    return whole


def _with_targets_inside(X: Any, inputs: Sequence[Role]) -> Any:
    """Return data that must hold its targets itself.

    Raises:
        DataError: It cannot: it is a sequence of texts.
    """
    if isinstance(X, pd.DataFrame):
        return plain_frame(X)
    if isinstance(X, Mapping) and not _holds_splits(X):
        return frame_of_columns(X)
    if _is_table(X):
        return X
    if not _has_columns(X):
        names = " and ".join(role.name for role in inputs)
        raise DataError(
            "There are texts but no labels.",
            got=f"{len(X)} values without columns",
            fix=f"Give the labels too, as fit(texts, labels), or a table with {names} and labels.",
        )
    return plain_frame(pd.DataFrame(X, dtype=object))


def _with_target_named(X: Any, name: str, target: Role, columns: Columns) -> Columns:
    """Return the names of columns with the target's, which stands where targets may.

    Raises:
        DataError: The data has no columns, or another name was given too.
    """
    if not _has_columns(X):
        raise DataError(
            f"y is the name {name!r}, but the data has no columns.",
            got=f"{len(X)} values without columns",
            fix="Give as many labels as texts, or a table with that column.",
        )
    earlier = columns.get(target.name)
    if earlier is not None and earlier != name:
        raise DataError(f"Which column is the {target.name}?", got=f"{name!r} as y, {earlier!r} as an option")
    return {**columns, target.name: name}


def _inputs(X: Any, inputs: Sequence[Role], columns: Columns) -> tuple[pd.DataFrame, Columns]:
    """Return a table of inputs in some columns, and what is known of their names."""
    if _is_table(X):
        table = _only_table(X)
        own = X.columns if isinstance(X, pd.DataFrame) else table.columns
        if len(inputs) == 1 and len(own) == 1 and columns.get(inputs[0].name) is None:
            # A single column can only be the single input, whatever it is called.
            return table, {**columns, inputs[0].name: column_name(own[0])}
        return table, columns
    rows = listed(X, "data")
    if any(isinstance(row, Mapping) for row in rows):
        return _inputs(_frame_of_mappings(rows), inputs, columns)
    names = {role.name: columns.get(role.name) or role.name for role in inputs}
    cells = [_parts(row, number, inputs) for number, row in enumerate(rows)]
    table = pd.DataFrame(cells, columns=list(names.values()), dtype=object)
    return table, {**columns, **names}


def _is_table(X: Any) -> bool:
    """Return whether something has columns, as opposed to a sequence of rows."""
    if isinstance(X, str | Path | pd.DataFrame | Mapping):
        return True
    if isinstance(X, pd.Series | pd.Index) or not hasattr(X, "to_pandas"):
        return False
    return hasattr(X, "column_names") or hasattr(X, "columns")


def _has_columns(X: Any) -> bool:
    """Return whether values stand in columns: of a table, or of rows that are mappings or lists."""
    return _is_table(X) or any(isinstance(row, Mapping | list | tuple) for row in X)


def _only_table(X: Any) -> pd.DataFrame:
    """Return the single table that a path, a data set, a mapping or a frame holds.

    Raises:
        DataError: It holds several splits, or it is one row, or a text and no file.
    """
    if isinstance(X, str) and not Path(X).expanduser().exists():
        raise DataError(
            "A text by itself is no data.", got=f"{X[:80]!r}, which is no file here", fix="For one text, give [text]."
        )
    if isinstance(X, Mapping) and X and all(isinstance(cell, str) for cell in X.values()):
        raise DataError("A row by itself is no table.", got=dict(X), fix="For one row, give [row].")
    if isinstance(X, pd.DataFrame):
        table = plain_frame(X)
        is_of_file = any(table.index.names)
        return table if is_of_file else table.reset_index(drop=True)
    if isinstance(X, Mapping) and not _holds_splits(X):
        return frame_of_columns(X)
    splits = dict(X) if _holds_splits(X) else _read_splits(X)
    if len(splits) != 1:
        raise DataError("Which split?", got=", ".join(map(str, splits)), fix="Give one of them.")
    (table,) = splits.values()
    return plain_frame(table if isinstance(table, pd.DataFrame) else load(table).splits["train"])


def _read_splits(X: Any) -> dict[str, pd.DataFrame]:
    """Return what a path or a data set holds; what was left out of it is logged."""
    source = load(X, any_split=True)
    for note in source.notes:
        LOG.warning("%s", note)
    return dict(source.splits)


def _holds_splits(X: Any) -> bool:
    return isinstance(X, Mapping) and bool(X) and all(_is_table(split) for split in X.values())


def _frame_of_mappings(rows: Sequence[Any]) -> pd.DataFrame:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"data, row {number}: expected a mapping as in other rows.", got=f"{type(row).__name__} {row!r}"[:80]
            )
    return pd.DataFrame(rows, dtype=object)


def _parts(row: Any, number: int, inputs: Sequence[Role]) -> list[Any]:
    """Return a row's inputs: the row itself where the task has one, else its parts."""
    parts = list(row) if isinstance(row, list | tuple) else [row]
    if len(parts) != len(inputs):
        names = " and ".join(role.name for role in inputs)
        raise DataError(
            f"data, row {number}: expected {names}.",
            got=f"{len(parts)} values, {row!r}"[:80],
            fix="Give a table with columns of these names." if len(inputs) > 1 else "",
        )
    return parts


def _any_text(cell: Any) -> str:
    """Return a text, which may be empty.

    Raises:
        ValueError: Not a text.
    """
    if isinstance(cell, str):
        return cell
    is_nothing = cell is None or cell is pd.NA or cell != cell
    raise ValueError(f"expected text, got {'nothing' if is_nothing else f'{type(cell).__name__} {cell!r}'}")


def _check_same_order(X: Any, y: Any) -> None:
    """Refuse pandas objects whose indexes hold the same rows in another order: which rows belong together is unclear.

    Raises:
        DataError: The first place where they differ.
    """
    if not isinstance(X, pd.DataFrame | pd.Series) or not isinstance(y, pd.DataFrame | pd.Series):
        return
    if X.index.equals(y.index) or not X.index.is_unique or not y.index.is_unique:
        return
    if len(X.index.symmetric_difference(y.index)):
        return
    place = next(number for number, (left, right) in enumerate(zip(X.index, y.index, strict=True)) if left != right)
    raise DataError(
        "X and y have the same index in another order.",
        got=f"{X.index[place]!r} and {y.index[place]!r} in row {place}",
        fix="Give y.loc[X.index], or reset both indexes if the order is right as it is.",
    )
