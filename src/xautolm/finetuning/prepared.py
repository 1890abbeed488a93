"""A trial whose model has only to be loaded: its order, and what was made ready for it."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTrial:
    """A trial's order, and what was made ready for it."""

    spec: TrialSpec
    """The order."""
    task: Task
    tokenizer: PreTrainedTokenizerBase
    """The model's."""
    tokens: DatasetDict
    """The splits `train` and `validation`, tokenised."""
    settings: Answering
    """By which the model answers, and will be asked later."""
