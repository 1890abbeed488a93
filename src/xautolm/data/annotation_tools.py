"""What annotation tools export: doccano, Label Studio, Prodigy, spaCy's categories."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xautolm.cells import is_missing, items_of, shown
from xautolm.errors import DataError

ANNOTATIONS = ("annotations", "completions")
"""Where Label Studio keeps what people said of a task; the second name is that of old versions."""
CHOICES = "choices"
VALUE_KINDS = (CHOICES, "rating", "number", "text", "taxonomy")
"""What an annotation's value may be called, if it is about the whole text."""
ANSWERS = frozenset({"accept", "reject", "ignore"})
"""What Prodigy's `answer` says of a row."""
CATEGORIES = "cats"
LABEL = "label"


def annotation_columns(table: pd.DataFrame, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with what annotation tools nest in columns of its own, and notes on rows that say no label.

    Args:
        table: Any table; without such columns it is returned as it is.
        label: The column of labels, if the user named it.
    """
    table, notes = _label_studio(table)
    table, prodigy_notes = _prodigy(table)
    return _spacy(table, label or LABEL), [*notes, *prodigy_notes]


def _label_studio(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return tasks with their texts and the choices of their first valid annotation as columns."""
    nested = next((name for name in ANNOTATIONS if name in table.columns), None)
    if nested is None or "data" not in table.columns or not all(isinstance(cell, Mapping) for cell in table["data"]):
        return table, []
    rows: list[dict[str, Any]] = []
    disagreeing: list[Any] = []
    for place, data, said in zip(table.index, table["data"], table[nested], strict=True):
        valid = [_annotation_values(annotation) for annotation in _listed(said) if _is_valid(annotation)]
        if any(values != valid[0] for values in valid[1:]):
            disagreeing.append(place)
        rows.append({**data, **(valid[0] if valid else {})})
    notes = []
    if disagreeing:
        where = f"the first in {table.index.name or 'row'} {disagreeing[0]}"
        notes.append(f"tasks whose annotations differ: {len(disagreeing)}, {where}; the first annotation is taken")
    return pd.DataFrame(rows, index=table.index, dtype=object), notes


def _is_valid(annotation: Any) -> bool:
    return isinstance(annotation, Mapping) and not annotation.get("was_cancelled")


def _annotation_values(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an annotation says of the whole text, by the name of the question."""
    values: dict[str, Any] = {}
    for result in _listed(annotation.get("result")):
        value = result.get("value") or {}
        kind = next((kind for kind in VALUE_KINDS if kind in value), None)
        # What has a beginning and an end is about a part of the text.
        if kind is not None and "start" not in value:
            values[str(result.get("from_name", LABEL))] = value[kind]
    return values


def _prodigy(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that were accepted; of choices, those accepted are the label."""
    if "answer" not in table.columns or "text" not in table.columns:
        return table, []
    answers = list(table["answer"])
    if not all(isinstance(answer, str) and answer in ANSWERS for answer in answers):
        return table, []
    if "accept" in table.columns and LABEL not in table.columns:
        table = table.rename(columns={"accept": LABEL})
    accepted = table[table["answer"] == "accept"]
    if accepted.empty:
        raise DataError("Prodigy's answers accept no row.", got=dict(Counter(answers)))
    left_out = Counter(answer for answer in answers if answer != "accept")
    notes = [f"rows left out, whose answer in Prodigy is {answer!r}: {count}" for answer, count in left_out.items()]
    return accepted.drop(columns=["answer"]), notes


def _spacy(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return a table in which a column has the categories that are true.

    Raises:
        DataError: A category is neither true nor false, by its row.
    """
    if CATEGORIES not in table.columns or label in set(table.columns) - {CATEGORIES}:
        return table
    labels: list[list[str]] = []
    for place, categories in table[CATEGORIES].items():
        if not isinstance(categories, Mapping):
            return table
        # A frame of rows of unequal categories has None where a row lacks one.
        said = {name: value for name, value in categories.items() if value is not None}
        unsure = {name: value for name, value in said.items() if value not in (0, 1)}
        if unsure:
            name, value = next(iter(unsure.items()))
            raise DataError(
                f"{table.index.name or 'row'} {place}, column {CATEGORIES!r}: a category must be true or false.",
                got=f"{name}: {value!r}",
                fix="Decide it, 1 or 0.",
            )
        labels.append([name for name, value in said.items() if value])
    series = pd.Series(labels, index=table.index, dtype=object)
    return table.drop(columns=[CATEGORIES]).assign(**{label: series})


def label_cells(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    """Return label cells without what Label Studio wraps around choices: each is a list, if one is wrapped.

    Raises:
        DataError: Labels are those of parts of the text, by the row.
    """
    # Once into a list: a column of pandas' own text type makes new texts each time that it is walked through.
    originals = list(table[column])
    cells = [_choices(cell) for cell in originals]
    for place, cell in zip(table.index, cells, strict=True):
        items = items_of(cell) or []
        if items and all(isinstance(item, list | tuple | Mapping) for item in items):
            raise DataError(
                f"{table.index.name or 'row'} {place}, column {column!r}: labels of parts of a text.",
                got=shown(cell),
                fix="No task here labels spans or tokens; give each text labels of its own.",
            )
    is_wrapped = any(cell is not original for cell, original in zip(cells, originals, strict=True))
    if is_wrapped:
        cells = [[cell] if isinstance(cell, str) and cell.strip() else cell for cell in cells]
    return pd.Series(cells, index=table.index, dtype=object)


def _choices(cell: Any) -> Any:
    """Return the choices in a cell of Label Studio's, which may be JSON text; any other cell as it is."""
    value = cell
    if isinstance(cell, str) and cell.startswith("{") and f'"{CHOICES}"' in cell:
        try:
            value = json.loads(cell)
        except ValueError:
            return cell
    if isinstance(value, Mapping) and set(value) == {CHOICES}:
        return _listed(value[CHOICES])
    return cell


def _listed(cell: Any) -> Sequence[Any]:
    """Return a list, array, single value or nothing as a list."""
    items = items_of(cell)
    if items is not None:
        return items
    return [] if is_missing(cell) else [cell]
