"""JSON and JSON Lines, whatever the file is called: told apart by what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import pandas as pd

from xautolm.cells import listed, quoted
from xautolm.data.questions import holds_questions, question_rows
from xautolm.data.quoting import LINE
from xautolm.data.source import SAMPLE_OF_LINE, lined_table
from xautolm.data.split_names import split_of
from xautolm.data.surrogates import whole_characters
from xautolm.errors import DataError
from xautolm.serialization import Json
from xautolm.vocabulary import Split

LISTS_OF_ROWS = ("data", "rows", "examples", "records", "items")
"""Names under which a document keeps its rows."""
ONE_ROW_EACH = "Write one JSON object a line, or a list of objects, each with the same names."


def read_json(text: str, place: str, *, has_lines: bool) -> Mapping[str, pd.DataFrame]:
    """Return the tables of a JSON document or of JSON Lines, by split.

    Args:
        text: The whole file.
        place: Its name, for messages.
        has_lines: Whether the file's name says that each line is an object.

    Raises:
        DataError: Not valid JSON, with the line, or nothing that has rows.
    """
    lines = LINE.findall(text)
    numbers = [number for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbers:
        raise DataError(f"{place} is empty.", fix=ONE_ROW_EACH)
    first_number = numbers[0]
    first_line = lines[first_number - 1]
    # What is in a file decides, not its name: an object in the first of several lines makes it JSON Lines.
    if _is_object(first_line) and (has_lines or len(numbers) > 1):
        return {Split.TRAIN: _table_of_lines(lines, numbers, place)}
    try:
        document = _parsed(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            # A whole value, and then something: objects over several lines, one after the other.
            return {Split.TRAIN: _table_of_values(text, place)}
        begins_a_value = first_line.lstrip()[0] in "[{"
        if has_lines and not begins_a_value:
            return {Split.TRAIN: _table_of_lines(lines, numbers, place)}
        raise _not_json(error, text, place) from None
    except ValueError as error:
        raise DataError(f"{place}: not valid JSON.", got=error) from None
    return _tables_of_document(document, place)


def _parsed(text: str) -> Json:
    """Return what a JSON text says.

    Raises:
        json.JSONDecodeError: It is not valid JSON.
        ValueError: A name twice in an object, a number of thousands of digits, or nesting too deep.
    """
    try:
        value: Json = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("objects or lists inside each other too deeply") from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Return an object; the second of two equal names would otherwise win in silence."""
    value: dict[str, Json] = {}
    for raw_name, part in pairs:
        name = whole_characters(raw_name)
        if name in value:
            raise ValueError(f"an object has the name {name!r} twice")
        value[name] = part
    return value


def _is_object(text: str) -> bool:
    """Return whether a line begins with a whole JSON object, after which at most a further one follows."""
    bare = text.strip()
    try:
        value, end = json.JSONDecoder().raw_decode(bare)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    rest = bare[end:].lstrip()
    return not rest or rest[0] in "{,"


def _table_of_lines(lines: Sequence[str], numbers: Sequence[int], place: str) -> pd.DataFrame:
    """Return JSON Lines as a table; a line may hold several objects.

    Args:
        lines: Of the whole file.
        numbers: Of the lines that are not blank, the first line being 1.
        place: The file's name, for messages.

    Raises:
        DataError: A line that is none, by its number.
    """
    rows: list[dict[str, Json]] = []
    places: list[int] = []
    for number in numbers:
        # Each of several files that were put one below the other may begin with a byte order mark.
        line = lines[number - 1].strip("\r\n").removeprefix("\ufeff")
        where = f"{place}, line {number}"
        for value in _values_of_line(line, where):
            if not isinstance(value, dict):
                raise DataError(
                    f"{where}: not a JSON object.", got=line[:SAMPLE_OF_LINE], fix=ONE_ROW_EACH
                )
            rows.append(value)
            places.append(number)
    if rows and holds_questions(rows[0]):
        return _questions_of_lines(rows, places, place)
    return lined_table(rows, places)


def _questions_of_lines(
    articles: Sequence[Mapping[str, Json]], lines: Sequence[int], place: str
) -> pd.DataFrame:
    """Return a row for each question of articles, by the line of its article.

    Raises:
        DataError: An article that is none, by its line.
    """
    rows: list[dict[str, Json]] = []
    places: list[int] = []
    for article, line in zip(articles, lines, strict=True):
        questions = question_rows(article, f"{place}, line {line}")
        rows.extend(questions)
        places.extend([line] * len(questions))
    return lined_table(rows, places)


def _values_of_line(line: str, where: str) -> list[Json]:
    """Return the values in a line of a file.

    Raises:
        DataError: It is not valid JSON.
    """
    try:
        return [_parsed(line)]
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            values = _several_values(line)
            if values:
                return values
        got = f"{error.msg} in {line[:SAMPLE_OF_LINE]!r}"
        raise DataError(f"{where}: not valid JSON.", got=got, fix=ONE_ROW_EACH) from None
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON.", got=error) from None


