"""A classifier on top of any model: one score for each class."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    longest_input,
    shortened,
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
    joined_texts = [settings.joint.join(row) for row in rows]
    encoded = tokenizer(joined_texts, truncation=True, max_length=settings.max_length)
    for position, tokens in enumerate(encoded["input_ids"]):
        # Shorter ones were not cut.
        if len(tokens) == settings.max_length:
            joined_texts[position] = _joined_to_fit(tokenizer, rows[position], settings)
    return joined_texts


def _joined_to_fit(
    tokenizer: PreTrainedTokenizerBase, row: tuple[str, ...], settings: Answering
) -> str:
    """Return texts as one that fits; the longer one is cut first, as it is where a tokenizer joins them."""
    texts = list(row)
    while True:
        joined = settings.joint.join(texts)
        tokens = tokenizer(joined)["input_ids"]
        surplus = len(tokens) - settings.max_length
        if surplus <= 0:
            return joined
        rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
        lengths = [len(row_tokens) for row_tokens in rows]
        longest = int(np.argmax(lengths))
        if not texts[longest]:
            # Not even what stands between and around them fits.
            return joined
        # Down to the length of the other; of texts of one length, each gives up its part.
        difference = max(lengths) - min(lengths)
        part = math.ceil(surplus / len(texts))
        cut = min(surplus, max(difference, part))
        texts[longest] = shortened(texts[longest], cut, tokenizer)


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
