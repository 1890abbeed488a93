"""A question about a context, answered by a text; any of several reference answers is right."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from xautolm.errors import DataError


class QuestionAnswering:
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

    def parse_label(self, cell: Any) -> tuple[str, ...]:
        """Answers from a text, a list of texts, or SQuAD's mapping with the key `text`."""
        if isinstance(cell, Mapping):
            cell = cell.get("text")
        if isinstance(cell, str):
            cell = [cell]
        if not isinstance(cell, list | tuple | np.ndarray):
            raise ValueError(f"expected answers, got {cell!r}")
        answers = tuple(dict.fromkeys(str(one).strip() for one in cell))
        if not all(answers):
            raise ValueError("an answer is empty; an empty list means that there is none")
        return answers

    def stratum(self, label: tuple[str, ...]) -> Hashable:
        """Whether there is an answer."""
        return bool(label)

    def labels_of(self, labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """None: answers are texts."""
        return ()

    def check(self, train: Sequence[tuple[str, ...]], validation: Sequence[tuple[str, ...]]) -> None:
        """Refuse splits without any answer."""
        for name, answers in (("training", train), ("validation", validation)):
            if not any(answers):
                raise DataError(f"No question of the {name} split has an answer.")

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


TASK = QuestionAnswering()