def _several_values(text: str) -> list[Json]:
    """Return the values that stand one after the other; none if the text is not made of such."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    values: list[Json] = []
    position = 0
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        values.append(value)
        # Some programs write commas between them, as in a list.
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
    return values


def _table_of_values(text: str, place: str) -> pd.DataFrame:
    """Return objects that stand one after the other as a table.

    Raises:
        DataError: One of them cannot be read or is no object; the line on which it begins is named.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    rows: list[dict[str, Json]] = []
    places: list[int] = []
    # The decoder does not pass over blanks by itself.
    blanks = len(text) - len(text.lstrip())
    position = blanks
    line = 1
    counted = 0
    while position < len(text):
        # From the object before on: from the beginning, 20,000 objects took ten seconds.
        line += text.count("\n", counted, position)
        counted = position
        where = f"{place}, line {line}"
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _not_json(error, text, place) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not valid JSON.", got=error) from None
        if not isinstance(value, dict):
            got = repr(value)[:SAMPLE_OF_LINE]
            raise DataError(f"{where}: not a JSON object.", got=got, fix=ONE_ROW_EACH)
        rows.append(value)
        places.append(line)
        while position < len(text) and text[position].isspace():
            position += 1
    return lined_table(rows, places)


def _not_json(error: json.JSONDecodeError, text: str, place: str) -> DataError:
    """Return what is wrong with a text: it was cut off, or what stands around the place of the error."""
    where = f"{place}, line {error.lineno}, column {error.colno}"
    # Blanks at the end of a file are no part of what was cut off.
    end = len(text.rstrip())
    is_cut_off = error.pos >= end or error.msg.startswith("Unterminated string")
    if is_cut_off:
        last_characters = text[max(end - SAMPLE_OF_LINE, 0) : end]
        return DataError(
            f"{where}: the file ends inside a JSON value.",
            got=repr(last_characters),
            fix="Was it cut off? Fetch or write it again.",
        )
    half = SAMPLE_OF_LINE // 2
    start = max(error.pos - half, 0)
    around = text[start : error.pos + half]
    got = f"{error.msg} near {around!r}"
    return DataError(f"{where}: not valid JSON.", got=got, fix=ONE_ROW_EACH)


def _tables_of_document(document: Json, place: str) -> Mapping[str, pd.DataFrame]:
    """Return the tables of a whole document.

    Raises:
        DataError: It has no rows that are objects.
    """
    rows = document
    if isinstance(document, dict):
        splits = _tables_of_splits(document, place)
        if splits is not None:
            return splits
        # A document may be a single article.
        rows = [document] if holds_questions(document) else _rows_of_object(document, place)
    if not isinstance(rows, list):
        raise DataError(f"{place} holds no rows.", got=type(rows).__name__, fix=ONE_ROW_EACH)
    return {Split.TRAIN: _table_of_list(rows, place)}


def _tables_of_splits(
    document: Mapping[str, Json], place: str
) -> Mapping[str, pd.DataFrame] | None:
    """Return a table for each split, if the names of an object are those of splits and their values lists.

    What is not about the rows, such as a version, may stand beside them.
    """
    rows_by_split: dict[Split, list[Json]] = {}
    name_by_split: dict[Split, str] = {}
    for name, rows in document.items():
        split = split_of(name)
        # Beside a test split, rows under one of their usual names are those to learn from.
        if split is None and name in LISTS_OF_ROWS:
            split = Split.TRAIN
        # What describes the rows, such as a version or the names of classes, and a split that is empty.
        if not _holds_objects(rows):
            continue
        # Two names for one split are no names of splits.
        if split is None or split in name_by_split:
            return None
        rows_by_split[split] = rows
        name_by_split[split] = name
    if Split.TRAIN not in rows_by_split:
        return None

    tables: dict[str, pd.DataFrame] = {}
    for split_of_rows, rows_of_split in rows_by_split.items():
        name = name_by_split[split_of_rows]
        tables[split_of_rows] = _table_of_list(rows_of_split, f"{place}, {name!r}")
    return tables


