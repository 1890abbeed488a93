"""A question about a context, answered by a text; any of several reference answers is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeAlias

from xautolm.cells import MissingCellError, is_empty, items_of, name_of, quoted, structure
from xautolm.errors import DataError
from xautolm.tasks.base import BaseTask, Prompt, Row, Stratum
from xautolm.vocabulary import Architecture, TargetKind
from xautolm.words import answer_span

ANSWER_KEYS = ("text", "spans")
"""Where mappings hold answers: SQuAD's and DROP's."""

References: TypeAlias = tuple[str, ...]
"""The answers of one row, each of them right; empty where the context does not answer the question."""


class QuestionAnswering(BaseTask[References]):
    """Encoders extract a span of the context, decoders and encoder-decoders generate the answer.

    An empty list of answers says that the context does not answer the question (as in SQuAD 2.0); the right prediction
    is then the empty text.
    """

    name = "question-answering"
    forms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        Architecture.ENCODER: ("extract",),
        Architecture.DECODER: ("generate",),
        Architecture.ENCODER_DECODER: ("generate",),
    }
    families = (Architecture.ENCODER, Architecture.DECODER, Architecture.ENCODER_DECODER)
    target_kind = TargetKind.TEXTS
    metrics = ("token_f1", "exact_match")
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "context": ("context", "passage", "paragraph", "document"),
        "question": ("question", "query"),
    }
    target = "answers"
    target_guesses = ("answers", "answer")
    empty_label = ()

    def parse_label(self, cell: object) -> References:
        """Return answers from a text, a list, SQuAD's mapping or a list of them, or a text that spells one of these."""
        if is_empty(cell):
            raise MissingCellError(
                "expected answers, got nothing; an empty list means that there is none"
            )
        answers = _texts_of(_spelled(cell))
        if answers is None:
            raise ValueError(f"expected answers, got {quoted(cell)}")
        stripped = [answer.strip() for answer in answers]
        if answers and not any(stripped):
            raise MissingCellError("the answer is empty; an empty list means that there is none")
        if not all(stripped):
            raise ValueError(
                f"an answer is empty; an empty list means that there is none, got {quoted(cell)}"
            )
        # Annotators often agree: each answer once, in the order in which they were given.
        distinct = dict.fromkeys(stripped)
        return tuple(distinct)

    def strata(self, labels: Sequence[References]) -> list[Stratum]:
        """Return whether there is an answer."""
        strata: list[Stratum] = []
        for answers in labels:
            has_answer = bool(answers)
            strata.append((has_answer,))
        return strata

    def check(self, train: Sequence[References], validation: Sequence[References]) -> None:
        """Refuse splits without any answer."""
        for name, answers in (("training", train), ("validation", validation)):
            if not any(answers):
                raise DataError(
                    f"No question of the {name} split has an answer, so there is nothing to learn.",
                    got=f"{len(answers)} empty lists of answers",
                    fix="Give questions with answers, or name their column with --columns answers=NAME.",
                )

    def notes(self, rows: Sequence[Row]) -> list[str]:
        """Return how many questions have no answer, and how many answers are not in their context."""
        answered = [row for row in rows if len(row["answers"])]
        # Any of a row's answers is right, so one in the context is enough to learn from.
        spans = [answer_span(row["context"], row["answers"]) for row in answered]
        absent = spans.count(None)
        notes = []
        if len(answered) < len(rows):
            unanswered = len(rows) - len(answered)
            notes.append(f"{unanswered} of {len(rows)} training questions have no answer")
        if absent:
            notes.append(
                f"{absent} of {len(answered)} training answers are not in their context, or only inside another word "
                "or number: models that extract learn from the others, models that generate from all"
            )
        return notes

    def encode(self, labels: Sequence[References], names: Sequence[str]) -> Sequence[References]:
        """Return the reference answers as they are."""
        return list(labels)

    def parts(self, row: Row) -> Prompt:
        """Return the question, which is never cut, and the context, which may be."""
        before = f"Question: {row['question']}\nContext: "
        return Prompt(before, row["context"], "\nAnswer:")

    def words(self, label: References) -> str:
        """Return the first answer; nothing where there is none."""
        if not label:
            return ""
        return label[0]


def _spelled(cell: object) -> object:
    """Return the answers that a text spells; `[1, 2]` and its like are answers themselves."""
    content = structure(cell)
    if not isinstance(cell, str):
        return content
    items = items_of(content) or ()
    # A list of numbers is no list of answers: `[1, 2]` may be the answer itself.
    is_list_of_answers = all(isinstance(item, str | Mapping | list) for item in items)
    return content if is_list_of_answers else cell


def _texts_of(content: object) -> list[str] | None:
    """Return the answers in a text, a number, a mapping or a list of these; None where there is something else."""
    if isinstance(content, Mapping):
        for key in ANSWER_KEYS:
            if key in content:
                return _texts_of(content[key])
        return None
    if isinstance(content, str):
        return [content]
    items = items_of(content)
    if items is None:
        return None
    texts: list[str] = []
    for item in items:
        if is_empty(item):
            # As an empty text, for which there is a message that says what to do.
            texts.append("")
        elif isinstance(item, int | float):
            texts.append(name_of(item))
        else:
            nested_texts = _texts_of(item)
            if nested_texts is None:
                return None
            texts.extend(nested_texts)
    return texts


TASK = QuestionAnswering()
