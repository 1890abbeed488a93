"""What a form is: the head, the columns that training needs, the loss, and how outputs become answers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd
from transformers import PreTrainedTokenizerBase

from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task

SEGMENTS = "token_type_ids"
"""What tokenizers of BERT's kin call the numbers that tell the first text of a pair from the second."""


def taken_by(model: Any, inputs: Any) -> Any:
    """A tokenizer's output without segments, if the model knows none."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    if SEGMENTS in inputs and SEGMENTS not in inspect.signature(bare.forward).parameters:
        inputs.pop(SEGMENTS)
    return inputs


class TorchForm(Protocol):
    """What a form does in a trial; a plug-in of `xautolm.finetuning.forms`."""

    name: str
    """That of its record in `tasks/forms`."""
    answers_by_logits: bool
    """Whether the Trainer's own evaluation, one forward pass for each example, gives the answers."""

    def auto_class(self, architecture: str) -> Any:
        """The class of transformers that loads such a model."""

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """What the model's configuration must know of the head."""

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """The settings of a trial, from the training targets as texts."""

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> dict[str, list[Any]]:
        """Tokenised rows to train on; rows that cannot be learned from are left out."""

    def collator(self, tokenizer: PreTrainedTokenizerBase, model: Any, multiple: int | None) -> Any:
        """What makes batches of them."""

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> Any:
        """Predictions for rows of inputs: logits of shape (rows, classes), or texts."""
