"""Targets that are given apart from their inputs, in the shapes that scikit-learn and others give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from xautolm.data.columns import Role
from xautolm.data.frames import frame_of_columns, listed, plain_frame
from xautolm.data.hugging_face import as_frame
from xautolm.errors import DataError

TRUTHS = (0, 1)
"""What a cell of an indicator holds: whether a row has a class."""


def target_cells(y: object, target: Role) -> list[object]:
    """Return a cell for each row.

    Args:
        y: A sequence, series or array of targets, of shape (n,) or (n, 1); a frame of one column; for tasks with
            several classes a row also a frame of 0 and 1 whose columns are the classes.
        target: Says what a target is.

    Raises:
        DataError: Another shape, with what can be done about it.
    """
    if isinstance(y, Mapping):
        y = frame_of_columns(y)
    if isinstance(y, pd.DataFrame):
        # Rows are told apart by position, as scikit-learn does it.
        frame = plain_frame(y.reset_index(drop=True))
        return _cells_of_frame(frame, target)
    cells = listed(_with_class_names(y), "y")
    if takes_lists(target) or not cells:
        return cells
    rows: list[Sequence[object]] = [cell for cell in cells if isinstance(cell, list | tuple)]
    if len(rows) < len(cells):
        return cells
    widths = {len(row) for row in rows}
    # An array of shape (n, 1) holds one target a row, wrapped.
    if widths == {1}:
        return [row[0] for row in rows]
    raise _refusal(rows, widths, target)


def _with_class_names(y: object) -> object:
    """Return a column of a `datasets.Dataset` with class names for their numbers; anything else as it is."""
    source = getattr(y, "source", None)
    name = getattr(y, "column_name", None)
    if source is None or name is None or not hasattr(source, "select_columns"):
        return y
    only_column = source.select_columns([name])
    frame = as_frame(only_column)
    return frame[name]


def takes_lists(target: Role) -> bool:
    """Return whether a row can have several targets: classes, or answers that are right."""
    # Asked of the task itself, which knows its cells.
    try:
        target.parse(["a", "b"])
    except ValueError:
        return False
    return True


def _cells_of_frame(frame: pd.DataFrame, target: Role) -> list[object]:
    """Return the cells of a frame's only column, or for each row the names of the columns that are 1.

    Raises:
        DataError: It has several columns and the task takes one target a row, or a cell is neither 0 nor 1.
    """
    if len(frame.columns) == 1:
        return list(frame.iloc[:, 0])
    names = [str(name) for name in frame.columns]
    if not takes_lists(target):
        columns = f"columns {', '.join(names)}"
        raise DataError(
            f"y has {len(names)} columns, but one {target.name} a row is wanted.",
            got=columns[:120],
            fix="Give one column. If they are classes with 0 and 1, y.idxmax(axis=1) names the class of each row.",
        )
    cells: list[object] = []
    for number, row in enumerate(frame.itertuples(index=False, name=None)):
        classes: list[str] = []
        for name, cell in zip(names, row, strict=True):
            if cell not in TRUTHS:
                raise DataError(
                    f"y, row {number}, column {name!r}: expected 0 or 1, whether the row has that class.",
                    got=repr(cell),
                )
            if cell:
                classes.append(name)
        cells.append(classes)
    return cells


def _refusal(rows: Sequence[Sequence[object]], widths: set[int], target: Role) -> DataError:
    """Return why lists are no targets of a task with one target a row."""
    problem = f"One {target.name} a row is wanted, but y has several."
    if len(widths) > 1:
        numbers = [number for number, row in enumerate(rows) if len(row) != 1]
        first = numbers[0]
        row_in_words = f"{rows[first]!r} in row {first}"
        return DataError(problem, got=row_in_words[:80])
    (width,) = widths
    shape = f"an array of shape ({len(rows)}, {width})"
    are_one_hot = all(_is_one_hot(row) for row in rows)
    if are_one_hot:
        return DataError(
            problem,
            got=f"{shape} of 0 and 1, which is one-hot",
            fix="Give the class of each row: np.asarray(names)[y.argmax(axis=1)].",
        )
    return DataError(problem, got=shape)


def _is_one_hot(row: Sequence[object]) -> bool:
    """Return whether a row is 0 but for a single 1."""
    if any(value not in TRUTHS for value in row):
        return False
    ones = sum(value == 1 for value in row)
    return ones == 1
