"""The splits of a run, as they lie in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xautolm.data.fingerprint import fingerprint
from xautolm.serialization import temporary_path
from xautolm.vocabulary import Split

if TYPE_CHECKING:
    import pyarrow


def split_path(folder: Path, split: Split) -> Path:
    """Return where a split lies.

    Args:
        folder: Of a run's data.
        split: Which of them.
    """
    return folder / f"{split}.parquet"


def write_split(path: Path, table: pd.DataFrame) -> None:
    """Write a split so that a kill leaves the earlier file or the new one, and never half of it.

    Args:
        path: Its file.
        table: Its rows.
    """
    temporary = temporary_path(path)
    table.to_parquet(temporary, index=False)
    temporary.replace(path)


def read_split(folder: str | Path, split: Split) -> pd.DataFrame:
    """Return a split as a table, with lists as tuples; see `split_path`."""
    path = split_path(Path(folder), split)
    table = pd.read_parquet(path)
    for name in table.columns:
        if table[name].map(_is_array).any():
            table[name] = table[name].map(_as_tuple)
    return table


def _is_array(cell: object) -> bool:
    return isinstance(cell, np.ndarray)


def _as_tuple(cell: object) -> object:
    """Return an array as a tuple, as tasks have it; Parquet gives lists back as arrays, which have no truth value."""
    return tuple(cell.tolist()) if isinstance(cell, np.ndarray) else cell


def split_problem(path: Path, table: pd.DataFrame) -> str:
    """Return why a stored split does not stand for a table; nothing if it can be read and holds its rows, in any order.

    Args:
        path: Its file.
        table: What it must hold.
    """
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        return "there was no such file"
    expected = pyarrow.Table.from_pandas(table, preserve_index=False)
    try:
        with parquet.ParquetFile(path) as file:
            stored_rows = file.metadata.num_rows
            if stored_rows != expected.num_rows:
                return f"it had {stored_rows} rows instead of {expected.num_rows}"
            stored = file.read()
        return _difference(stored, expected)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        return f"it could not be read ({first_line[:120]})"


def _difference(stored: pyarrow.Table, expected: pyarrow.Table) -> str:
    """Return in what a stored table differs from another; nothing if only in the order of its rows or columns."""
    if set(stored.column_names) != set(expected.column_names):
        return "it had other columns"
    stored = stored.select(expected.column_names)
    # With lists of ten numbers, Arrow compares 100,000 rows within a second, and the digests take three more. But to
    # Arrow, rows in another order are other rows, and so are the same texts as another version of pandas writes them.
    if stored.equals(expected) or _content(stored) == _content(expected):
        return ""
    return "it had other rows"


def _content(table: pyarrow.Table) -> str:
    """Return what identifies the rows of a table, whatever the task."""
    # Values of Python, which `str` gives whole: of arrays, it leaves out digits, and most of the elements of long ones.
    cells = pd.DataFrame(table.to_pydict(), dtype=object)
    return fingerprint("", cells)
