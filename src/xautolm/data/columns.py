"""From a raw table to the columns that a task needs, checked cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xautolm.cells import MissingCellError, is_empty, is_missing
from xautolm.errors import DataError, UsageError

REFUSED = object()
"""Stands for a cell that cannot be parsed, until the first of them is named."""
SWITCH_VALUES = frozenset({"0", "1", "0.0", "1.0", "True", "False", "true", "false", "-1", "-1.0"})
"""What columns of yes and no hold; -1 is where nobody has said."""
SWITCH_SAMPLE = 1_000
"""Rows looked at to tell such columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A column that a task needs."""

    name: str
    """What the column is called from here on, and the option that names it."""
    guesses: tuple[str, ...]
    """Usual names of such a column, lower case."""
    parse: Callable[[Any], Any]
    """Turns a cell into its value; raises ValueError with the reason when it cannot, MissingCellError where there is
    nothing in it."""
    column_problem: Callable[[Sequence[Any]], str] = lambda cells: ""
    """Why a whole column cannot be it though each cell can, as `holds ...`; nothing if it can."""
    joins: bool = False
    """Whether several columns of 0 and 1 can be it: `--label a,b,c`."""


def text_cell(cell: Any) -> str:
    """A text as it is.

    Raises:
        ValueError: Not a text, or nothing in it.
    """
    if not isinstance(cell, str):
        raise ValueError(f"expected text, got {'nothing' if is_missing(cell) else f'{type(cell).__name__} {cell!r}'}")
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
        present = [name for name in candidates if name is not None and _is_there(table, name, role)]
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
        matches = [column for column in columns if column.strip().lower() in role.guesses]
        if wanted is not None and wanted not in columns and not _are_columns(wanted, role, columns):
            raise DataError(f"No column {wanted!r}.", got=f"columns {listed_names(columns)}")
        if wanted is None and len(matches) != 1:
            which = f"both {' and '.join(matches)} look like it" if matches else f"columns {listed_names(columns)}"
            fix = f"Say so with {_option(role.name)}."
            if set(columns) <= set(chosen.values()):
                fix = f"There is no other column; give the data one with the {role.name}."
            switches = _switch_columns(table) if role.joins and not matches else []
            if switches:
                fix = f"These hold 0 and 1 only; if they are the labels: --{role.name} {','.join(switches)}"
            raise DataError(f"Which column is the {role.name}?", got=which, fix=fix)
        chosen[role.name] = wanted or matches[0]
    if len(set(chosen.values())) < len(chosen):
        raise DataError("One column cannot be two things.", got=chosen)
    return chosen


def listed_names(names: Sequence[str]) -> str:
    """Return names with commas between; those with blanks at an end are quoted, so that these can be seen."""
    return ", ".join(name if name == name.strip() and name.isprintable() else repr(name) for name in names)


def _is_there(table: pd.DataFrame, name: str, role: Role) -> bool:
    return name in table.columns or _are_columns(name, role, list(table.columns))


def _are_columns(wanted: str, role: Role, columns: Sequence[str]) -> bool:
    names = joined_names(wanted)
    return role.joins and len(names) > 1 and set(names) <= set(columns)


def _switch_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns that say yes or no wherever they say something; none if there is only one."""
    names = []
    for name in table.columns:
        values = {str(cell) for cell in table[name].head(SWITCH_SAMPLE) if not is_empty(cell)}
        if values and values <= SWITCH_VALUES:
            names.append(str(name))
    return names if len(names) > 1 else []


def _option(role: str) -> str:
    return f"--{role} NAME" if role in {"text", "label"} else f"--columns {role}=NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The columns that a task needs, of the rows that have a label."""

    table: pd.DataFrame
    """Under the roles' names, every cell parsed; the index says where each row stands in its source."""
    unlabelled: Mapping[Hashable, Any]
    """The label cells of the rows without a label, by where they stand."""
    where: str
    """What the index counts: `line` or `row`."""


