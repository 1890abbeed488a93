"""From a raw table to the columns that a task needs, checked cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from xautolm.cells import MissingCellError, is_empty, is_missing
from xautolm.data.source import counted_by
from xautolm.errors import DataError, UsageError

Columns: TypeAlias = Mapping[str, str | None]
"""Names of columns by role, as the user gave them; None: the user named none."""
REFUSED = object()
"""Stands for a cell that cannot be parsed, until the first of them is named."""
SWITCH_VALUES = frozenset({"0", "1", "0.0", "1.0", "True", "False", "true", "false", "-1", "-1.0"})
"""What columns of yes and no hold; -1 is where nobody has said."""
NAMES_SHOWN = 40
"""Names of columns that a question about them lists: a table may have hundreds that are numbers of a vector."""
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


def text_cell(cell: object) -> str:
    """Return a text as it is.

    Raises:
        ValueError: Not a text, or nothing in it.
    """
    text = any_text(cell)
    if not text.strip():
        raise ValueError("the text is empty")
    return text


def any_text(cell: object) -> str:
    """Return a text, which may be empty.

    Raises:
        ValueError: Not a text.
    """
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        raise ValueError("expected text, got nothing")
    raise ValueError(f"expected text, got {type(cell).__name__} {cell!r}")


def usual_columns(
    table: pd.DataFrame, roles: Sequence[Role], named: Columns, used: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the names of columns for a table that comes after training: as named, else as used, where it is there.

    Args:
        table: The new table.
        roles: That are looked for.
        named: The columns that the user named, by role.
        used: The names that training used, by role.
    """
    names = dict(named)
    for role in roles:
        if names.get(role.name) is not None:
            continue
        # A table made for this task has the roles' own names.
        for candidate in (used.get(role.name), role.name):
            if candidate is not None and is_present(table, candidate, role):
                names[role.name] = candidate
                break
    return names


def choose_columns(table: pd.DataFrame, roles: Sequence[Role], named: Columns) -> dict[str, str]:
    """Return the table's column for each role: the one that the user named, else the only one with a usual name.

    Raises:
        DataError: A named column does not exist, or no guess is safe; the message lists the columns.
    """
    # Frames may have numbers as names; the user writes texts.
    columns = [str(column) for column in table.columns]

    by_role: dict[str, str] = {}
    for role in roles:
        name = named.get(role.name)
        if name is not None:
            is_known = name in columns or _are_columns(name, role, columns)
            if not is_known:
                names = listed_names(columns)
                advice = _similar_column(name, columns)
                raise DataError(f"No column {name!r}.", got=f"columns {names}", fix=advice)
            by_role[role.name] = name
            continue
        candidates = with_usual_name(table, role)
        # With two candidates a guess could be wrong, and nobody would see it.
        if len(candidates) != 1:
            raise _unclear_column(table, role, candidates, by_role)
        by_role[role.name] = candidates[0]

    distinct = set(by_role.values())
    if len(distinct) < len(by_role):
        raise DataError("One column cannot be two things.", got=by_role)
    return by_role


def _similar_column(name: str, columns: Sequence[str]) -> str:
    """Return which column may have been meant by a name that none has; empty if none is like it."""
    by_key = {column.strip().casefold(): column for column in columns}
    similar = get_close_matches(name.strip().casefold(), by_key, n=1)
    if not similar:
        return ""
    return f"Did you mean {by_key[similar[0]]!r}?"


def with_usual_name(table: pd.DataFrame, role: Role) -> list[str]:
    """Return the names of the columns that are usual ones of a role, whatever their case and blanks around them."""
    names = [str(column) for column in table.columns]
    return [name for name in names if is_usual_name(name, role)]


def is_usual_name(name: str, role: Role) -> bool:
    """Return whether a column of this name is usually a role, whatever its case and blanks around it."""
    # As people head their tables: `Text`, ` label`.
    bare_name = name.strip().lower()
    return bare_name in role.guesses


