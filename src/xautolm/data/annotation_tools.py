"""What annotation tools export: doccano, Label Studio, Prodigy, spaCy's categories."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from xautolm.cells import is_missing, items_of, quoted, structure
from xautolm.data.columns import Role, is_usual_name
from xautolm.data.source import NotedTable, place_of, with_columns
from xautolm.errors import DataError

ANNOTATIONS = ("annotations", "completions")
"""Where Label Studio keeps what people said of a task; the second name is that of old versions."""
CHOICES = "choices"
VALUE_KINDS = (CHOICES, "rating", "number", "text")
"""What an annotation's value may be called, if it is about the whole text."""
TAXONOMY = "taxonomy"
"""An annotation's value that lists paths in a tree of classes."""
DATA = "data"
ANSWER, ACCEPT = "answer", "accept"
ANSWERS = frozenset({ACCEPT, "reject", "ignore"})
"""What Prodigy's `answer` says of a row."""
CATEGORIES = "cats"
LABEL = "label"
NAME = "name"
"""Where an object that stands for a label says what it is called."""
PLACES_IN_TEXT = frozenset({"start", "begin", "start_offset", "offset", "span"})
"""What labels of a part of a text have, by the names of the usual tools; they tell it by the first row."""
ID = re.compile(r"(?:^|_)id$|I[dD]$")
"""The key of a number that only counts labels, as `id`, `node_id` and `labelId`."""


Names: TypeAlias = Mapping[str, str]
"""New names by those that something had."""


def annotation_columns(table: pd.DataFrame, target: Role, label: str | None) -> NotedTable:
    """Return a table with what annotation tools nest in columns of its own, and notes on rows that say no label.

    Args:
        table: Any table; without such columns it is returned as it is.
        target: What the labels are.
        label: The column of labels, if the user named it.
    """
    notes: list[str] = []
    table, label_studio_notes = _label_studio(table, target, label)
    notes += label_studio_notes
    table, prodigy_notes = _prodigy(table)
    notes += prodigy_notes
    table = _spacy(table, label or LABEL)
    return table, notes


def _label_studio(table: pd.DataFrame, target: Role, label: str | None) -> NotedTable:
    """Return tasks with their texts and the choices of their first valid annotation as columns.

    Args:
        table: Any table.
        target: What the labels are.
        label: The question that they answer, if the user named it.
    """
    nested = [name for name in ANNOTATIONS if name in table.columns]
    if not nested or DATA not in table.columns:
        return table, []
    tasks = list(table[DATA])
    # Other data may have columns of these names too.
    are_tasks = all(isinstance(task, Mapping) for task in tasks)
    if not are_tasks:
        return table, []

    annotations = nested[0]
    answers, notes = _first_opinions(table, annotations)
    task_names, answer_names, name_notes = _names_apart(tasks, answers, annotations, target, label)
    rows: list[dict[str, object]] = []
    for task, answer in zip(tasks, answers, strict=True):
        row = _renamed(task, task_names)
        row.update(_renamed(answer, answer_names))
        rows.append(row)
    return pd.DataFrame(rows, index=table.index, dtype=object), [*notes, *name_notes]


def _first_opinions(
    table: pd.DataFrame, annotations: str
) -> tuple[list[dict[str, object]], list[str]]:
    """Return what the first valid annotation of each task says, and a note where others differ from it.

    Args:
        table: A task a row.
        annotations: The column of its annotations.
    """
    answers: list[dict[str, object]] = []
    disputed: list[Hashable] = []
    for place, cell in table[annotations].items():
        opinions = _opinions(cell)
        first = opinions[0] if opinions else {}
        answers.append(first)
        if any(opinion != first for opinion in opinions):
            disputed.append(place)
    if not disputed:
        return answers, []
    where = f"the first in {place_of(table, disputed[0])}"
    note = (
        f"tasks whose annotations differ: {len(disputed)}, {where}; the first annotation is taken"
    )
    return answers, [note]


