"""Frames as people have them, with plain names and plain cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from xautolm.errors import DataError

PLACES = (None, "line", "row", "file")
"""Names of an index that says where a row stands; any other names a column that was made the index."""


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose column names are texts and whose missing cells are None, whatever the types were.

    Numbers and tuples as names become texts (`0`, `a.text`). pandas' NA, which can be neither compared nor tested,
    becomes None. An index that was a column is one again.
    """
    frame = with_index_columns(frame)
    plain = frame.set_axis([column_name(name) for name in frame.columns], axis=1)
    for position in range(len(plain.columns)):
        column = plain.iloc[:, position]
        cells = plain_cells(column)
        if cells is not column:
            plain.isetitem(position, cells.array)
    return plain


def with_index_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose index holds no column: what was made the index comes first, other levels are dropped."""
    names = frame.index.names
    is_column = [name not in PLACES and name not in frame.columns for name in names]
    if not any(is_column):
        return frame
    levels = [level for level, wanted in enumerate(is_column) if not wanted]
    for level in reversed(levels):
        frame = frame.reset_index(level=level, drop=True)
    return frame.reset_index()


def frame_of_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a frame of columns that are sequences, series or arrays; rows are told apart by position.

    pandas would pair series by their indexes, and make rows that nobody has given.

    Raises:
        DataError: A column is no sequence, or one is longer than another.
    """
    if columns and all(isinstance(cells, Mapping) for cells in columns.values()):
        # As `DataFrame.to_dict()` gives them: the keys of cells say which belong to one row.
        return pd.DataFrame(columns, dtype=object).reset_index(drop=True)
    cells = {column_name(name): listed(values, f"column {name!r}") for name, values in columns.items()}
    lengths = {name: len(values) for name, values in cells.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{length} in {name!r}" for name, length in lengths.items())
        raise DataError("The columns do not form a table.", got=f"{shown} rows")
    frame = pd.DataFrame(index=range(next(iter(lengths.values()), 0)))
    for name, values in cells.items():
        frame[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame


def column_name(name: Any) -> str:
    """Return a column's name as a text; the levels of a tuple have dots between."""
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)


def plain_cells(column: pd.Series) -> pd.Series:
    """Return a column of plain Python values with None for what is missing, or the column as it is if it is plain."""
    if isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
        is_missing = column.isna().tolist()
        cells = [None if missing else cell for cell, missing in zip(column.tolist(), is_missing, strict=True)]
    elif column.dtype == object and any(cell is pd.NA for cell in column):
        cells = [None if cell is pd.NA else cell for cell in column]
    else:
        return column
    return pd.Series(cells, index=column.index, dtype=object, name=column.name)


def listed(values: Any, name: str) -> list[Any]:
    """Return the values of a sequence, series, array, tensor, sparse matrix or generator as plain Python values.

    Args:
        values: In any such shape; rows of several values become lists.
        name: What is spoken of in the message.

    Raises:
        DataError: It is none of these, or has no order.
    """
    if isinstance(values, pd.Series):
        return list(plain_cells(values).tolist())
    if hasattr(values, "toarray"):
        values = values.toarray()
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, method):
            values = getattr(values, method)()
            break
    is_ordered = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | set | frozenset)
    if not is_ordered:
        raise DataError(
            f"{name}: expected a list, array or series, a value for each row.",
            got=f"{type(values).__name__} {values!r}"[:80],
        )
    return [None if value is pd.NA else value for value in values]
