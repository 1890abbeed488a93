"""A trial whose model has only to be loaded: its order, and what was made ready for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task


@dataclass(slots=True)
class Loading:
    """Count the seconds that a trial spends on loading its model: they depend on the disk, and are none of its time."""

    seconds: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what passes inside the context."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - started


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
    loading: Loading = field(default_factory=Loading)
    """Shared by all attempts at the trial."""
