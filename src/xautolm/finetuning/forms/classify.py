"""A classifier on top of any model: one score for each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from xautolm.finetuning.forms.base import (
    SEGMENTS,
    Collator,
    Columns,
    by_length,
    cut_by_share,
    longest_input,
    taken_by,
)
from xautolm.finetuning.memory import in_batches
from xautolm.finetuning.precision import as_array
from xautolm.finetuning.pretrained import AutoClass
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task

BATCH = 32
"""Rows of like length that are answered together."""
TOKENISED = 1_000
"""Rows that are tokenised at once."""
SORTED = 4_096
"""Rows whose tokens are counted before they are answered, so that batches have rows of like length: 128 batches. Sorted
by characters instead, batches of short texts have 17 to 37 % more tokens (docs/experiments.md). Tokens of all rows at
once would take 2 GB for a million short texts."""


class Classify:
    """Encoders pool their first token; decoders, and encoder-decoders, their last."""

    name = "classify"
    answers_by_logits = True

    def auto_class(self, architecture: str) -> AutoClass:
        """Return the same for every architecture."""
        model_class: AutoClass = AutoModelForSequenceClassification
        return model_class

    def head(self, spec: TrialSpec, task: Task) -> dict[str, object]:
        """Return the classes."""
        names = dict(enumerate(spec.labels))
        indices = {name: index for index, name in names.items()}
        # The Trainer and a plain pipeline go by these: the loss, and what the classes are called.
        return {
            "num_labels": len(names),
            "id2label": names,
            "label2id": indices,
            "problem_type": task.problem_type,
        }

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return the input's length, and how two texts are told apart."""
        joint = ""
        if tokenizer.sep_token is None:
            # No sign separates the texts of a pair: they become one text of two lines.
            joint = "\n"
        return Answering(
            task=spec.task,
            form=self.name,
            max_length=longest_input(spec),
            labels=spec.labels,
            joint=joint,
        )

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> Columns:
        """Return `input_ids`, segments of pairs where the tokenizer tells them, `length` and `labels`."""
        columns: Columns = {}
        for start in range(0, len(table), TOKENISED):
            end = start + TOKENISED
            rows = table.iloc[start:end]
            encoded = _encoded(tokenizer, rows, task, settings)
            for name, tokens in encoded.items():
                column = columns.setdefault(name, [])
                column.extend(tokens)
        # Rows of like length will share a batch.
        columns["length"] = [len(tokens) for tokens in columns["input_ids"]]
        labels = list(table[task.target])
        targets = task.encode(labels, settings.labels)
        columns["labels"] = list(targets)
        return columns

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
    ) -> np.ndarray:
        """Return logits of shape (rows, classes)."""
        row_count = len(table)
        logits = np.zeros((row_count, model.config.num_labels), dtype=np.float32)
        for start in range(0, row_count, SORTED):
            end = start + SORTED
            rows = table.iloc[start:end]
            # The rows of a block come back in their own order.
            logits[start:end] = _sorted_logits(model, tokenizer, rows, task, settings)
        return logits


def _sorted_logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    table: pd.DataFrame,
    task: Task,
    settings: Answering,
) -> np.ndarray:
    """Return logits of shape (rows, classes); rows with about as many tokens are answered together."""
    encoded = _encoded(tokenizer, table, task, settings)
    logits = np.zeros((len(table), model.config.num_labels), dtype=np.float32)

    def answer(batch: list[int]) -> None:
        tokens = {}
        for name, rows in encoded.items():
            tokens[name] = [rows[place] for place in batch]
        padded = tokenizer.pad(tokens, return_tensors="pt")
        inputs = taken_by(model, padded).to(model.device)
        with torch.inference_mode():
            output = model(**inputs)
        # Into the places of the rows, whatever order they are answered in.
        logits[batch] = as_array(output.logits)

    order = by_length(encoded["input_ids"])
    in_batches(order, BATCH, answer)
    return logits


def _encoded(
    tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
) -> Columns:
    """Return the tokens of each row's text, or of its two texts."""
    # One column of texts, or two.
    texts = [list(table[name]) for name in task.inputs]
    if settings.joint:
        rows = list(zip(*texts, strict=True))
        texts = [_joined(tokenizer, rows, settings)]
    encoded = tokenizer(*texts, truncation=True, max_length=settings.max_length)
    columns: Columns = {}
    # No attention mask: padding makes one for each batch.
    for name in ("input_ids", SEGMENTS):
        if name in encoded:
            columns[name] = encoded[name]
    _fill_empty_rows(columns, tokenizer)
    return columns


def _joined(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[tuple[str, ...]], settings: Answering
) -> list[str]:
    """Return the texts of each row as one, which leaves none of them out where all do not fit."""
    texts = [list(row) for row in rows]
    joined_texts = [settings.joint.join(row) for row in rows]
    overlong = list(range(len(rows)))
    # All rows of a round together: asked one by one, tokenizers are many times as slow.
    while overlong:
        tokens = tokenizer([joined_texts[position] for position in overlong])["input_ids"]
        surplus = {}
        for position, row_tokens in zip(overlong, tokens, strict=True):
            if len(row_tokens) > settings.max_length and any(texts[position]):
                surplus[position] = len(row_tokens) - settings.max_length
        _shorten(tokenizer, texts, surplus)
        for position in surplus:
            joined_texts[position] = settings.joint.join(texts[position])
        overlong = list(surplus)
    return joined_texts


def _shorten(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[list[str]], surplus: Mapping[int, int]
) -> None:
    """Shorten the longest text of some rows, as is done where a tokenizer joins them.

    Args:
        tokenizer: The model's.
        texts: Of each row; changed in place.
        surplus: By the position of a row, how many tokens it has too many.
    """
    flat_texts = [text for position in surplus for text in texts[position]]
    if not flat_texts:
        return
    encoded = tokenizer(flat_texts, add_special_tokens=False)["input_ids"]
    lengths = iter(len(tokens) for tokens in encoded)
    for position, count in surplus.items():
        row = texts[position]
        row_lengths = [next(lengths) for _ in row]
        longest = int(np.argmax(row_lengths))
        # Down to the length of the other; of texts of one length, each gives up its part.
        difference = max(row_lengths) - min(row_lengths)
        part = math.ceil(count / len(row))
        cut = min(count, max(difference, part))
        row[longest] = cut_by_share(row[longest], cut / max(row_lengths[longest], 1))


def _fill_empty_rows(columns: Columns, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a token to each row without any: a model has nothing to say of no token, and padding is hidden from it.

    Empty texts have none with tokenizers that put no special token around a text, as GPT-2's.
    """
    token = tokenizer.bos_token_id
    if token is None:
        token = tokenizer.eos_token_id
    for position, tokens in enumerate(columns["input_ids"]):
        if tokens:
            continue
        columns["input_ids"][position] = [token]
        if SEGMENTS in columns:
            columns[SEGMENTS][position] = [0]


FORM = Classify()
