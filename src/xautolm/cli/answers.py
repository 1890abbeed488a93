"""Write what a model says: lines for people, JSON lines, or a file with a row for each row that was asked about."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xautolm.best_model import Predictions
from xautolm.cli.inputs import CONTEXT, Question
from xautolm.errors import UsageError

PREDICTION = "prediction"
"""Column of the predictions."""
PROBABILITY = "probability"
"""Column of the probability of the predicted class, for tasks with one class a row."""
PROBABILITIES = "probabilities"
"""Probabilities of all classes by their names, in JSON."""
BREAKS = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What would make two lines or two cells of one."""


def shown_lines(question: Question, predictions: Predictions) -> Iterator[str]:
    """Yield a line for each row: the prediction, the largest probability if there are any, and what was asked."""
    names = [name for name in question.inputs.columns if name != CONTEXT]
    asked = question.inputs[names].itertuples(index=False, name=None)
    for number, (texts, value) in enumerate(zip(asked, predictions.values, strict=True)):
        cells = [one_line(shown(value))]
        if predictions.probabilities is not None:
            cells.append(f"{predictions.probabilities[number].max():.3f}")
        cells.extend(map(one_line, texts))
        yield "\t".join(cells)


def shown(value: str | float | list[str]) -> str:
    """Return a prediction for a person."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else ", ".join(value)
    return text or "(none)"


def one_line(text: str) -> str:
    """Return a text in which line ends and tabs are written as letters, if it has any."""
    has_breaks = any(character in text for character in "\n\r\t")
    return text.translate(BREAKS) if has_breaks else text


def json_lines(
    question: Question, predictions: Predictions, classes: tuple[str, ...]
) -> Iterator[str]:
    """Yield a JSON object for each row: its columns, the prediction, and the probability of each class."""
    for number, (row, value) in enumerate(
        zip(question.rows.to_dict("records"), predictions.values, strict=True)
    ):
        answer: dict[str, Any] = {PREDICTION: value}
        if predictions.probabilities is not None:
            chances = predictions.probabilities[number].tolist()
            answer[PROBABILITIES] = dict(zip(classes, chances, strict=True))
        columns = {str(name): _json_value(cell) for name, cell in row.items()}
        yield json.dumps({**columns, **answer}, ensure_ascii=False, default=_json_value)


def check_output(path: Path, source: Path | None) -> None:
    """Refuse a file that answers cannot be written to, before a model is loaded.

    Raises:
        UsageError: An unknown ending, no such folder, or the very file that is read.
    """
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            "Unknown type of file for --output.",
            got=path,
            fix=f"Known: {', '.join(sorted(WRITERS))}.",
        )
    if not path.absolute().parent.is_dir():
        raise UsageError("There is no such folder for --output.", got=path.absolute().parent)
    if path.is_dir():
        raise UsageError("--output is a folder.", got=path, fix="Give a file's name.")
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise UsageError(
            "--output would replace the file that is read.", got=path, fix="Give another name."
        )


def check_columns(rows: pd.DataFrame) -> None:
    """Refuse rows that have a column which the answers need.

    Raises:
        UsageError: It would be replaced.
    """
    taken = [name for name in (PREDICTION, PROBABILITY, PROBABILITIES) if name in rows.columns]
    if taken:
        raise UsageError(
            f"The input has a column {taken[0]!r} already, which the answers would replace.",
            got=f"columns {', '.join(map(str, rows.columns))}",
            fix="Rename or remove it.",
        )


def write_answers(
    path: Path, question: Question, predictions: Predictions, classes: tuple[str, ...]
) -> None:
    """Write a file with a row for each row that was asked about, in their order.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        WRITERS[path.suffix.lower()](path, question, predictions, classes)
    except OSError as error:
        raise UsageError(
            "The answers cannot be written.", got=f"{path}: {error.strerror or error}"
        ) from None


def _table(question: Question, predictions: Predictions) -> pd.DataFrame:
    """Return the rows with their predictions, and the predicted class's probability where a row has one class."""
    table = question.rows.copy()
    table[PREDICTION] = pd.Series(predictions.values, index=table.index, dtype=object)
    if predictions.probabilities is not None and np.ndim(predictions.targets) == 1:
        table[PROBABILITY] = predictions.probabilities.max(axis=1)
    return table


def _write_delimited(
    delimiter: str,
) -> Callable[[Path, Question, Predictions, tuple[str, ...]], None]:
    def write(
        path: Path, question: Question, predictions: Predictions, classes: tuple[str, ...]
    ) -> None:
        table = _table(question, predictions).map(_cell_text)
        # Every text is quoted: what breaks a line differs from reader to reader.
        table.to_csv(
            path, sep=delimiter, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )

    return write


def _write_json_lines(
    path: Path, question: Question, predictions: Predictions, classes: tuple[str, ...]
) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in json_lines(question, predictions, classes):
            file.write(f"{line}\n")


def _write_parquet(
    path: Path, question: Question, predictions: Predictions, classes: tuple[str, ...]
) -> None:
    import pyarrow

    try:
        _table(question, predictions).to_parquet(path, index=False)
    except pyarrow.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            "The rows cannot be written as Parquet.",
            got=reason,
            fix="Write .jsonl, which takes any row.",
        ) from None


def _write_lines(
    path: Path, question: Question, predictions: Predictions, classes: tuple[str, ...]
) -> None:
    lines = [
        one_line(value if isinstance(value, str) else shown(value)) for value in predictions.values
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _cell_text(cell: Any) -> Any:
    """Return a cell for a delimited file: lists and mappings as JSON, which reads back as what it was."""
    return (
        json.dumps(cell, ensure_ascii=False, default=_json_value)
        if isinstance(cell, list | dict)
        else cell
    )


def _json_value(cell: Any) -> Any:
    """Return a cell as JSON has it: arrays as lists, what is missing as null, other objects as text."""
    if isinstance(cell, np.ndarray | np.generic):
        return cell.tolist()
    if isinstance(cell, float) and cell != cell:
        return None
    if cell is None or isinstance(cell, str | int | float | bool | list | dict):
        return cell
    return str(cell)


WRITERS: Mapping[str, Callable[[Path, Question, Predictions, tuple[str, ...]], None]] = {
    ".csv": _write_delimited(","),
    ".tsv": _write_delimited("\t"),
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
    ".parquet": _write_parquet,
    ".txt": _write_lines,
}
"""What writes a file, by its ending."""