def _unclear_column(
    table: pd.DataFrame, role: Role, candidates: Sequence[str], by_role: Mapping[str, str]
) -> DataError:
    """Return the question which column is meant, with the answer that the table suggests.

    Args:
        table: Whose columns they are.
        role: That none or several columns could be.
        candidates: The columns with a usual name of the role: none, or several.
        by_role: The columns of the roles before it.
    """
    columns = [str(column) for column in table.columns]
    question = f"Which column is the {role.name}?"
    advice = _naming_advice(role, columns, by_role)
    if candidates:
        names = " and ".join(candidates)
        return DataError(question, got=f"both {names} look like it", fix=advice)

    # Columns of 0 and 1 may be the classes of a task with several labels a row.
    switches: list[str] = []
    if role.joins:
        switches = _switch_columns(table)
    if switches:
        joined = ",".join(switches)
        advice = f"These hold 0 and 1 only; if they are the labels: --{role.name} {joined}"
    names = listed_names(columns[:NAMES_SHOWN])
    further = len(columns) - NAMES_SHOWN
    if further > 0:
        names += f" and {further} more"
    return DataError(question, got=f"columns {names}", fix=advice)


def _naming_advice(role: Role, columns: Sequence[str], by_role: Mapping[str, str]) -> str:
    taken = set(by_role.values())
    # Every column is something else already, so there is none that could be named.
    if taken.issuperset(columns):
        return f"There is no other column; give the data one with the {role.name}."
    return f"Say so with {option_of(role.name)}."


def listed_names(names: Sequence[str]) -> str:
    """Return names with commas between; those with blanks at an end are quoted, so that these can be seen."""
    visible: list[str] = []
    for name in names:
        is_plain = name == name.strip() and name.isprintable()
        if is_plain:
            visible.append(name)
        else:
            visible.append(repr(name))
    return ", ".join(visible)


def _are_columns(joined: str, role: Role, columns: Sequence[str]) -> bool:
    """Return whether a name such as `a,b,c` names several columns that a role can be made of."""
    names = joined_names(joined)
    if not role.joins or len(names) < 2:
        return False
    return set(names) <= set(columns)


def is_present(table: pd.DataFrame, name: str, role: Role) -> bool:
    """Return whether a table has a column, or all of several that are named together."""
    columns = list(table.columns)
    if name in columns:
        return True
    return _are_columns(name, role, columns)


def _switch_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns that say yes or no wherever they say something; none if there is only one."""
    names = []
    for name in table.columns:
        sample = table[name].head(SWITCH_SAMPLE)
        values = {str(cell) for cell in sample if not is_empty(cell)}
        # An empty column says nothing at all.
        if values and values <= SWITCH_VALUES:
            names.append(str(name))
    # A single column of yes and no has two classes; it is not several labels.
    if len(names) < 2:
        return []
    return names


def option_of(role: str) -> str:
    """Return the option that names the column of a role."""
    # The two roles that most tasks have are options of their own.
    if role in {"text", "label"}:
        return f"--{role} NAME"
    return f"--columns {role}=NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The columns that a task needs, of the rows that have a label."""

    table: pd.DataFrame
    """Under the roles' names, every cell parsed; the index says where each row stands in its source."""
    unlabelled: Mapping[Hashable, object]
    """The label cells of the rows without a label, by where they stand."""
    where: str
    """What the index counts: `line` or `row`."""


def extract(
    table: pd.DataFrame, roles: Sequence[Role], columns: Mapping[str, str], name: str
) -> pd.DataFrame:
    """Return the columns of the roles under the roles' names, every cell parsed.

    Raises:
        DataError: Cells that cannot be parsed; the first is named by its line or row, the others are counted.
    """
    counted = counted_by(table)
    where = f"{name}, {counted}"
    problems: list[str] = []
    values: dict[str, list[object]] = {}
    for role in roles:
        column = columns[role.name]
        cells = column_of(table, column, role, name)
        parsed = _parsed(cells, role, where, column, problems)
        values[role.name] = parsed
    # All columns are looked at first, so that the message can count their problems.
    _refuse(problems)
    return pd.DataFrame(values)


