"""Targets that are given apart from their inputs, in the shapes that scikit-learn and others give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xautolm.data.columns import Role
from xautolm.data.frames import frame_of_columns, listed, plain_frame
from xautolm.data.hugging_face import as_frame
from xautolm.errors import DataError

TRUTHS = (0, 1)
"""What a cell of an indicator holds: whether a row has a class."""


def target_cells(y: Any, target: Role) -> list[Any]:
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
        return _cells_of_frame(plain_frame(y.reset_index(drop=True)), target)
    cells = listed(_with_class_names(y), "y")
    if takes_lists(target) or not cells or not all(isinstance(cell, list | tuple) for cell in cells):
        return cells
    widths = {len(cell) for cell in cells}
    if widths == {1}:
        return [cell[0] for cell in cells]
    raise _refusal(cells, widths, target)


def _with_class_names(y: Any) -> Any:
    """Return a column of a `datasets.Dataset` with class names for their numbers; anything else as it is."""
    source = getattr(y, "source", None)
    name = getattr(y, "column_name", None)
    if source is None or name is None or not hasattr(source, "select_columns"):
        return y
    return as_frame(source.select_columns([name]))[name]


def takes_lists(target: Role) -> bool:
    """Return whether a row can have several targets: classes, or answers that are right."""
    # Asked of the task itself, which knows its cells.
    try:
        target.parse(["a", "b"])
    except ValueError:
        return False
    return True


def _cells_of_frame(frame: pd.DataFrame, target: Role) -> list[Any]:
    if len(frame.columns) == 1:
        return list(frame.iloc[:, 0])
    names = [str(name) for name in frame.columns]
    if not takes_lists(target):
        raise DataError(
            f"y has {len(names)} columns, but one {target.name} a row is wanted.",
            got=f"columns {', '.join(names)}"[:120],
            fix="Give one column. If they are classes with 0 and 1, y.idxmax(axis=1) names the class of each row.",
        )
    cells = []
    for number, row in enumerate(frame.itertuples(index=False, name=None)):
        chosen = []
        for name, cell in zip(names, row, strict=True):
            if cell not in TRUTHS:
                raise DataError(
                    f"y, row {number}, column {name!r}: expected 0 or 1, whether the row has that class.",
                    got=repr(cell),
                )
            if cell:
                chosen.append(name)
        cells.append(chosen)
    return cells


def _refusal(cells: list[Any], widths: set[int], target: Role) -> DataError:
    """Return why lists are no targets of a task with one target a row."""
    wanted = f"One {target.name} a row is wanted, but y has several."
    if len(widths) > 1:
        number = next(place for place, cell in enumerate(cells) if len(cell) != 1)
        return DataError(wanted, got=f"{cells[number]!r} in row {number}"[:80])
    shape = f"an array of shape ({len(cells)}, {widths.pop()})"
    is_one_hot = all(value in TRUTHS for cell in cells for value in cell) and all(sum(cell) == 1 for cell in cells)
    if is_one_hot:
        return DataError(
            wanted,
            got=f"{shape} of 0 and 1, which is one-hot",
            fix="Give the class of each row: np.asarray(names)[y.argmax(axis=1)].",
        )
    return DataError(wanted, got=shape)
