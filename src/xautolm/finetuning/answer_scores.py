"""Scores of the answers that a model gives, as it will be used."""

from __future__ import annotations

from typing import Any

import pandas as pd
from transformers import PreTrainedTokenizerBase

from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.metrics import scores
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task


def answer_scores(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    table: pd.DataFrame,
    task: Task,
    settings: Answering,
    spec: TrialSpec,
) -> dict[str, float]:
    """Return the metrics of a model's answers to a table's rows."""
    answers = TORCH_FORMS.get(settings.form).answers(model, tokenizer, table, task, settings)
    targets = task.encode(list(table[task.target]), spec.labels)
    return scores(spec.metrics, targets, task.predictions(answers))
