"""The splits of a run, as they lie in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from xautolm.data.fingerprint import fingerprint
from xautolm.vocabulary import Split


def split_path(folder: Path, split: Split) -> Path:
    """Return where a split lies.

    Args:
        folder: Of a run's data.
        split: Which of them.
    """
    return folder / f"{split}.parquet"


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
    """Return why a stored split is not a table's, or nothing; the order of its rows does not matter.

    Args:
        path: The file of the split.
        table: What it must hold.
    """
    import pyarrow

    if not path.is_file():
        return "there was no such file"
    try:
        stored = pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        return f"it could not be read ({first_line[:120]})"
    # Arrow gives back other types than it was given, such as arrays for lists.
    as_stored = pyarrow.Table.from_pandas(table).to_pandas()
    if _content(stored) != _content(as_stored):
        return "it had other rows"
    return ""


def _content(table: pd.DataFrame) -> str:
    """Return what identifies the rows of a split as Arrow gives them, whatever the task."""
    return fingerprint("", table)
