"""JSON and JSON Lines, whatever the file is called: told apart by what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xautolm.data.quoting import LINE
from xautolm.data.source import lined_table
from xautolm.data.split_names import TRAIN, split_of
from xautolm.data.surrogates import whole_characters
from xautolm.errors import DataError

SAMPLE_OF_LINE = 60
"""Characters of a wrong line that a message shows."""
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
    starts_with_object = _is_object(lines[numbers[0] - 1])
    if starts_with_object and (has_lines or len(numbers) > 1):
        return {TRAIN: _table_of_lines(lines, numbers, place)}
    try:
        document = _parsed(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return {TRAIN: _table_of_values(text, place)}
        if has_lines and lines[numbers[0] - 1].lstrip()[0] not in "[{":
            return {TRAIN: _table_of_lines(lines, numbers, place)}
        raise _not_json(error, text, place) from None
    except ValueError as error:
        raise DataError(f"{place}: not valid JSON.", got=error) from None
    return _tables_of_document(document, place)


def _parsed(text: str) -> Any:
    """Return what a JSON text says.

    Raises:
        json.JSONDecodeError: It is not valid JSON.
        ValueError: A name twice in an object, a number of thousands of digits, or nesting too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("objects or lists inside each other too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; the second of two equal names would otherwise win in silence."""
    value = {whole_characters(name): part for name, part in pairs}
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the name {repeated!r} twice")
    return value


def _is_object(text: str) -> bool:
    try:
        value, end = json.JSONDecoder().raw_decode(text.strip())
    except (ValueError, RecursionError):
        return False
    rest = text.strip()[end:].lstrip()
    return isinstance(value, dict) and (not rest or rest[0] in "{,")


def _table_of_lines(lines: Sequence[str], numbers: Sequence[int], place: str) -> pd.DataFrame:
    """Return JSON Lines as a table; a line may hold several objects.

    Raises:
        DataError: A line that is none, by its number.
    """
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for number in numbers:
        line = lines[number - 1].strip("\r\n")
        where = f"{place}, line {number}"
        try:
            values = [_parsed(line)]
        except json.JSONDecodeError as error:
            values = _several_values(line) if error.msg == "Extra data" else []
            if not values:
                raise DataError(
                    f"{where}: not valid JSON.", got=f"{error.msg} in {line[:SAMPLE_OF_LINE]!r}", fix=ONE_ROW_EACH
                ) from None
        except ValueError as error:
            raise DataError(f"{where}: not valid JSON.", got=error) from None
        for value in values:
            if not isinstance(value, dict):
                raise DataError(f"{where}: not a JSON object.", got=line[:SAMPLE_OF_LINE], fix=ONE_ROW_EACH)
            rows.append(value)
            places.append(number)
    return lined_table(rows, places)


def _several_values(text: str) -> list[Any]:
    """Return the values that stand one after the other; none if the text is not made of such."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    values: list[Any] = []
    position = 0
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        values.append(value)
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
    return values


def _table_of_values(text: str, place: str) -> pd.DataFrame:
    """Return objects that stand one after the other as a table.

    Raises:
        DataError: One of them cannot be read or is no object; the line on which it begins is named.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    position = len(text) - len(text.lstrip())
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _not_json(error, text, place) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}, line {line}: not valid JSON.", got=error) from None
        if not isinstance(value, dict):
            got = repr(value)[:SAMPLE_OF_LINE]
            raise DataError(f"{place}, line {line}: not a JSON object.", got=got, fix=ONE_ROW_EACH)
        rows.append(value)
        places.append(line)
        while position < len(text) and text[position].isspace():
            position += 1
    return lined_table(rows, places)


