"""A span of the context as the answer: start and end scores on top of an encoder, over windows of long contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from xautolm.finetuning.forms.base import (
    SEGMENTS,
    Collator,
    Columns,
    by_length,
    longest_input,
    measured_targets,
    taken_by,
)
from xautolm.finetuning.memory import in_batches
from xautolm.finetuning.precision import as_array
from xautolm.finetuning.pretrained import AutoClass
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task
from xautolm.words import Span, answer_span

BATCH = 32
"""Windows of like length that are answered together."""
STRIDE_SHARE = 0.25
"""Overlap of neighbouring windows, as a share of the longest input."""
BEST = 20
"""Start and end positions that are combined into spans."""
SLACK = 1.5
"""Answers may be longer than those of training by this factor."""

Offsets: TypeAlias = Sequence[Span | None]
"""The characters of the context that each token stands for; None outside the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A question with as much of its context as fits."""

    inputs: dict[str, list[int]]
    """`input_ids`, and segments if the tokenizer tells them."""
    offsets: Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanScores:
    """How well an answer would start and end at each token of a window."""

    start: np.ndarray
    """Shape (tokens,), as `end`; padding may follow."""
    end: np.ndarray


@dataclass(slots=True)
class RowAnswer:
    """The best span of a row over the windows that were looked at so far."""

    text: str = ""
    score: float = -np.inf
    no_answer_score: float = np.inf
    """That of the first token, in the window that is the surest of an answer."""

    def look_at(self, window: Window, scores: SpanScores, context: str, longest: int) -> None:
        """Take the best span of a window, if it is better than those of the windows before.

        Args:
            window: Question and part of the context.
            scores: Of the window's tokens.
            context: The whole context, whose characters the window's offsets count.
            longest: Of spans, in tokens.
        """
        # A span of the first token alone is how a model says that there is no answer here.
        at_first_token = scores.start[0] + scores.end[0]
        self.no_answer_score = min(self.no_answer_score, float(at_first_token))
        span = best_span(scores.start, scores.end, window.offsets, longest)
        if span is None:
            return
        score, first_character, end_character = span
        if score > self.score:
            self.score = score
            self.text = context[first_character:end_character]

    def settled(self, *, may_be_empty: bool) -> str:
        """Return the text of the best span, or none where "no answer" is possible and better."""
        if may_be_empty and self.score < self.no_answer_score:
            return ""
        return self.text


class Extract:
    """A window without the answer, and a question that has none, point at the first token."""

    name = "extract"
    answers_by_logits = False

    def auto_class(self, architecture: str) -> AutoClass:
        """Return the class of encoders with a span extractor, for which alone the form is."""
        model_class: AutoClass = AutoModelForQuestionAnswering
        return model_class

    def head(self, spec: TrialSpec, task: Task) -> dict[str, object]:
        """Return a start and an end."""
        return {"num_labels": 2}

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return spans that may be somewhat longer than all but the longest hundredth of the training answers."""
        # Of no lengths there is no quantile.
        answers = list(measured_targets(targets)) or [""]
        encoded = tokenizer(answers, add_special_tokens=False)
        lengths = [len(tokens) for tokens in encoded["input_ids"]]
        usual_longest = float(np.quantile(lengths, 0.99))
        longest = int(SLACK * usual_longest) + 2
        return Answering(
            task=spec.task,
            form=self.name,
            max_length=longest_input(spec),
            answer_tokens=longest,
            may_be_empty="" in targets,
        )

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> Columns:
        """Return a row for each window: `input_ids`, segments if the tokenizer tells them, `length`, `start_positions`
        and `end_positions`. Questions whose answers are not in the context are left out."""
        columns: Columns = {}
        for context, question, answers in zip(
            table["context"], table["question"], table["answers"], strict=True
        ):
            span = answer_span(context, list(answers))
            has_answers = len(answers) > 0
            if has_answers and span is None:
                continue
            for window in self.windows(tokenizer, question, context, settings):
                # A question without an answer points at the first token in every window.
                start, end = 0, 0
                if span is not None:
                    start, end = _token_span(window.offsets, span)
                row = {
                    **window.inputs,
                    "length": len(window.inputs["input_ids"]),
                    "start_positions": start,
                    "end_positions": end,
                }
                for name, value in row.items():
                    columns.setdefault(name, []).append(value)
        return columns

    def windows(
        self, tokenizer: PreTrainedTokenizerBase, question: str, context: str, settings: Answering
    ) -> list[Window]:
        """Return overlapping windows of question and context; the question takes at most half of each."""
        # Four tokens are kept for the signs around and between the two texts.
        longest_question = settings.max_length // 2 - 4
        encoded_question = tokenizer(
            question, add_special_tokens=False, truncation=True, max_length=longest_question
        )
        question_tokens = encoded_question["input_ids"]
        if len(question_tokens) == longest_question:
            question = tokenizer.decode(question_tokens)

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
        windows = []
        for number, offsets in enumerate(encoded["offset_mapping"]):
            inputs = {name: encoded[name][number] for name in names}
            # 0 is the question, 1 the context, None what stands around them.
            parts = encoded.sequence_ids(number)
            in_context: list[Span | None] = []
            for pair, part in zip(offsets, parts, strict=True):
                in_context.append(pair if part == 1 else None)
            windows.append(Window(inputs=inputs, offsets=in_context))
        return windows

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, multiple: int | None
    ) -> Collator:
        """Return what pads to the longest of a batch."""
        pad: Collator = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)
        return pad

    def answers(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        table: pd.DataFrame,
        task: Task,
        settings: Answering,
    ) -> list[str]:
        """Return the best span over all windows of each row; the empty text where the first token is better."""
        contexts = list(table["context"])
        questions = list(table["question"])
        windows: list[Window] = []
        # For each window, the row of the table that it is a part of.
        rows: list[int] = []
        for row, context in enumerate(contexts):
            row_windows = self.windows(tokenizer, questions[row], context, settings)
            windows.extend(row_windows)
            rows.extend([row] * len(row_windows))

        row_answers = [RowAnswer() for _ in contexts]

        def answer(batch: list[int]) -> None:
            batch_windows = [windows[index] for index in batch]
            batch_scores = _span_scores(model, tokenizer, batch_windows)
            for index, scores in zip(batch, batch_scores, strict=True):
                row = rows[index]
                row_answer = row_answers[row]
                row_answer.look_at(windows[index], scores, contexts[row], settings.answer_tokens)

        tokens = [window.inputs["input_ids"] for window in windows]
        in_batches(by_length(tokens), BATCH, answer)
        texts = []
        for row_answer in row_answers:
            texts.append(row_answer.settled(may_be_empty=settings.may_be_empty))
        return texts


