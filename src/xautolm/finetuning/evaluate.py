"""Scores of the winner on a split that no trial was trained on: the entry of the child that computes them."""

from __future__ import annotations

import time
from pathlib import Path

from xautolm.data.stored import read_split, split_path
from xautolm.finetuning.answer_scores import answer_metrics
from xautolm.finetuning.assessing import assess
from xautolm.finetuning.predictor import Predictor
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, TrialStatus


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Score the model in `spec.card.path` on the test split, or on validation where there is none.

    Args:
        spec: The winner's order, whose card names the folder of its model.
        folder: The child's; gets the answers, and what was measured beside the scores.
    """
    started = time.monotonic()
    task = TASKS.get(spec.task)
    has_test = split_path(Path(spec.data), Split.TEST).exists()
    split = Split.TEST if has_test else Split.VALIDATION
    table = read_split(spec.data, split)
    labels = list(table[task.target])
    targets = task.encode(labels, spec.labels)
    predictor = Predictor(Path(spec.card.path), spec.device)
    # Through the same door as a person's `predict`, so that the scores are those of the model in use.
    answers = predictor.answers(table)
    metrics = answer_metrics(spec.metrics, task, targets, answers)
    evaluation_time = time.monotonic() - started
    assess(spec, folder, predictor, split, table, answers, metrics)
    return TrialOutcome(
        status=TrialStatus.COMPLETE, metrics=metrics, evaluation_time=evaluation_time
    )
