"""Frames as people have them, with plain names and plain cells."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from xautolm.data.source import FILE, LINE, ROW
from xautolm.errors import DataError

PLACES = (None, LINE, ROW, FILE)
"""Names of an index that says where a row stands; any other names a column that was made the index."""


@runtime_checkable
class Tabular(Protocol):
    """A table of another library, such as datasets, Arrow or polars."""

    def to_pandas(self) -> pd.DataFrame:
        """Return it as a frame."""


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose column names are texts and whose missing cells are None, whatever the types were.

    Numbers and tuples as names become texts (`0`, `a.text`). pandas' NA, which can be neither compared nor tested,
    becomes None. An index that was a column is one again.
    """
    # A column that was made the index is data, too.
    frame = with_index_columns(frame)
    names = [column_name(name) for name in frame.columns]
    plain = frame.set_axis(names, axis=1)
    # By position, since two columns may have one name until that is refused.
    for position in range(len(plain.columns)):
        column = plain.iloc[:, position]
        cells = plain_cells(column)
        if cells is not column:
            plain.isetitem(position, cells.array)
    return plain


def with_index_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose index holds no column: what was made the index comes first, other levels are dropped."""
    places: list[int] = []
    for level, name in enumerate(frame.index.names):
        if name in PLACES or name in frame.columns:
            places.append(level)
    if len(places) == frame.index.nlevels:
        return frame
    # The last level first, so that the numbers of the others stay true.
    for level in reversed(places):
        frame = frame.reset_index(level=level, drop=True)
    return frame.reset_index()


def frame_of_columns(columns: Mapping[Hashable, object]) -> pd.DataFrame:
    """Return a frame of columns that are sequences, series or arrays; rows are told apart by position.

    pandas would pair series by their indexes, and make rows that nobody has given.

    Raises:
        DataError: A column is no sequence, or one is longer than another.
    """
    are_mappings = bool(columns) and all(isinstance(cells, Mapping) for cells in columns.values())
    if are_mappings:
        # As `DataFrame.to_dict()` gives them: the keys of cells say which belong to one row.
        frame = pd.DataFrame(dict(columns), dtype=object)
        return frame.reset_index(drop=True)

    cells_by_name: dict[str, list[object]] = {}
    lengths: set[int] = set()
    counts: list[str] = []
    for name, values in columns.items():
        text = column_name(name)
        cells = listed(values, f"column {name!r}")
        cells_by_name[text] = cells
    for text, cells in cells_by_name.items():
        lengths.add(len(cells))
        counts.append(f"{len(cells)} in {text!r}")
    if len(lengths) > 1:
        all_counts = ", ".join(counts)
        raise DataError("The columns do not form a table.", got=f"{all_counts} rows")

    rows = max(lengths, default=0)
    frame = pd.DataFrame(index=range(rows))
    for text, cells in cells_by_name.items():
        # As objects: pandas would otherwise make floats of whole numbers beside a missing cell.
        frame[text] = pd.Series(cells, index=frame.index, dtype=object)
    return frame


def column_name(name: object) -> str:
    """Return a column's name as a text; the levels of a tuple have dots between."""
    if isinstance(name, tuple):
        return ".".join(map(str, name))
    return str(name)


def plain_cells(column: pd.Series) -> pd.Series:
    """Return a column of plain Python values with None for what is missing, or the column as it is if it is plain."""
    is_extension = isinstance(column.dtype, pd.api.extensions.ExtensionDtype)
    if is_extension:
        # Types of pandas' own have several marks of what is missing; they know them.
        values = column.tolist()
        missing = column.isna().tolist()
    elif column.dtype == object:
        values = list(column)
        missing = [cell is pd.NA for cell in values]
        has_bytes = any(isinstance(cell, bytes) for cell in values)
        # Most columns are plain; those need no copy.
        if not any(missing) and not has_bytes:
            return column
        if has_bytes:
            values = [_decoded(cell) for cell in values]
    else:
        return column
    cells: list[object] = []
    for value, is_missing in zip(values, missing, strict=True):
        cells.append(None if is_missing else value)
    return pd.Series(cells, index=column.index, dtype=object, name=column.name)


def _decoded(cell: object) -> object:
    """Return bytes as the text that they are in UTF-8, as Parquet files of some programs have texts; else the cell."""
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell


def listed(values: object, name: str) -> list[object]:
    """Return the values of a sequence, series, array, tensor, sparse matrix or generator as plain Python values.

    Args:
        values: In any such shape; rows of several values become lists.
        name: What is spoken of in the message.

    Raises:
        DataError: It is none of these, or has no order.
    """
    if isinstance(values, pd.Series):
        return list(plain_cells(values).tolist())
    # SciPy's sparse matrices become dense first.
    if hasattr(values, "toarray"):
        values = values.toarray()
    # In this order the names of Arrow, of NumPy, PyTorch and pandas, and of polars.
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, method):
            to_list = getattr(values, method)
            values = to_list()
            break
    has_no_order = isinstance(values, str | bytes | Mapping | set | frozenset)
    if has_no_order or not isinstance(values, Iterable):
        value_in_words = f"{type(values).__name__} {values!r}"
        raise DataError(
            f"{name}: expected a list, array or series, a value for each row.",
            got=value_in_words[:80],
        )
    return [_plain(value) for value in values]


def _plain(value: object) -> object:
    """Return a value of a list as Python has it: None for pandas' NA, a number for a tensor of one."""
    if value is pd.NA:
        return None
    is_scalar = getattr(value, "ndim", None) == 0
    to_number = getattr(value, "item", None)
    # A number of NumPy's is one already, and as Python's it might have more digits.
    if is_scalar and to_number is not None and not isinstance(value, np.generic):
        return to_number()
    return value
