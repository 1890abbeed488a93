"""A question about a context, answered by a text; any of several reference answers is right."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from xautolm.cells import MissingCellError, is_empty, items_of, name_of, shown, structure
from xautolm.errors import DataError
from xautolm.tasks.base import TaskDefaults

ANSWER_KEYS = ("text", "spans")
"""Where mappings hold answers: SQuAD's and DROP's."""


class QuestionAnswering(TaskDefaults):
    """Encoders extract a span of the context, decoders and encoder-decoders generate the answer.

    An empty list of answers says that the context does not answer the question (as in SQuAD 2.0); the right prediction
    is then the empty text.
    """

    name = "question-answering"
    problem_type = ""
    forms: ClassVar = {"encoder": ("extract",), "decoder": ("generate",), "encoder-decoder": ("generate",)}
    families = ("encoder", "decoder", "encoder-decoder")
    target_kind = "texts"
    metrics = ("token_f1", "exact_match")
    inputs: ClassVar = {"context": ("context", "passage", "paragraph", "document"), "question": ("question", "query")}
    target = "answers"
    target_guesses = ("answers", "answer")
    empty_label = ()

    def parse_label(self, cell: Any) -> tuple[str, ...]:
        """Return answers from a text, a list, SQuAD's mapping or a list of them, or a text that spells one of these."""
        if is_empty(cell):
            raise MissingCellError("expected answers, got nothing; an empty list means that there is none")
        answers = _texts_of(_spelled(cell))
        if answers is None:
            raise ValueError(f"expected answers, got {shown(cell)}")
        stripped = [answer.strip() for answer in answers]
        if answers and not any(stripped):
            raise MissingCellError("the answer is empty; an empty list means that there is none")
        if not all(stripped):
            raise ValueError(f"an answer is empty; an empty list means that there is none, got {shown(cell)}")
        return tuple(dict.fromkeys(stripped))

    def stand_ins(self, labels: Sequence[tuple[str, ...]], train: Sequence[Any]) -> frozenset[tuple[str, ...]]:
        """Return the empty label where a whole split has no other and training has: nobody has labelled it."""
        is_unlabelled = not any(labels) and any(train)
        return frozenset({()} if is_unlabelled else ())

    def strata(self, labels: Sequence[tuple[str, ...]]) -> list[tuple[Hashable, ...]]:
        """Return whether there is an answer."""
        return [(bool(label),) for label in labels]

    def labels_of(self, labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """None: answers are texts."""
        return ()

    def check(self, train: Sequence[tuple[str, ...]], validation: Sequence[tuple[str, ...]]) -> None:
        """Refuse splits without any answer."""
        for name, answers in (("training", train), ("validation", validation)):
            if not any(answers):
                raise DataError(
                    f"No question of the {name} split has an answer, so there is nothing to learn.",
                    got=f"{len(answers)} empty lists of answers",
                    fix="Give questions with answers, or name their column with --columns answers=NAME.",
                )

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """How many questions have no answer, and how many answers are not in their context."""
        answered = [row for row in rows if len(row["answers"])]
        absent = sum(not any(answer.lower() in row["context"].lower() for answer in row["answers"]) for row in answered)
        found = []
        if len(answered) < len(rows):
            found.append(f"{len(rows) - len(answered)} of {len(rows)} training questions have no answer")
        if absent:
            found.append(
                f"{absent} of {len(answered)} training answers are not in their context: models that extract learn "
                "from the others, models that generate from all"
            )
        return found

    def encode(self, labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> Sequence[Any]:
        """The reference answers as they are."""
        return list(labels)

    def parts(self, row: Mapping[str, str]) -> tuple[str, str, str]:
        """The question is never cut, the context may be."""
        return f"Question: {row['question']}\nContext: ", row["context"], "\nAnswer:"

    def words(self, label: tuple[str, ...]) -> str:
        """The first answer; nothing where there is none."""
        return label[0] if label else ""


def _spelled(cell: Any) -> Any:
    """Return the answers that a text spells; `[1, 2]` and its like are answers themselves."""
    content = structure(cell)
    items = items_of(content)
    is_list_of_answers = all(isinstance(item, str | Mapping | list) for item in items or ())
    return content if is_list_of_answers or not isinstance(cell, str) else cell


def _texts_of(content: Any) -> list[str] | None:
    """Return the answers in a text, a number, a mapping or a list of these; None where there is something else."""
    if isinstance(content, Mapping):
        key = next((key for key in ANSWER_KEYS if key in content), None)
        return None if key is None else _texts_of(content[key])
    items = items_of(content)
    if items is None:
        return [content] if isinstance(content, str) else None
    texts: list[str] = []
    for item in items:
        if is_empty(item):
            texts.append("")
        elif isinstance(item, int | float):
            texts.append(name_of(item))
        else:
            inner = _texts_of(item)
            if inner is None:
                return None
            texts.extend(inner)
    return texts


TASK = QuestionAnswering()