def _rows_of_object(document: Mapping[str, Json], place: str) -> Json:
    """Return the list of rows inside an object: a list of its own, pandas' columns, or what an annotation tool nests.

    Raises:
        DataError: There is no such list, or one of several.
    """
    split_rows = _rows_in_split_layout(document, place)
    if split_rows is not None:
        return split_rows
    # Rasa's training examples, in its two layouts.
    rasa_data = document.get("rasa_nlu_data")
    if isinstance(rasa_data, dict) and len(document) == 1:
        return _rows_of_object(rasa_data, place)
    if isinstance(document.get("common_examples"), list):
        return document["common_examples"]
    column_rows = _rows_of_columns(document)
    _refuse_several_lists(document, place)
    for name in LISTS_OF_ROWS:
        rows = document.get(name)
        if not isinstance(rows, list):
            continue
        # A column of texts may have such a name too.
        if _holds_objects(rows) or column_rows is None:
            return rows
    if column_rows is not None:
        return column_rows
    # Only the first names, since there may be thousands.
    first_names = [quoted(name, SAMPLE_OF_LINE // 2) for name in list(document)[:8]]
    usual_names = [repr(name) for name in LISTS_OF_ROWS[:2]]
    raise DataError(
        f"{place} is an object without a list of rows.",
        got=f"the names {', '.join(first_names)}",
        fix=f"{ONE_ROW_EACH} An object may hold the list as {' or '.join(usual_names)}.",
    )


def _refuse_several_lists(document: Mapping[str, Json], place: str) -> None:
    """Refuse an object with rows under a usual name and in a further list.

    Lists that describe the rows, such as those of their columns or classes, have objects of another kind.

    Raises:
        DataError: With the name and length of each list.
    """
    usual = [name for name in LISTS_OF_ROWS if _holds_objects(document.get(name))]
    if not usual:
        return
    # The usual name first, where several lists stand in one object.
    keys_of_rows = _keys(document[usual[0]])
    lists: list[str] = []
    for name, rows in document.items():
        if _holds_objects(rows) and _keys(rows) == keys_of_rows:
            lists.append(f"{len(rows)} rows in {name!r}")
    if len(lists) > 1:
        raise DataError(
            f"{place} holds several lists of rows.",
            got=listed(lists),
            fix="Leave one list in it, or lists that are called like splits: 'train', 'validation', 'test'.",
        )


def _keys(rows: Json) -> frozenset[str]:
    """Return the keys of the objects in a list; none of anything else."""
    if not isinstance(rows, list):
        return frozenset()
    return frozenset(key for row in rows if isinstance(row, dict) for key in row)


def _holds_objects(rows: Json) -> TypeGuard[list[Json]]:
    """Return whether a value is a list with objects in it."""
    return isinstance(rows, list) and any(isinstance(row, dict) for row in rows)


def _rows_in_split_layout(document: Mapping[str, Json], place: str) -> list[Json] | None:
    """Return the rows of an object as pandas writes it with `orient="split"`; None for any other object.

    Raises:
        DataError: A row has more or fewer values than there are columns.
    """
    columns = document.get("columns")
    data = document.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return None
    value_lists = [row for row in data if isinstance(row, list)]
    # Names of this layout may also hold something else, such as rows with names of their own.
    if len(value_lists) < len(data):
        return None
    names = [str(name) for name in columns]
    rows: list[Json] = []
    for number, values in enumerate(value_lists):
        if len(values) != len(names):
            raise DataError(
                f"{place}, row {number}: {len(values)} values for {len(names)} columns.",
                got=repr(values)[:SAMPLE_OF_LINE],
            )
        row = dict(zip(names, values, strict=True))
        rows.append(row)
    return rows


def _rows_of_columns(document: Mapping[str, Json]) -> list[Json] | None:
    """Return the rows of an object of columns, each a list or an object by row, if all are of equal length."""
    if len(document) < 2:
        return None
    objects: dict[str, dict[str, Json]] = {}
    lists: dict[str, list[Json]] = {}
    for name, column in document.items():
        if isinstance(column, dict):
            objects[name] = column
        elif isinstance(column, list):
            lists[name] = column
    if len(objects) == len(document):
        return _rows_of_objects(objects)
    if len(lists) < len(document):
        return None

    lengths = {len(column) for column in lists.values()}
    if len(lengths) != 1:
        return None
    (length,) = lengths
    rows: list[Json] = []
    for number in range(length):
        row = {name: column[number] for name, column in lists.items()}
        rows.append(row)
    return rows


def _rows_of_objects(columns: Mapping[str, dict[str, Json]]) -> list[Json] | None:
    """Return the rows of columns that map the number of a row to its cell, if all have the same rows."""
    # All columns must have the same rows in the same order, or cells would be paired by chance.
    objects = list(columns.values())
    keys = list(objects[0])
    for column in objects:
        if list(column) != keys:
            return None

    names_are_numbers = all(name.isdecimal() for name in columns)
    keys_are_numbers = all(key.isdecimal() for key in keys)
    are_rows = names_are_numbers or len(columns) > len(keys)
    if are_rows and not keys_are_numbers:
        # The other way round (pandas' `orient="index"`): an object of rows by their numbers, or by names of their own.
        return [*objects]

    rows: list[Json] = []
    for key in keys:
        row: dict[str, Json] = {}
        for name, column in columns.items():
            row[name] = column[key]
        rows.append(row)
    return rows


def _table_of_list(rows: Sequence[Json], place: str) -> pd.DataFrame:
    """Return a list of objects as a table.

    Raises:
        DataError: An element that is no object.
    """
    objects: list[dict[str, Json]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(
                f"{place}, row {number}: not an object with names, so its columns are unknown.",
                got=repr(row)[:SAMPLE_OF_LINE],
                fix=ONE_ROW_EACH,
            )
        objects.append(row)
    if objects and holds_questions(objects[0]):
        questions: list[dict[str, Json]] = []
        for number, article in enumerate(objects):
            questions.extend(question_rows(article, f"{place}, row {number}"))
        objects = questions
    return pd.DataFrame(objects, dtype=object)