def _span_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, windows: Sequence[Window]
) -> list[SpanScores]:
    """Return a model's scores of starts and ends in each of some windows."""
    batch_inputs = [window.inputs for window in windows]
    padded = tokenizer.pad(batch_inputs, return_tensors="pt")
    inputs = taken_by(model, padded).to(model.device)
    with torch.inference_mode():
        output = model(**inputs)
    starts = as_array(output.start_logits)
    ends = as_array(output.end_logits)
    scores = []
    for start, end in zip(starts, ends, strict=True):
        scores.append(SpanScores(start=start, end=end))
    return scores


def best_span(
    start: np.ndarray, end: np.ndarray, offsets: Offsets, longest: int
) -> tuple[float, int, int] | None:
    """Return score and characters of the best span inside the context; None for a window without any of it.

    Args:
        start: Scores of starts, shape (tokens,); padding may follow.
        end: Scores of ends.
        offsets: Characters of each token, None outside the context.
        longest: In tokens.
    """
    in_context = [index for index, pair in enumerate(offsets) if pair is not None]
    if not in_context:
        return None
    inside = np.asarray(in_context, dtype=int)
    # Of equal scores the earlier token comes first.
    starts_by_score = np.argsort(-start[inside], kind="stable")
    ends_by_score = np.argsort(-end[inside], kind="stable")
    starts = inside[starts_by_score[:BEST]]
    ends = inside[ends_by_score[:BEST]]

    # All pairs of the best, but for those that end before they start, or are longer than answers are.
    spans = []
    for first in starts:
        for last in ends:
            if first <= last < first + longest:
                score = start[first] + end[last]
                spans.append((score, first, last))
    if not spans:
        # The best starts and ends are far apart: the best start alone is a span.
        token = starts[0]
        score = start[token] + end[token]
        spans.append((score, token, token))

    # Of equal scores the first: the tokens are no part of the comparison.
    score, first, last = max(spans, key=itemgetter(0))
    first_characters = offsets[first]
    last_characters = offsets[last]
    assert first_characters is not None and last_characters is not None
    return float(score), first_characters[0], last_characters[1]


def _token_span(offsets: Offsets, span: Span) -> tuple[int, int]:
    """Return first and last token of a span of characters; the first token of all where the window lacks part of it."""
    first_character, end_character = span
    in_context = []
    touching = []
    for index, pair in enumerate(offsets):
        if pair is None:
            continue
        in_context.append(pair)
        start, end = pair
        # Tokens need not begin or end where the answer does.
        if start < end_character and end > first_character:
            touching.append(index)
    if not touching:
        return 0, 0

    # A window that has only a part of the answer would teach a wrong start or end.
    window_start, _ = in_context[0]
    _, window_end = in_context[-1]
    begins_before = window_start > first_character
    goes_on_after = window_end < end_character
    if begins_before or goes_on_after:
        return 0, 0
    return touching[0], touching[-1]


FORM = Extract()
