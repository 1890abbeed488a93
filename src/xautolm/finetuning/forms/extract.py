"""A span of the context as the answer: start and end scores on top of an encoder, over windows of long contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForQuestionAnswering, DataCollatorWithPadding, PreTrainedTokenizerBase

from xautolm.finetuning.forms.base import SEGMENTS, taken_by
from xautolm.finetuning.memory import in_batches
from xautolm.records import Answering, TrialSpec, as_int
from xautolm.tasks import Task

BATCH = 32
STRIDE_SHARE = 0.25
"""Overlap of neighbouring windows, as a share of the longest input."""
BEST = 20
"""Start and end positions that are combined into spans."""
SLACK = 1.5
"""Answers may be longer than those of training by this factor."""


class Extract:
    """A window without the answer, and a question that has none, point at the first token."""

    name = "extract"
    answers_by_logits = False

    def auto_class(self, architecture: str) -> Any:
        """Encoders only."""
        return AutoModelForQuestionAnswering

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """A start and an end."""
        return {"num_labels": 2}

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """Spans may be somewhat longer than all but the longest hundredth of the training answers."""
        lengths = [len(ids) for ids in tokenizer(list(targets) or [""], add_special_tokens=False)["input_ids"]]
        longest = int(SLACK * float(np.quantile(lengths, 0.99))) + 2
        length = as_int(spec.configuration.values["max_length"])
        return Answering(
            task=spec.task, form=self.name, max_length=length, answer_tokens=longest, may_be_empty="" in targets
        )

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> dict[str, list[Any]]:
        """`input_ids`, segments if the tokenizer tells them, `length`, `start_positions` and `end_positions`: a row for
        each window. Questions whose answers are not in the context are left out."""
        found: dict[str, list[Any]] = {}
        for context, question, answers in zip(table["context"], table["question"], table["answers"], strict=True):
            span = answer_span(context, list(answers))
            if span is None and len(answers):
                continue
            windows = self.windows(tokenizer, question, context, settings)
            for window, offsets in windows:
                start, end = _token_span(offsets, span) if span else (0, 0)
                row = {**window, "length": len(window["input_ids"]), "start_positions": start, "end_positions": end}
                for name, value in row.items():
                    found.setdefault(name, []).append(value)
        return found

    def windows(
        self, tokenizer: PreTrainedTokenizerBase, question: str, context: str, settings: Answering
    ) -> list[tuple[dict[str, list[int]], list[tuple[int, int] | None]]]:
        """Windows of question and context: `input_ids` and segments, and the characters of the context that each token
        stands for, None outside it. A question takes at most half of a window."""
        half = settings.max_length // 2
        cut = tokenizer(question, add_special_tokens=False, truncation=True, max_length=half - 4)["input_ids"]
        question = question if len(cut) < half - 4 else tokenizer.decode(cut)
        encoded = tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=settings.max_length,
            stride=int(STRIDE_SHARE * settings.max_length),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        names = [name for name in ("input_ids", SEGMENTS) if name in encoded]
        return [
            (
                {name: encoded[name][number] for name in names},
                [pair if part == 1 else None for pair, part in zip(pairs, encoded.sequence_ids(number), strict=True)],
            )
            for number, pairs in enumerate(encoded["offset_mapping"])
        ]

    def collator(self, tokenizer: PreTrainedTokenizerBase, model: Any, multiple: int | None) -> Any:
        """Padding to the longest of a batch."""
        return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> list[str]:
        """The best span over all windows of each row; the empty text where the first token is better."""
        contexts, rows, windows = list(table["context"]), [], []
        for row, (context, question) in enumerate(zip(contexts, table["question"], strict=True)):
            for window in self.windows(tokenizer, question, context, settings):
                rows.append(row)
                windows.append(window)
        best: list[tuple[float, str]] = [(-np.inf, "")] * len(contexts)
        nothing = [np.inf] * len(contexts)
        order = sorted(range(len(windows)), key=lambda index: len(windows[index][0]["input_ids"]))

        def answer(batch: list[int]) -> None:
            inputs = taken_by(model, tokenizer.pad([windows[index][0] for index in batch], return_tensors="pt"))
            with torch.inference_mode():
                output = model(**inputs.to(model.device))
            starts, ends = output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()
            for index, start, end in zip(batch, starts, ends, strict=True):
                row = rows[index]
                nothing[row] = min(nothing[row], float(start[0] + end[0]))
                found = best_span(start, end, windows[index][1], settings.answer_tokens)
                if found is not None and found[0] > best[row][0]:
                    best[row] = (found[0], contexts[row][found[1] : found[2]])

        in_batches(order, BATCH, answer)
        if not settings.may_be_empty:
            return [text for _, text in best]
        return [text if score >= none else "" for (score, text), none in zip(best, nothing, strict=True)]


def answer_span(context: str, answers: Sequence[str]) -> tuple[int, int] | None:
    """Characters of the first answer that is in the context, else one that is there in another case."""
    for text, wanted in ((context, answers), (context.lower(), [answer.lower() for answer in answers])):
        for answer in wanted:
            if (start := text.find(answer)) >= 0:
                return start, start + len(answer)
    return None


def best_span(
    start: np.ndarray, end: np.ndarray, offsets: Sequence[tuple[int, int] | None], longest: int
) -> tuple[float, int, int] | None:
    """Score and characters of the best span inside the context.

    Args:
        start: Scores of starts, shape (tokens,); padding may follow.
        end: Scores of ends.
        offsets: Characters of each token, None outside the context.
        longest: In tokens.
    """
    inside = np.asarray([index for index, pair in enumerate(offsets) if pair is not None], dtype=int)
    if not len(inside):
        return None
    starts = inside[np.argsort(-start[inside], kind="stable")[:BEST]]
    ends = inside[np.argsort(-end[inside], kind="stable")[:BEST]]
    pairs = [(one, other) for one in starts for other in ends if one <= other < one + longest]
    if not pairs:
        one = int(starts[0])
        pairs = [(one, one)]
    left, right = max(pairs, key=lambda pair: start[pair[0]] + end[pair[1]])
    first, last = offsets[left], offsets[right]
    assert first is not None and last is not None
    return float(start[left] + end[right]), first[0], last[1]


def _token_span(offsets: Sequence[tuple[int, int] | None], span: tuple[int, int]) -> tuple[int, int]:
    """First and last token of a span of characters; the first token of all where the window lacks part of it."""
    inside = [(index, pair) for index, pair in enumerate(offsets) if pair is not None]
    touching = [index for index, pair in inside if pair[0] < span[1] and pair[1] > span[0]]
    if not touching or inside[0][1][0] > span[0] or inside[-1][1][1] < span[1]:
        return 0, 0
    return touching[0], touching[-1]


FORM = Extract()