def _names_apart(
    tasks: Sequence[Mapping[str, object]],
    answers: Sequence[Mapping[str, object]],
    annotations: str,
    target: Role,
    label: str | None,
) -> tuple[Names, Names, list[str]]:
    """Return other names for what tasks and answers both have, so that neither replaces the other, and notes on it.

    Args:
        tasks: What people were shown.
        answers: What they said of it, by question.
        annotations: The column that the answers come from.
        target: What the labels are.
        label: The question that they answer, if the user named it.

    Returns:
        The new names in the tasks, those in the answers, and a note for each.
    """
    keys = {key for task in tasks for key in task}
    # A mapping keeps the order, which a set would not between processes.
    questions = {question: None for answer in answers for question in answer}
    task_names: dict[str, str] = {}
    answer_names: dict[str, str] = {}
    notes: list[str] = []
    for name in questions:
        if name not in keys:
            continue
        # What people said is the label; anything else is what they were shown, such as the text.
        is_label = is_usual_name(name, target) if label is None else name == label
        if is_label:
            new_name = f"{DATA}.{name}"
            task_names[name] = new_name
        else:
            new_name = f"{annotations}.{name}"
            answer_names[name] = new_name
        notes.append(
            f"{name!r} is in the tasks' data and annotations: one of them is column {new_name!r}"
        )
    return task_names, answer_names, notes


def _renamed(values: Mapping[str, object], names: Names) -> dict[str, object]:
    """Return values by other names, where there are some."""
    return {names.get(name, name): value for name, value in values.items()}


def _opinions(annotations: object) -> list[dict[str, object]]:
    """Return what each annotation of a task that was not cancelled says."""
    opinions = []
    for annotation in _listed(annotations):
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled"):
            opinions.append(_annotation_values(annotation))
    return opinions


def _annotation_values(annotation: Mapping[str, object]) -> dict[str, object]:
    """Return what an annotation says of the whole text, by the name of the question."""
    values: dict[str, object] = {}
    for result in _listed(annotation.get("result")):
        if not isinstance(result, Mapping):
            continue
        value = result.get("value") or {}
        # What has a beginning and an end is about a part of the text.
        if value.get("start") is not None:
            continue
        question = str(result.get("from_name", LABEL))
        for kind in VALUE_KINDS:
            if value.get(kind) is not None:
                _add_answer(values, question, value[kind])
        # Each class is a path of names from the root, written with slashes between them.
        if value.get(TAXONOMY) is not None:
            _add_answer(values, question, ["/".join(path) for path in value[TAXONOMY]])
    return values


def _add_answer(values: dict[str, object], question: str, answer: object) -> None:
    """Add an answer to those of an annotation, in which several results may answer one question."""
    if question not in values:
        values[question] = answer
        return
    earlier = _listed(values[question])
    further = [item for item in _listed(answer) if item not in earlier]
    # A single answer that is given twice stays what it is.
    if further:
        values[question] = [*earlier, *further]


def _prodigy(table: pd.DataFrame) -> NotedTable:
    """Return the rows that were accepted; of choices, those accepted are the label.

    Raises:
        DataError: There is none.
    """
    columns = set(table.columns)
    if not {ANSWER, "text"} <= columns:
        return table, []
    answers = list(table[ANSWER])
    # A column of this name may hold something else in other data.
    if not all(isinstance(answer, str) and answer in ANSWERS for answer in answers):
        return table, []
    # Of choices, `accept` lists those that were accepted.
    if ACCEPT in columns and LABEL not in columns:
        table = table.rename(columns={ACCEPT: LABEL})
    counts = Counter(answers)
    if not counts[ACCEPT]:
        raise DataError("Prodigy's answers accept no row.", got=dict(counts))

    is_accepted = table[ANSWER] == ACCEPT
    accepted = table[is_accepted].drop(columns=[ANSWER])
    notes = []
    refusals = counts.keys() - {ACCEPT}
    for answer in sorted(refusals):
        count = counts[answer]
        notes.append(f"rows left out, whose answer in Prodigy is {answer!r}: {count}")
    return accepted, notes