def extract(table: pd.DataFrame, roles: Sequence[Role], chosen: Mapping[str, str], name: str) -> pd.DataFrame:
    """Return the chosen columns under their roles' names, every cell parsed.

    Raises:
        DataError: Cells that cannot be parsed; the first is named by its line or row, the others are counted.
    """
    problems: list[str] = []
    values: dict[str, list[Any]] = {}
    for role in roles:
        cells = column_of(table, chosen[role.name], role, name)
        values[role.name] = _parsed(cells, role, f"{name}, {_where(table)}", chosen[role.name], problems)
    _refuse(problems)
    return pd.DataFrame(values)


def extract_labelled(
    table: pd.DataFrame, roles: Sequence[Role], chosen: Mapping[str, str], name: str, *, empty: Any = None
) -> Labelled:
    """Return the chosen columns of the rows that have a label, the last role's; the others are kept apart.

    Args:
        table: As it was read.
        roles: What the task needs.
        chosen: The table's column for each role.
        name: What a message calls the table.
        empty: The label of rows that have none; None: there is no such label.

    Raises:
        DataError: Cells that cannot be parsed; the first is named by its line or row, the others are counted.
    """
    *inputs, target = roles
    cells = column_of(table, chosen[target.name], target, name)
    problem = target.column_problem(list(cells))
    if problem:
        raise DataError(f"{name}, column {chosen[target.name]!r} {problem}")
    where = f"{name}, {_where(table)}"
    problems: list[str] = []
    labels = _parsed(cells, target, where, chosen[target.name], problems, missing=empty)
    is_labelled = [label is not None for label in labels]
    values: dict[str, list[Any]] = {}
    for role in inputs:
        # Rows without a label are left out, so it does not matter what their texts are.
        texts = column_of(table, chosen[role.name], role, name)[is_labelled]
        values[role.name] = _parsed(texts, role, where, chosen[role.name], problems)
    _refuse(problems)
    values[target.name] = [label for label in labels if label is not None]
    unlabelled = cells[[label is None for label in labels]]
    return Labelled(
        table=pd.DataFrame(values, index=table.index[is_labelled]),
        unlabelled=dict(unlabelled.items()),
        where=_where(table),
    )


def _parsed(
    cells: pd.Series[Any], role: Role, where: str, column: str, problems: list[str], *, missing: Any = REFUSED
) -> list[Any]:
    """Return the values of cells; what cannot be parsed is added to the problems.

    Args:
        cells: Of one column.
        role: Says what their values are.
        where: What comes before a row's place in a message.
        column: The column's name.
        problems: Sentences, one for each cell.
        missing: The value of a cell with nothing in it; by default that is a problem.
    """
    values: list[Any] = []
    for place, cell in cells.items():
        try:
            values.append(role.parse(cell))
        except ValueError as error:
            if missing is not REFUSED and isinstance(error, MissingCellError):
                values.append(missing)
                continue
            problems.append(f"{where} {place}, column {column!r}: {error}.")
            values.append(REFUSED)
    return values


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"{len(problems) - 1} further cells have problems." if len(problems) > 1 else ""
        raise DataError(problems[0], fix=more)


def _where(table: pd.DataFrame) -> str:
    """Return what the index of a table counts: lines of a file, or rows."""
    return str(table.index.name or "row")


def column_of(table: pd.DataFrame, column: str, role: Role, name: str) -> pd.Series[Any]:
    """Return the cells of a column, or of several named together as mappings of their names to their cells.

    Raises:
        DataError: There is no such column.
    """
    if column in table.columns:
        return table[column]
    parts = joined_names(column) if role.joins else []
    if len(parts) > 1 and set(parts) <= set(table.columns):
        rows = table[parts].to_dict("records")
        return pd.Series(rows, index=table.index, dtype=object)
    missing = next((part for part in parts if part not in table.columns), column)
    raise DataError(f"{name} has no column {missing!r}.", got=f"columns {', '.join(map(str, table.columns))}")


def joined_names(column: str) -> list[str]:
    """Return the names in a text such as `a,b,c`."""
    return [part.strip() for part in column.split(",") if part.strip()]


def check_known(given: Mapping[str, str | None], roles: Sequence[Role]) -> None:
    """Refuse a column option that the task has no use for.

    Raises:
        UsageError: For example `--label` for a task without labels.
    """
    names = {role.name for role in roles}
    for name, column in given.items():
        if column is not None and name not in names:
            raise UsageError(f"This task has no {name} column.", got=f"--{name} {column}", fix=f"It has {names}.")
