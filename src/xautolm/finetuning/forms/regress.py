"""One number on top of any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.forms.base import Columns
from xautolm.finetuning.forms.classify import Classify
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task


class Regress(Classify):
    """Learns standardised numbers, so that learning rates mean the same whatever the data's units are."""

    name = "regress"

    def head(self, spec: TrialSpec, task: Task) -> dict[str, object]:
        """Return a single output."""
        return {"num_labels": 1, "problem_type": task.problem_type}

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return mean and deviation of the training numbers besides."""
        numbers = np.asarray(targets, dtype=float)
        mean = float(numbers.mean())
        # Numbers that are all alike have no deviation, by which nothing could be divided.
        deviation = float(numbers.std()) or 1.0
        settings = super().answering(spec, tokenizer, targets)
        return replace(settings, mean=mean, deviation=deviation)

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> Columns:
        """Return the columns of a classifier with standardised numbers as `labels`."""
        columns = super().columns(table, task, tokenizer, settings, architecture)
        standardised = []
        for number in columns["labels"]:
            standard_score = (number - settings.mean) / settings.deviation
            standardised.append(float(standard_score))
        columns["labels"] = standardised
        return columns

    def answers(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        table: pd.DataFrame,
        task: Task,
        settings: Answering,
    ) -> np.ndarray:
        """Return numbers in the data's own units, shape (rows,)."""
        logits = super().answers(model, tokenizer, table, task, settings)
        # The head's only output, in units of the training numbers' deviation.
        standardised = logits[:, 0].astype(np.float64)
        return standardised * settings.deviation + settings.mean


FORM = Regress()