def _spacy(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return a table in which a column has the categories that are true.

    Raises:
        DataError: A category is neither true nor false, by its row.
    """
    if CATEGORIES not in table.columns:
        return table
    rest = table.drop(columns=[CATEGORIES])
    # A column with labels goes before what a tool has nested.
    if label in rest.columns:
        return table
    are_categories = all(isinstance(cell, Mapping) for cell in table[CATEGORIES])
    if not are_categories:
        return table
    labels: list[list[str]] = []
    for place, categories in table[CATEGORIES].items():
        true_names: list[str] = []
        for name, value in categories.items():
            # A frame of rows of unequal categories has None where a row lacks one.
            if value not in (0, 1, None):
                raise DataError(
                    f"{place_of(table, place)}, column {CATEGORIES!r}: a category must be true or false.",
                    got=f"{name}: {value!r}",
                    fix="Decide it, 1 or 0.",
                )
            if value:
                true_names.append(name)
        labels.append(true_names)
    return with_columns(rest, {label: labels})


def label_cells(table: pd.DataFrame, column: str) -> list[object]:
    """Return label cells without what Label Studio wraps around choices: each is a list, if one is wrapped.

    Raises:
        DataError: Labels are those of parts of the text, or objects that say something of the row, by the row.
    """
    cells: list[object] = []
    values: dict[tuple[str, str], str] = {}
    is_wrapped = False
    for place, cell in zip(table.index, table[column], strict=True):
        content = _printed_objects(cell)
        choices = _choices(content)
        if choices is not content:
            is_wrapped = True
        items = items_of(choices)
        objects = choices if items is None else items
        names = _names_of_objects(objects)
        if names is not None:
            _check_same_always(objects, values, f"{place_of(table, place)}, column {column!r}")
            cells.append(names)
            continue
        if items and all(isinstance(item, list | tuple | Mapping) for item in items):
            raise DataError(
                f"{place_of(table, place)}, column {column!r}: labels of parts of a text.",
                got=quoted(cell),
                fix="No task here labels spans or tokens; give each text labels of its own.",
            )
        cells.append(choices)
    if not is_wrapped:
        return cells
    # Label Studio writes a single choice as a text, several as an object.
    lists: list[object] = []
    for cell in cells:
        is_single = isinstance(cell, str) and cell.strip()
        lists.append([cell] if is_single else cell)
    return lists


def holds_named_labels(table: pd.DataFrame, column: str) -> bool:
    """Return whether each cell of a column is an object that stands for a label, by the name that it has."""
    contents = [_printed_objects(cell) for cell in table[column] if not is_missing(cell)]
    return bool(contents) and all(
        isinstance(content, Mapping) and NAME in content for content in contents
    )


def _names_of_objects(content: object) -> list[str] | None:
    """Return the names of labels that are objects with more to say, such as those of GitHub's issues; None for others.

    What has a beginning in the text is a label of a part of it.
    """
    objects = content if isinstance(content, list) else [content]
    names: list[str] = []
    for label in objects:
        if not isinstance(label, Mapping) or not PLACES_IN_TEXT.isdisjoint(label):
            return None
        name = label.get(NAME)
        if not isinstance(name, str):
            return None
        names.append(name)
    # A list without labels stays what it is.
    return names or None


def _check_same_always(content: object, values: dict[tuple[str, str], str], where: str) -> None:
    """Refuse objects for labels whose numbers differ from row to row: scores, yes or no, places in a text.

    Args:
        content: One object, or several.
        values: What was beside each name in the rows before, by name and key; added to.
        where: The row and column, for the message.

    Raises:
        DataError: What stands beside a name is something else than before.
    """
    objects = content if isinstance(content, list) else [content]
    for label in objects:
        if not isinstance(label, Mapping):
            continue
        name = str(label[NAME])
        for key, value in label.items():
            # Texts describe a label, such as its colour or address.
            if value is None or isinstance(value, str) or ID.search(str(key)):
                continue
            # As it is shown, since arrays of places compare item by item.
            shown = quoted(value)
            usual = values.setdefault((name, str(key)), shown)
            if usual != shown:
                raise DataError(
                    f"{where}: {key!r} of label {name!r} differs from row to row.",
                    got=f"{usual} and {shown}",
                    fix="If it says which labels a row has, give only those; no task here labels parts of a text.",
                )


def _printed_objects(cell: object) -> object:
    """Return the object, or the list of objects, whose names a text spells; any other cell as it is.

    A frame with such labels is written so to CSV.
    """
    # Looked at before it is read, since most cells are plain texts.
    if not isinstance(cell, str) or not cell.startswith(("{", "[{")):
        return cell
    value = structure(cell)
    if _names_of_objects(value) is None:
        return cell
    return value


def _choices(cell: object) -> object:
    """Return the choices in a cell of Label Studio's, which may be JSON text; any other cell as it is."""
    value = cell
    # Looked at before it is read, since most cells are plain texts.
    if isinstance(cell, str) and cell.startswith("{") and f'"{CHOICES}"' in cell:
        try:
            value = json.loads(cell)
        except ValueError:
            return cell
    if isinstance(value, Mapping) and set(value) == {CHOICES}:
        return _listed(value[CHOICES])
    return cell


def _listed(cell: object) -> Sequence[object]:
    """Return a list, array, single value or nothing as a list."""
    items = items_of(cell)
    if items is not None:
        return items
    if is_missing(cell):
        return []
    return [cell]
