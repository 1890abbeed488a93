"""The splits of a run, as they lie in its folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from xautolm.vocabulary import Split


def split_path(folder: Path, split: Split) -> Path:
    """Return where a split lies.

    Args:
        folder: Of a run's data.
        split: Which of them.
    """
    return folder / f"{split}.parquet"


def read_split(folder: str | Path, split: Split) -> pd.DataFrame:
    """Return a split as a table; see `split_path`."""
    path = split_path(Path(folder), split)
    return pd.read_parquet(path)


def split_problem(path: Path, rows: int) -> str:
    """Return why a split cannot be read, or nothing.

    Args:
        path: Its file.
        rows: That it must have.
    """
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        return "there is no such file"
    try:
        stored_rows = parquet.read_metadata(path).num_rows
    except (OSError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        return first_line[:120]
    if stored_rows != rows:
        return f"it has {stored_rows} rows instead of {rows}"
    return ""