def _not_json(error: json.JSONDecodeError, text: str, place: str) -> DataError:
    where = f"{place}, line {error.lineno}, column {error.colno}"
    end = len(text.rstrip())
    is_cut_off = error.pos >= end or error.msg.startswith("Unterminated string")
    if is_cut_off:
        return DataError(
            f"{where}: the file ends inside a JSON value.",
            got=repr(text[max(end - SAMPLE_OF_LINE, 0) : end]),
            fix="Was it cut off? Fetch or write it again.",
        )
    near = text[max(error.pos - SAMPLE_OF_LINE // 2, 0) : error.pos + SAMPLE_OF_LINE // 2]
    return DataError(f"{where}: not valid JSON.", got=f"{error.msg} near {near!r}", fix=ONE_ROW_EACH)


def _tables_of_document(document: Any, place: str) -> Mapping[str, pd.DataFrame]:
    """Return the tables of a whole document.

    Raises:
        DataError: It has no rows that are objects.
    """
    if isinstance(document, dict):
        splits = _tables_of_splits(document, place)
        if splits is not None:
            return splits
        document = _rows_of_object(document, place)
    if not isinstance(document, list):
        raise DataError(f"{place} holds no rows.", got=type(document).__name__, fix=ONE_ROW_EACH)
    return {TRAIN: _table_of_list(document, place)}


def _tables_of_splits(document: dict[str, Any], place: str) -> Mapping[str, pd.DataFrame] | None:
    """Return a table for each split, if the names of an object are those of splits and their values lists."""
    names = {split_of(name): name for name in document}
    are_splits = TRAIN in names and None not in names and len(names) == len(document)
    if not are_splits or not all(isinstance(rows, list) for rows in document.values()):
        return None
    return {split: _table_of_list(document[name], f"{place}, {name!r}") for split, name in names.items() if split}


def _rows_of_object(document: dict[str, Any], place: str) -> Any:
    """Return the list of rows inside an object: a list of its own, pandas' columns, or what an annotation tool nests.

    Raises:
        DataError: There is no such list.
    """
    names = set(document)
    columns, data = document.get("columns"), document.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        wrong = [number for number, row in enumerate(data) if len(row) != len(columns)]
        if wrong:
            what = f"{place}, row {wrong[0]}: {len(data[wrong[0]])} values for {len(columns)} columns."
            raise DataError(what, got=repr(data[wrong[0]])[:SAMPLE_OF_LINE])
        return [dict(zip(map(str, columns), row, strict=True)) for row in data]
    if names == {"rasa_nlu_data"}:
        return _rows_of_object(document["rasa_nlu_data"], place)
    if isinstance(document.get("common_examples"), list):
        return document["common_examples"]
    lists = [name for name in LISTS_OF_ROWS if isinstance(document.get(name), list)]
    if lists:
        return document[lists[0]]
    column_rows = _rows_of_columns(document)
    if column_rows is not None:
        return column_rows
    raise DataError(
        f"{place} is an object without a list of rows.",
        got=f"the names {', '.join(map(repr, list(document)[:8]))}",
        fix=f"{ONE_ROW_EACH} An object may hold the list as {' or '.join(map(repr, LISTS_OF_ROWS[:2]))}.",
    )


def _rows_of_columns(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object of columns, each a list or an object by row, if all are of equal length."""
    columns = list(document.values())
    if len(columns) < 2:
        return None
    if all(isinstance(column, dict) for column in columns):
        keys = list(columns[0])
        if any(list(column) != keys for column in columns):
            return None
        if all(name.isdecimal() for name in document) and not all(key.isdecimal() for key in keys):
            # The other way round (pandas' `orient="index"`): an object of rows by their numbers.
            return columns
        return [{name: document[name][key] for name in document} for key in keys]
    if all(isinstance(column, list) for column in columns) and len({len(column) for column in columns}) == 1:
        return [{name: document[name][row] for name in document} for row in range(len(columns[0]))]
    return None


def _table_of_list(rows: list[Any], place: str) -> pd.DataFrame:
    """Return a list of objects as a table.

    Raises:
        DataError: An element that is no object.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(
                f"{place}, row {number}: not an object with names, so its columns are unknown.",
                got=repr(row)[:SAMPLE_OF_LINE],
                fix=ONE_ROW_EACH,
            )
    if rows and "paragraphs" in rows[0]:
        rows = _squad_rows(rows, place)
    return pd.DataFrame(rows, dtype=object)


def _squad_rows(articles: Sequence[Mapping[str, Any]], place: str) -> list[Any]:
    """Return one row for each question of SQuAD's articles and paragraphs.

    Raises:
        DataError: Something is missing in them.
    """
    rows = []
    try:
        for article in articles:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = [answer["text"] for answer in question["answers"]]
                    row = {"context": paragraph["context"], "question": question["question"], "answers": answers}
                    rows.append(row)
    except (KeyError, TypeError) as error:
        raise DataError(f"{place} is not in SQuAD's format.", got=f"{type(error).__name__}: {error}") from None
    return rows
