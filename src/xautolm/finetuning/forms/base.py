"""The interface of what a form does in a trial: the head, the columns to train on, and how outputs become answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
import torch
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.pretrained import AutoClass
from xautolm.records import Answering, TrialSpec, as_int
from xautolm.tasks import Answers, Task

Columns: TypeAlias = dict[str, list[Any]]
"""Rows to train on, by the names that the model's `forward` has for them; besides them `length`, in tokens."""
Collator: TypeAlias = Callable[[list[dict[str, Any]]], Mapping[str, torch.Tensor]]
"""Makes a batch of rows, padded to one length."""

MOST_MEASURED = 5_000
"""Training targets whose lengths are measured at most."""

SEGMENTS = "token_type_ids"
"""What tokenizers of BERT's kin call the numbers that tell the first text of a pair from the second."""


def taken_by(model: PreTrainedModel, inputs: BatchEncoding) -> BatchEncoding:
    """Return a tokenizer's output without segments, if the model knows none."""
    # Adapters take whatever they get and pass it on.
    has_adapters = hasattr(model, "get_base_model")
    bare_model = model.get_base_model() if has_adapters else model
    parameters = inspect.signature(bare_model.forward).parameters
    if SEGMENTS in inputs and SEGMENTS not in parameters:
        inputs.pop(SEGMENTS)
    return inputs


def by_length(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return the positions of rows of tokens, the shortest row first.

    Rows of like length then share a batch, which needs little padding.
    """
    lengths = [len(row) for row in rows]
    return sorted(range(len(rows)), key=lengths.__getitem__)


def measured_targets(targets: Sequence[str]) -> Sequence[str]:
    """Return the targets whose lengths are measured: of many some, drawn from all, for data may lie in any order."""
    if len(targets) <= MOST_MEASURED:
        return targets
    # All trials of a run draw the same ones, and so share their tokens.
    positions = np.random.default_rng(0).choice(len(targets), MOST_MEASURED, replace=False)
    return [targets[position] for position in positions]


def shortened(text: str, surplus: int, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the beginning of a text that has about so many tokens less."""
    encoded = tokenizer(text, add_special_tokens=False)
    token_count = max(len(encoded["input_ids"]), 1)
    return cut_by_share(text, surplus / token_count)


def cut_by_share(text: str, share: float) -> str:
    """Return the beginning of a text without about that share of its tokens."""
    kept_share = max(1 - share, 0)
    # Cut as text, which works with any tokenizer. Tokens are spread evenly enough over a text for this to converge in
    # two or three rounds.
    characters = int(len(text) * (kept_share * 0.99))
    return text[:characters]


def longest_input(spec: TrialSpec) -> int:
    """Return the most tokens that a trial's model reads at once, as the configuration says."""
    max_length = spec.configuration.values["max_length"]
    return as_int(max_length)


class TorchForm(Protocol):
    """What a form does in a trial; a plug-in of `xautolm.finetuning.forms`."""

    name: str
    """That of its record in `tasks/forms`."""
    answers_by_logits: bool
    """Whether the Trainer's own evaluation, one forward pass for each example, gives the answers."""

    def auto_class(self, architecture: str) -> AutoClass:
        """Return the class of transformers that loads such a model."""

    def head(self, spec: TrialSpec, task: Task) -> dict[str, object]:
        """Return what the model's configuration must know of the head."""

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return the settings of a trial.

        Args:
            spec: The trial.
            tokenizer: The model's.
            targets: Of all training rows, as texts.
        """

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> Columns:
        """Return tokenised rows to train on; rows that cannot be learned from are left out."""

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, multiple: int | None
    ) -> Collator:
        """Return what makes batches of rows, padded to a multiple of so many tokens if one is named."""

    def answers(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        table: pd.DataFrame,
        task: Task,
        settings: Answering,
    ) -> Answers:
        """Return what a model says of rows of inputs: logits of shape (rows, classes), numbers, or texts."""
