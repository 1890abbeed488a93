"""What a form is: the head, the columns that training needs, the loss, and how outputs become answers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from transformers import PreTrainedTokenizerBase

from xautolm.records import TrialSpec
from xautolm.tasks import Task
from xautolm.vocabulary import Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What answering needs to know besides model and tokenizer; kept beside the weights as `xautolm.json`."""

    task: str
    form: str
    max_length: int
    """Longest input in tokens, answers of decoders included."""
    answer_tokens: int = 0
    """Longest answer in tokens."""
    may_be_empty: bool = False
    """Whether training had questions without an answer."""
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    """Numbers of regression are learned as differences from the mean over the deviation."""
    joint: str = ""
    """What stands between two texts; empty where the tokenizer has a sign of its own for it."""
    pooling: Pooling = Pooling.OWN
    """The mean where the folder is one of sentence-transformers; else it is a model of transformers."""
    chat: bool = False
    """Whether prompts are a user's turn in the tokenizer's chat template."""


SEGMENTS = "token_type_ids"
"""What tokenizers of BERT's kin call the numbers that tell the first text of a pair from the second."""


def taken_by(model: Any, inputs: Any) -> Any:
    """A tokenizer's output without segments, if the model knows none."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    if SEGMENTS in inputs and SEGMENTS not in inspect.signature(bare.forward).parameters:
        inputs.pop(SEGMENTS)
    return inputs


class Form(Protocol):
    """One form; a plug-in of `xautolm.finetuning.forms`."""

    name: str
    answers_by_logits: bool
    """Whether the Trainer's own evaluation, one forward pass for each example, gives the answers."""

    evaluation_share: float
    """Time of evaluating an example over that of training on it, before an evaluation was measured."""

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
