"""The splits of a run, as they lie in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from xautolm.data.fingerprint import fingerprint
from xautolm.serialization import temporary_path
from xautolm.vocabulary import Split


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
    table.to_parquet(temporary)
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


def split_problem(path: Path, rows: int) -> str:
    """Return why a stored split cannot be read, or has another number of rows; nothing if all is well.

    Args:
        path: Its file.
        rows: That it must have.
    """
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        return "there was no such file"
    try:
        stored_rows = parquet.read_metadata(path).num_rows
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        return f"it could not be read ({first_line[:120]})"
    if stored_rows != rows:
        return f"it had {stored_rows} rows instead of {rows}"
    return ""


def has_other_rows(path: Path, table: pd.DataFrame) -> bool:
    """Return whether a stored split that can be read holds other rows than a table, in whatever order.

    Args:
        path: Its file.
        table: What it must hold.
    """
    import pyarrow

    # Arrow gives back other types than it was given, such as arrays for lists.
    as_stored = pyarrow.Table.from_pandas(table).to_pandas()
    return _content(pd.read_parquet(path)) != _content(as_stored)


def _content(table: pd.DataFrame) -> str:
    """Return what identifies the rows of a split as Arrow gives them, whatever the task."""
    return fingerprint("", table)
