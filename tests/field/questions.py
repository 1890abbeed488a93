"""Field cases: question answering, with the forms that answers take and documents that many questions are about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import ROWS, table

TASK = "question-answering"
CONTEXTS = list(table()["text"])
ANSWERS = [context.split()[1] for context in CONTEXTS]
"""The ticket's number, which the context holds."""
QUESTIONS = [f"Which ticket is it, number {number}?" for number in range(ROWS)]
STARTS = [context.index(answer) for context, answer in zip(CONTEXTS, ANSWERS, strict=True)]
SQUAD = [
    {"text": [answer], "answer_start": [start]}
    for answer, start in zip(ANSWERS, STARTS, strict=True)
]
MANUAL = "The blue lamp means charging and the red lamp means a fault. " * 5


def rows_of(answers: Sequence[Any], contexts: Sequence[str] = CONTEXTS) -> pd.DataFrame:
    """Return questions with these answers."""
    columns = {
        "context": list(contexts),
        "question": QUESTIONS,
        "answers": pd.Series(list(answers), dtype=object),
    }
    return pd.DataFrame(columns)


def frame(
    answers: Sequence[Any], contexts: Sequence[str] = CONTEXTS
) -> Callable[[Path], pd.DataFrame]:
    """Return what gives a frame of questions."""
    return lambda folder: rows_of(answers, contexts)


def in_csv(answers: Sequence[Any]) -> Callable[[Path], Path]:
    """Return what writes a CSV file of questions."""

    def write(folder: Path) -> Path:
        path = folder / "questions.csv"
        rows_of([str(answer) for answer in answers]).to_csv(path, index=False)
        return path

    return write


def squad(
    answers: Callable[[int], dict[str, Any]], *, context: str = "context", in_lines: bool = False
) -> Callable[[Path], Path]:
    """Return what writes a question an article as SQuAD has them; `answers` gives what else a question says."""

    def write(folder: Path) -> Path:
        articles = []
        for row in range(ROWS):
            question = {"id": str(row), "question": QUESTIONS[row], **answers(row)}
            articles.append({"paragraphs": [{context: CONTEXTS[row], "qas": [question]}]})
        if in_lines:
            path = folder / "squad.jsonl"
            path.write_text("\n".join(map(json.dumps, articles)))
        else:
            path = folder / "squad.json"
            path.write_text(json.dumps({"version": "v2.0", "data": articles}))
        return path

    return write


def manual_in_splits(folder: Path) -> Path:
    """Write training, validation and test questions about one document."""
    questions = rows_of(["charging"] * ROWS, [MANUAL] * ROWS)
    for name, part in (
        ("train", questions[:40]),
        ("validation", questions[40:50]),
        ("test", questions[50:]),
    ):
        part.to_parquet(folder / f"{name}.parquet")
    return folder


ARRAYS = [
    f"{{'text': array(['{answer}'], dtype=object), 'answer_start': array([{start}])}}"
    for answer, start in zip(ANSWERS, STARTS, strict=True)
]
READ = {
    "texts": frame(ANSWERS),
    "numbers in lists": frame([[int(answer)] for answer in ANSWERS]),
    "SQuAD's mappings": frame(SQUAD),
    "lists of mappings": frame([[{"text": answer, "answer_start": 3}] for answer in ANSWERS]),
    "arrays": frame([np.array([answer], dtype=object) for answer in ANSWERS]),
    "SQuAD's mappings in CSV": in_csv(SQUAD),
    "SQuAD's mappings as JSON in CSV": in_csv([json.dumps(answer) for answer in SQUAD]),
    "SQuAD's mappings with arrays in CSV": in_csv(ARRAYS),
    "lists in CSV": in_csv([[answer] for answer in ANSWERS]),
    "lists as JSON in CSV": in_csv([json.dumps([answer]) for answer in ANSWERS]),
    "lists of mappings in CSV": in_csv(
        [[{"text": answer, "answer_start": 3}] for answer in ANSWERS]
    ),
    "DROP's mappings": frame([{"spans": [answer], "types": ["number"]} for answer in ANSWERS]),
}
NONE_FOR_SOME = ["" if row % 10 == 0 else answer for row, answer in enumerate(ANSWERS)]


