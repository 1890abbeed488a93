"""Questions about texts as data sets of the SQuAD family keep them, made into a row for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xautolm.cells import items_of, truth
from xautolm.data.source import NotedTable, with_columns
from xautolm.errors import DataError
from xautolm.serialization import Json

PARAGRAPHS, QUESTIONS = "paragraphs", "qas"
"""Where an article keeps its paragraphs, and a paragraph its questions."""
ANSWERS = ("answers", "answer")
"""Where a question keeps what answers it, the usual name first."""
IMPOSSIBLE = "is_impossible"
"""Where a question says that its context does not answer it, as in SQuAD 2.0."""
ID = "id"
"""Where a question keeps what SQuAD's evaluation joins answers to it by."""


def holds_questions(row: Mapping[str, Json]) -> bool:
    """Return whether a row is an article with paragraphs, or a paragraph with questions."""
    return isinstance(row.get(PARAGRAPHS), list) or isinstance(row.get(QUESTIONS), list)


def question_rows(row: Mapping[str, Any], where: str) -> list[dict[str, Json]]:
    """Return a row for each question of an article or a paragraph; what answers it stays as it is.

    A question's own id stands beside it, as a text. Nothing else does: a title of the article may be called as the
    column that training used, and its long values would be repeated for each question.

    Raises:
        DataError: Something is missing in it.
    """
    rows: list[dict[str, Json]] = []
    paragraphs = row.get(PARAGRAPHS, [row])
    try:
        for paragraph in paragraphs:
            for question in paragraph[QUESTIONS]:
                question_row = {
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": _answers_of(question),
                }
                if IMPOSSIBLE in question:
                    question_row[IMPOSSIBLE] = question[IMPOSSIBLE]
                # Numbers as texts: a column of both has no place in Parquet.
                if isinstance(question.get(ID), str | int):
                    question_row[ID] = str(question[ID])
                rows.append(question_row)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{where} is not in SQuAD's format.",
            got=f"{type(error).__name__}: {error}",
            fix="A paragraph has a 'context' and 'qas', each of which has a 'question' and 'answers'.",
        ) from None
    return rows


def _answers_of(question: Mapping[str, Any]) -> Json:
    """Return what answers a question, without places in the context; None where nobody has said."""
    name = next((name for name in ANSWERS if name in question), None)
    if name is None:
        return None
    answers: Json = question[name]
    if not isinstance(answers, list):
        return answers
    texts: list[Json] = []
    for answer in answers:
        if isinstance(answer, dict) and "text" in answer:
            texts.append(answer["text"])
        else:
            texts.append(answer)
    return texts


def without_impossible_answers(table: pd.DataFrame, answers: str | None) -> NotedTable:
    """Return a table whose impossible questions have no answers, and a note on those that had some.

    Such answers are only plausible: they are of another question, or of a guess.

    Args:
        table: Any table; without a column that says so it is returned as it is.
        answers: The column of answers, if it is known.
    """
    if answers is None or not {IMPOSSIBLE, answers} <= set(table.columns):
        return table, []
    try:
        are_impossible = [truth(cell) for cell in table[IMPOSSIBLE]]
    except ValueError:
        # A column of this name that says something else.
        return table, []
    cells: list[object] = []
    removed = 0
    for cell, is_impossible in zip(table[answers], are_impossible, strict=True):
        if not is_impossible:
            cells.append(cell)
            continue
        if _has_content(cell):
            removed += 1
        cells.append([])
    notes = []
    if removed:
        notes.append(f"answers of questions that {IMPOSSIBLE!r} marks, taken away: {removed}")
    return with_columns(table, {answers: cells}), notes


def _has_content(answers: object) -> bool:
    """Return whether a cell has answers in it; SQuAD's mapping has lists of them."""
    if isinstance(answers, Mapping):
        parts: Sequence[object] = list(answers.values())
        return any(_has_content(part) for part in parts)
    items = items_of(answers)
    return bool(answers) if items is None else bool(items)
