"""Scores of the answers that a model gives, as it will be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.metrics import needs_probabilities, scores
from xautolm.records import Answering
from xautolm.tasks import Classification, Task


def answer_scores(
    model: PreTrainedModel, trial: PreparedTrial, table: pd.DataFrame
) -> dict[str, float]:
    """Return the metrics of a model's answers to a table's rows.

    Args:
        model: On its device.
        trial: The trial; names metrics and labels.
        table: Rows with the columns of the task, labels included.
    """
    task = trial.task
    spec = trial.spec
    settings = trial.settings
    form = TORCH_FORMS.get(settings.form)
    answers = form.answers(model, trial.tokenizer, table, task, settings)
    labels = list(table[task.target])
    targets = task.encode(labels, spec.labels)
    return answer_metrics(spec.metrics, task, targets, answers)


def answer_metrics(
    names: Sequence[str],
    task: Task,
    targets: np.ndarray | Sequence[Sequence[str]],
    answers: np.ndarray | Sequence[str],
) -> dict[str, float]:
    """Return the named metrics of answers.

    Args:
        names: The metrics.
        task: The task.
        targets: As the task encodes them.
        answers: What a form says: logits of shape (rows, classes), numbers in the data's units, or texts.
    """
    predictions = task.predictions(answers)
    probabilities = None
    if needs_probabilities(names):
        # Such metrics are offered for classifiers only, whose answers are logits.
        classification = cast("Classification", task)
        probabilities = classification.probabilities(np.asarray(answers))
    return scores(names, targets, predictions, probabilities)


def in_own_units(numbers: np.ndarray, settings: Answering) -> np.ndarray:
    """Return targets or outputs of a head in the data's own units.

    A head learns numbers as differences from their mean over the deviation, and errors mean nothing in those units.
    """
    if settings.mean == 0.0 and settings.deviation == 1.0:
        # Nothing was standardised, and class indices stay whole numbers.
        return numbers
    # In float64: float32 has seven digits, of which a large mean leaves few to the differences from it.
    standardised = np.asarray(numbers, dtype=np.float64)
    return standardised * settings.deviation + settings.mean
