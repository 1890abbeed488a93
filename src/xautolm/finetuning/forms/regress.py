"""One number on top of any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from transformers import PreTrainedTokenizerBase

from xautolm.finetuning.forms.classify import Classify
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task


class Regress(Classify):
    """Learns standardised numbers, so that learning rates mean the same whatever the data's units are."""

    name = "regress"

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """A single output."""
        return {"num_labels": 1, "problem_type": task.problem_type}

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """Mean and deviation of the training numbers besides."""
        numbers = np.asarray([float(one) for one in targets])
        settings = super().answering(spec, tokenizer, targets)
        return replace(settings, mean=float(numbers.mean()), deviation=float(numbers.std()) or 1.0)

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> dict[str, list[Any]]:
        """As of a classifier; `labels` are standardised."""
        found = super().columns(table, task, tokenizer, settings, architecture)
        return {**found, "labels": [float((one - settings.mean) / settings.deviation) for one in found["labels"]]}

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> np.ndarray:
        """Numbers in the data's own units, shape (rows,)."""
        return super().answers(model, tokenizer, table, task, settings)[:, 0] * settings.deviation + settings.mean


FORM = Regress()