def extract_labelled(
    table: pd.DataFrame,
    roles: Sequence[Role],
    columns: Mapping[str, str],
    name: str,
    *,
    empty: object = None,
) -> Labelled:
    """Return the columns of the roles, of the rows that have a label, the last role's; the others are kept apart.

    Args:
        table: As it was read.
        roles: What the task needs.
        columns: The table's column for each role.
        name: What a message calls the table.
        empty: The label of rows that have none; None: there is no such label.

    Raises:
        DataError: Cells that cannot be parsed; the first is named by its line or row, the others are counted.
    """
    *inputs, target = roles
    label_column = columns[target.name]
    label_cells = column_of(table, label_column, target, name)
    # Before the cells one by one: what is wrong with all of them is said once.
    column_problem = target.column_problem(list(label_cells))
    if column_problem:
        raise DataError(f"{name}, column {label_column!r} {column_problem}")

    counted = counted_by(table)
    where = f"{name}, {counted}"
    problems: list[str] = []
    # Labels first: they decide which rows are looked at.
    labels = _parsed(label_cells, target, where, label_column, problems, missing=empty)
    have_label = [label is not None for label in labels]
    is_labelled = np.array(have_label, dtype=bool)
    values: dict[str, list[object]] = {}
    for role in inputs:
        column = columns[role.name]
        cells = column_of(table, column, role, name)
        # Rows without a label are left out, so it does not matter what their texts are.
        labelled_cells = cells[is_labelled]
        values[role.name] = _parsed(labelled_cells, role, where, column, problems)
    _refuse(problems)

    values[target.name] = [label for label in labels if label is not None]
    # The index stays, by which later messages say where a row stands.
    index = table.index[is_labelled]
    labelled_rows = pd.DataFrame(values, index=index)
    unlabelled_cells = label_cells[~is_labelled]
    return Labelled(
        table=labelled_rows,
        unlabelled=dict(unlabelled_cells.items()),
        where=counted,
    )


def _parsed(
    cells: pd.Series,
    role: Role,
    where: str,
    column: str,
    problems: list[str],
    *,
    missing: object = REFUSED,
) -> list[object]:
    """Return the values of cells; what cannot be parsed is added to the problems.

    Args:
        cells: Of one column.
        role: Says what their values are.
        where: What comes before a row's place in a message.
        column: The column's name.
        problems: Sentences, one for each cell.
        missing: The value of a cell with nothing in it; by default that is a problem.
    """
    values: list[object] = []
    for place, cell in cells.items():
        problem = ""
        try:
            value = role.parse(cell)
        except MissingCellError as error:
            value = missing
            if missing is REFUSED:
                problem = str(error)
        except ValueError as error:
            value = REFUSED
            problem = str(error)
        if value is REFUSED:
            problems.append(f"{where} {place}, column {column!r}: {problem}.")
        values.append(value)
    refused = sum(value is REFUSED for value in values)
    if refused == len(values) > 1:
        # As the first problem, it is the one that is shown.
        advice = f"No cell of it can be read: is it the {role.name}? Name another column with {option_of(role.name)}."
        problems[-refused] = f"{problems[-refused]}\n{advice}"
    return values


def _refuse(problems: Sequence[str]) -> None:
    if not problems:
        return
    further = len(problems) - 1
    count = ""
    if further:
        count = f"{further} further cells have problems."
    raise DataError(problems[0], fix=count)


def column_of(table: pd.DataFrame, column: str, role: Role, name: str) -> pd.Series:
    """Return the cells of a column, or of several named together as mappings of their names to their cells.

    Raises:
        DataError: There is no such column.
    """
    if column in table.columns:
        return table[column]
    missing = column
    if role.joins:
        parts = joined_names(column)
        absent = [part for part in parts if part not in table.columns]
        if len(parts) > 1 and not absent:
            # A row is then a mapping of class names to 0 or 1, which the task reads as labels.
            rows = table[parts].to_dict("records")
            return pd.Series(rows, index=table.index, dtype=object)
        if absent:
            missing = absent[0]

    columns = ", ".join(map(str, table.columns))
    raise DataError(f"{name} has no column {missing!r}.", got=f"columns {columns}")


def joined_names(column: str) -> list[str]:
    """Return the names in a text such as `a,b,c`."""
    names: list[str] = []
    for part in column.split(","):
        name = part.strip()
        # A comma at the end adds no name, nor does a name that was there.
        if name and name not in names:
            names.append(name)
    return names


def check_known(named: Columns, roles: Sequence[Role]) -> None:
    """Refuse a column option that the task has no use for.

    Raises:
        UsageError: For example `--label` for a task without labels.
    """
    names = {role.name for role in roles}
    for name, column in named.items():
        if column is None or name in names:
            continue
        option = option_of(name).replace("NAME", column)
        raise UsageError(
            f"This task has no {name} column.",
            got=option,
            fix=f"It has {', '.join(sorted(names))}: name these with {option_of(min(names))}.",
        )
