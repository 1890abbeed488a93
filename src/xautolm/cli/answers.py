"""Write what a model says: lines for people, JSON lines, or a file with a row for each row that was asked about."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xautolm.best_model import BestModel, Predictions
from xautolm.cells import is_missing
from xautolm.cli.inputs import CONTEXT, Question
from xautolm.errors import UsageError
from xautolm.serialization import named_file
from xautolm.vocabulary import Targets

PREDICTION = "prediction"
"""Column of the predictions."""
PROBABILITY = "probability"
"""Column of the probability of the predicted class, for tasks with one class a row."""
PROBABILITIES = "probabilities"
"""Probabilities of all classes by their names, in JSON."""
BREAKS = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What would make two lines or two cells of one."""
SIX_DIGITS_FROM = 1e5
"""Numbers that have six digits before their point, or more."""
MOST_WITHOUT_EXPONENT = 1e15
"""About where a float's digits end."""

Classes = tuple[str, ...]
"""Names of a task's classes, in the order of the probabilities."""
Writer = Callable[[Path, Question, Predictions, Classes], None]
"""Writes a file with the answers to a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A type of files that answers are written to."""

    write: Writer
    """Writes such a file."""
    added_columns: tuple[str, ...]
    """What stands in it beside the columns of the rows."""
    check_rows: Callable[[pd.DataFrame], None] | None = None
    """Refuses rows that such a file cannot hold; None where it holds any."""


TABLE_COLUMNS = (PREDICTION, PROBABILITY)
JSON_COLUMNS = (PREDICTION, PROBABILITIES)
"""What tables and JSON lines add to the columns of the rows."""
WITH_COLUMN: Mapping[str, frozenset[Targets]] = {
    PREDICTION: frozenset(Targets),
    PROBABILITY: frozenset({Targets.CLASSES}),
    PROBABILITIES: frozenset({Targets.CLASSES, Targets.INDICATORS}),
}
"""The shapes of answers that have such a column."""


def shown_lines(question: Question, predictions: Predictions) -> Iterator[str]:
    """Yield a line for each row: the prediction, its probability if it has one, and what was asked."""
    # A context is the same long text in every row.
    names = [name for name in question.inputs.columns if name != CONTEXT]
    texts_of_rows = question.inputs[names].itertuples(index=False, name=None)
    probabilities = _probabilities_of_answers(predictions)
    answers = zip(texts_of_rows, predictions.values, strict=True)
    for number, (texts, value) in enumerate(answers):
        cells = [one_line(readable(value))]
        if probabilities is not None:
            cells.append(f"{probabilities[number]:.3f}")
        for text in texts:
            cells.append(one_line(text))
        yield "\t".join(cells)


def readable(value: str | float | list[str]) -> str:
    """Return a prediction for a person; files have it in full."""
    if isinstance(value, float):
        return _with_digits(value)
    text = value if isinstance(value, str) else ", ".join(value)
    # An empty cell would read as if a row had no answer; a text of no labels is one.
    return text or "(none)"


def _with_digits(value: float) -> str:
    """Return a number with six digits, or with all before its point, as people write it."""
    # An exponent is for what nobody counts the digits of.
    if SIX_DIGITS_FROM <= abs(value) < MOST_WITHOUT_EXPONENT:
        return f"{value:.0f}"
    return f"{value:.6g}"


def one_line(text: str) -> str:
    """Return a text in which line ends and tabs are written as letters, if it has any."""
    has_breaks = any(character in text for character in "\n\r\t")
    # Backslashes are doubled only where some are ours: a path of Windows stays as it was.
    if has_breaks:
        return text.translate(BREAKS)
    return text


def json_lines(question: Question, predictions: Predictions, classes: Classes) -> Iterator[str]:
    """Yield a JSON object for each row: its columns, the prediction, and the probability of each class."""
    rows = question.rows.to_dict("records")
    answers = zip(rows, predictions.values, strict=True)
    for number, (row, value) in enumerate(answers):
        answer: dict[str, object] = {}
        for name, cell in row.items():
            answer[str(name)] = cell
        answer[PREDICTION] = value
        if predictions.probabilities is not None:
            probabilities = predictions.probabilities[number].tolist()
            answer[PROBABILITIES] = dict(zip(classes, probabilities, strict=True))
        yield _as_json(answer)