CASES = [
    Case(
        name=f"answers: {name}",
        make=make,
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": (("7",), ("59",))}),
    )
    for name, make in READ.items()
]
CASES += [
    Case(
        name="answers: [] in CSV",
        make=in_csv([answer or "[]" for answer in NONE_FOR_SOME]),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((), ("7",))}),
    ),
    Case(
        name="answers: an empty list of SQuAD's",
        make=in_csv(
            [{"text": [answer] if answer else [], "answer_start": []} for answer in NONE_FOR_SOME]
        ),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((), ("7",))}),
    ),
    Case(
        name="answers: none at all",
        make=in_csv(["[]"] * ROWS),
        task=TASK,
        expect=Refused(
            value="empty lists of answers", place="training split", cure="--columns answers=NAME"
        ),
    ),
    Case(
        name="answers: empty cells",
        make=in_csv(NONE_FOR_SOME),
        task=TASK,
        expect=Read(
            rows=ROWS - 6, notes=("6 of 60 rows", "says their answers", "--unlabelled none")
        ),
    ),
    Case(
        name="answers: empty cells mean none",
        make=in_csv(NONE_FOR_SOME),
        task=TASK,
        options={"unlabelled": "none"},
        expect=Read(rows=ROWS, probes={"answers": ((), ("7",))}),
    ),
    Case(
        name="answers: NaN means none",
        make=frame([answer or float("nan") for answer in NONE_FOR_SOME]),
        task=TASK,
        options={"unlabelled": "none"},
        expect=Read(rows=ROWS, probes={"answers": ((), ("7",))}),
    ),
    Case(
        name="answers: test split with none",
        make=lambda folder: {
            "train": rows_of(ANSWERS),
            "test": rows_of([[]] * ROWS).assign(
                context=[f"More of {context}" for context in CONTEXTS]
            ),
        },
        task=TASK,
        expect=Read(rows=ROWS, notes=("test split left out",)),
    ),
    Case(
        name="answers: intervals are texts",
        make=frame([f"[{row}, {row + 1}]" for row in range(ROWS)]),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": (("[3, 4]",),)}),
    ),
    Case(
        name="answers: a mapping without texts",
        make=in_csv([{"answer_start": [3]}] * ROWS),
        task=TASK,
        expect=Refused(value="{'answer_start': [3]}", place="line 2, column 'answers'"),
    ),
    Case(
        name="answers: one of two is empty",
        make=frame([[answer, " "] for answer in ANSWERS]),
        task=TASK,
        expect=Refused(
            value="an answer is empty", place="row 0, column 'answers'", cure="an empty list"
        ),
    ),
    Case(
        name="contexts that are empty",
        make=frame(
            ANSWERS, ["" if row % 10 == 0 else context for row, context in enumerate(CONTEXTS)]
        ),
        task=TASK,
        expect=Refused(
            value="the text is empty", place="row 0, column 'context'", cure="5 further cells"
        ),
    ),
    Case(
        name="one document",
        make=frame(["charging", "a fault"] * (ROWS // 2), [MANUAL] * ROWS),
        task=TASK,
        expect=Read(
            rows=ROWS, notes=("context and question together", "1 different texts of context")
        ),
    ),
    Case(
        name="one document with most of the questions",
        make=frame(ANSWERS, [MANUAL] * 50 + CONTEXTS[50:]),
        task=TASK,
        expect=Read(rows=ROWS, notes=("the commonest in 83% of the rows",)),
    ),
    Case(
        name="one document in three splits",
        make=manual_in_splits,
        task=TASK,
        expect=Read(rows=ROWS, test_rows=10, notes=("context and question together",)),
    ),
    Case(
        name="pairs: one text beside many",
        make=lambda folder: (
            table().rename(columns={"text": "text_pair"}).assign(text="Which team answers?")
        ),
        task="text-pair-classification",
        expect=Read(rows=ROWS, notes=("text and text_pair together",)),
    ),
    Case(
        name="SQuAD: impossible questions with answers",
        make=squad(
            lambda row: {"is_impossible": row % 4 == 0, "answers": [{"text": ANSWERS[row]}]}
        ),
        task=TASK,
        expect=Read(
            rows=ROWS, probes={"answers": ((),)}, notes=("'is_impossible' marks, taken away: 15",)
        ),
    ),
    Case(
        name="SQuAD: impossible questions without a list of answers",
        make=squad(
            lambda row: {"is_impossible": True} if row % 4 == 0 else {"answers": ANSWERS[row]}
        ),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((), (ANSWERS[1],))}),
    ),
    Case(
        name="SQuAD: an answer by itself",
        make=squad(lambda row: {"answer": ANSWERS[row]}),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((ANSWERS[0],),)}),
    ),
    Case(
        name="SQuAD: null for answers",
        make=squad(lambda row: {"answers": None if row % 10 == 0 else [ANSWERS[row]]}),
        task=TASK,
        expect=Read(rows=ROWS - 6, notes=("6 of 60 rows", "--unlabelled none")),
    ),
    Case(
        name="SQuAD: articles in lines",
        make=squad(lambda row: {"answers": [{"text": ANSWERS[row]}]}, in_lines=True),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((ANSWERS[0],),)}),
    ),
    Case(
        name="SQuAD: no answer at all",
        make=squad(lambda row: {}),
        task=TASK,
        expect=Refused(value="nothing", place="column 'answers'", cure="--columns answers=NAME"),
    ),
    Case(
        name="SQuAD: no context",
        make=squad(lambda row: {"answers": []}, context="text"),
        task=TASK,
        expect=Refused(value="'context'", place="row 0", cure="A paragraph has"),
    ),
    Case(
        name="impossible questions with answers, flat",
        make=lambda folder: rows_of(ANSWERS).assign(
            is_impossible=[row % 4 == 0 for row in range(ROWS)]
        ),
        task=TASK,
        expect=Read(rows=ROWS, probes={"answers": ((),)}, notes=("taken away: 15",)),
    ),
]
