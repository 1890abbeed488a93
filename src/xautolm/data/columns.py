"""From a raw table to the columns that a task needs, checked cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xautolm.errors import DataError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A column that a task needs."""

    name: str
    """What the column is called from here on, and the option that names it."""
    guesses: tuple[str, ...]
    """Usual names of such a column, lower case."""
    parse: Callable[[Any], Any]
    """Turns a cell into its value; raises ValueError with the reason when it cannot."""


def text_cell(cell: Any) -> str:
    """A text as it is.

    Raises:
        ValueError: Not a text, or nothing in it.
    """
    if not isinstance(cell, str):
        raise ValueError(f"expected text, got {'nothing' if _missing(cell) else f'{type(cell).__name__} {cell!r}'}")
    if not cell.strip():
        raise ValueError("the text is empty")
    return cell


def usual_columns(
    table: pd.DataFrame, roles: Sequence[Role], given: Mapping[str, str | None], used: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the names of columns for a table that comes after training: as given, else as used, where it is there.

    Args:
        table: The new table.
        roles: That are looked for.
        given: The names that the user gave, by role.
        used: The names that training used, by role.
    """
    names = dict(given)
    for role in roles:
        candidates = (used.get(role.name), role.name)
        present = [name for name in candidates if name in table.columns]
        if names.get(role.name) is None and present:
            names[role.name] = present[0]
    return names


def choose_columns(table: pd.DataFrame, roles: Sequence[Role], given: Mapping[str, str | None]) -> dict[str, str]:
    """The table's column for each role: the one given, else the only one with a usual name.

    Raises:
        DataError: A given column does not exist, or no guess is safe; the message lists the columns.
    """
    columns = [str(column) for column in table.columns]
    chosen: dict[str, str] = {}
    for role in roles:
        wanted = given.get(role.name)
        matches = [column for column in columns if column.lower() in role.guesses]
        if wanted is not None and wanted not in columns:
            raise DataError(f"No column {wanted!r}.", got=f"columns {', '.join(columns)}")
        if wanted is None and len(matches) != 1:
            which = f"both {' and '.join(matches)} look like it" if matches else f"columns {', '.join(columns)}"
            raise DataError(f"Which column is the {role.name}?", got=which, fix=f"Say so with {_option(role.name)}.")
        chosen[role.name] = wanted or matches[0]
    if len(set(chosen.values())) < len(chosen):
        raise DataError("One column cannot be two things.", got=chosen)
    return chosen


def _option(role: str) -> str:
    return f"--{role} NAME" if role in {"text", "label"} else f"--columns {role}=NAME"


def extract(table: pd.DataFrame, roles: Sequence[Role], chosen: Mapping[str, str], name: str) -> pd.DataFrame:
    """The chosen columns under their roles' names, every cell parsed.

    Raises:
        DataError: Cells that cannot be parsed; the first is named by its line or row, the others are counted.
    """
    missing = [column for column in chosen.values() if column not in table.columns]
    if missing:
        raise DataError(f"{name} has no column {missing[0]!r}.", got=f"columns {', '.join(map(str, table.columns))}")
    where = table.index.name or "row"
    result: dict[str, list[Any]] = {}
    problems: list[str] = []
    for role in roles:
        values: list[Any] = []
        for place, cell in table[chosen[role.name]].items():
            try:
                values.append(role.parse(cell))
            except ValueError as error:
                problems.append(f"{name}, {where} {place}, column {chosen[role.name]!r}: {error}.")
        result[role.name] = values
    if problems:
        more = f"{len(problems) - 1} further cells have problems." if len(problems) > 1 else ""
        raise DataError(problems[0], fix=more)
    return pd.DataFrame(result)


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell) or cell is pd.NA


def check_known(given: Mapping[str, str | None], roles: Sequence[Role]) -> None:
    """Refuse a column option that the task has no use for.

    Raises:
        UsageError: For example `--label` for a task without labels.
    """
    names = {role.name for role in roles}
    for name, column in given.items():
        if column is not None and name not in names:
            raise UsageError(f"This task has no {name} column.", got=f"--{name} {column}", fix=f"It has {names}.")