def check_output(path: Path, source: Path | None) -> None:
    """Refuse a file that answers cannot be written to, before a model is loaded.

    Raises:
        UsageError: An unknown ending, no such folder, a file that is read only, or the very file that is read.
    """
    if path.suffix.lower() not in FORMATS:
        endings = ", ".join(sorted(FORMATS))
        raise UsageError("Unknown type of file for --output.", got=path, fix=f"Known: {endings}.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError("There is no such folder for --output.", got=folder)
    if path.is_dir():
        raise UsageError("--output is a folder.", got=path, fix="Give a file's name.")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError("--output is read only.", got=path, fix="Give another name.")
    # By what lies on the disk: two names, or links, may lead to one file.
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise UsageError(
            "--output would replace the file that is read.", got=path, fix="Give another name."
        )


def check_rows(rows: pd.DataFrame, output: Path | None, problem_type: str) -> None:
    """Refuse rows that answers cannot be written beside, before a model is loaded.

    Args:
        rows: As they were given.
        output: The file for the answers; None for JSON lines on standard output.
        problem_type: Of the task: one of numbers, say, has no probabilities.

    Raises:
        UsageError: A column would be replaced, or the file cannot hold one.
    """
    # JSON lines are the same on standard output and in a file.
    suffix = ".jsonl" if output is None else output.suffix.lower()
    file_format = FORMATS[suffix]
    for name in file_format.added_columns:
        if name in rows.columns and problem_type in WITH_COLUMN[name]:
            columns = ", ".join(map(str, rows.columns))
            raise UsageError(
                f"The input has a column {name!r} already, which the answers would replace.",
                got=f"columns {columns}",
                fix="Rename or remove it.",
            )
    if file_format.check_rows is not None:
        file_format.check_rows(rows)


def write_answers(path: Path, question: Question, model: BestModel) -> None:
    """Ask a model, and write a file with a row for each row that it was asked about, in their order.

    The file is made before the model is asked, whose answers would be lost otherwise.

    Raises:
        UsageError: The file cannot be written; an earlier one is as it was.
    """
    file_format = FORMATS[path.suffix.lower()]
    with contextlib.ExitStack() as stack:
        with _writing_to(path):
            file = stack.enter_context(named_file(path))
        predictions = model.predictions(question.inputs)
        with _writing_to(path):
            file_format.write(file, question, predictions, model.info.labels)
            # Gives the file its name.
            stack.close()


@contextlib.contextmanager
def _writing_to(path: Path) -> Iterator[None]:
    """Refuse a file in whose writing the system found an error."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            "The answers cannot be written.", got=f"{path}: {error.strerror or error}"
        ) from None


def _probabilities_of_answers(predictions: Predictions) -> np.ndarray | None:
    """Return the probability of each row's answer; None for tasks in which an answer has no single one."""
    # With several labels a row, targets are a matrix, and no probability of one label is that of the answer.
    has_one_class = np.ndim(predictions.targets) == 1
    if predictions.probabilities is None or not has_one_class:
        return None
    probabilities: np.ndarray = predictions.probabilities.max(axis=1)
    return probabilities


def _table(question: Question, predictions: Predictions) -> pd.DataFrame:
    """Return the rows with their predictions, and the predicted class's probability where a row has one class."""
    table = question.rows.apply(_with_none_in_gaps)
    table[PREDICTION] = pd.Series(predictions.values, index=table.index, dtype=object)
    probabilities = _probabilities_of_answers(predictions)
    if probabilities is not None:
        table[PROBABILITY] = probabilities
    return table


def _write_delimited(delimiter: str) -> Writer:
    """Return what writes a file of cells with a sign between."""

    def write(path: Path, question: Question, predictions: Predictions, classes: Classes) -> None:
        table = _table(question, predictions).apply(_in_texts)
        # Every text is quoted: what breaks a line differs from reader to reader.
        table.to_csv(
            path, sep=delimiter, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )

    return write


def _write_json_lines(
    path: Path, question: Question, predictions: Predictions, classes: Classes
) -> None:
    """Write an object for each row, with all probabilities."""
    with path.open("w", encoding="utf-8") as file:
        for line in json_lines(question, predictions, classes):
            file.write(f"{line}\n")


def _write_parquet(
    path: Path, question: Question, predictions: Predictions, classes: Classes
) -> None:
    """Write a Parquet file."""
    _to_parquet(_table(question, predictions), path)


def _check_parquet(rows: pd.DataFrame) -> None:
    """Refuse rows that Parquet cannot hold."""
    # Written for once: some types fail as columns of Arrow, others as those of the file.
    _to_parquet(rows.apply(_with_none_in_gaps), io.BytesIO())


def _to_parquet(table: pd.DataFrame, target: Path | io.BytesIO) -> None:
    """Write a table as Parquet.

    Raises:
        UsageError: A column holds values of several types, which Parquet has no place for.
    """
    import pyarrow

    try:
        table.to_parquet(target, index=False)
    except (pyarrow.ArrowException, OverflowError) as error:
        reason, _, _ = str(error).partition("\n")
        raise UsageError(
            "The rows cannot be written as Parquet.",
            got=reason,
            fix="Write .jsonl, which takes any row.",
        ) from None


def _write_lines(
    path: Path, question: Question, predictions: Predictions, classes: Classes
) -> None:
    """Write a line for each row, which holds the prediction only: a text as it is, numbers and lists as JSON."""
    lines: list[str] = []
    for value in predictions.values:
        # A program reads this file: an empty text stays empty, and a number has all its digits.
        text = value if isinstance(value, str) else _as_json(value)
        line = one_line(text)
        lines.append(f"{line}\n")
    path.write_text("".join(lines), encoding="utf-8")


def _with_none_in_gaps(column: pd.Series) -> pd.Series:
    """Return a column of objects with None where nothing is: beside NaN, whole numbers would be written as floats."""
    if column.dtype != object:
        return column
    cells = [None if is_missing(cell) else cell for cell in column]
    return pd.Series(cells, index=column.index, dtype=object)


def _in_texts(column: pd.Series) -> pd.Series:
    """Return a column for a delimited file: lists and mappings as JSON, which reads back as what it was."""
    if column.dtype != object:
        return column
    cells: list[object] = []
    for cell in column:
        if isinstance(cell, list | tuple | dict | np.ndarray):
            cell = _as_json(cell)
        cells.append(cell)
    return pd.Series(cells, index=column.index, dtype=object)


def _as_json(cell: object) -> str:
    """Return a cell as JSON that strict readers take."""
    # Letters of any script as they are: JSON is UTF-8, and escapes would be unreadable.
    return json.dumps(_json_value(cell), ensure_ascii=False, allow_nan=False)


def _json_value(cell: object) -> object:
    """Return a cell as JSON has it: arrays as lists, what is missing as null, other objects as text."""
    if isinstance(cell, np.ndarray | np.generic):
        cell = cell.tolist()
    if isinstance(cell, Mapping):
        return {str(name): _json_value(part) for name, part in cell.items()}
    if isinstance(cell, list | tuple):
        return [_json_value(part) for part in cell]
    # JSON has no NaN.
    if is_missing(cell):
        return None
    is_infinite = isinstance(cell, float) and math.isinf(cell)
    if isinstance(cell, str | int | float | bool) and not is_infinite:
        return cell
    return str(cell)


FORMATS: Mapping[str, FileFormat] = {
    ".csv": FileFormat(write=_write_delimited(","), added_columns=TABLE_COLUMNS),
    ".tsv": FileFormat(write=_write_delimited("\t"), added_columns=TABLE_COLUMNS),
    ".jsonl": FileFormat(write=_write_json_lines, added_columns=JSON_COLUMNS),
    ".ndjson": FileFormat(write=_write_json_lines, added_columns=JSON_COLUMNS),
    ".parquet": FileFormat(
        write=_write_parquet, added_columns=TABLE_COLUMNS, check_rows=_check_parquet
    ),
    ".txt": FileFormat(write=_write_lines, added_columns=()),
}
"""How a file is written, by its ending."""
