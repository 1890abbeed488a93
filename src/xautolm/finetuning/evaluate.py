"""Scores of the winner on a split that the search never saw: the entry of the child that computes them."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from xautolm.finetuning.inference import predict_logits
from xautolm.metrics import scores
from xautolm.records import TrialOutcome, TrialSpec, TrialStatus
from xautolm.tasks import TASKS


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Score the model in `spec.card.path` on `test.parquet`."""
    started = time.monotonic()
    task = TASKS.get(spec.task)
    table = pd.read_parquet(Path(spec.data) / "test.parquet")
    logits = predict_logits(Path(spec.card.path), list(table["text"]), spec.device)
    targets = task.encode(list(table["label"]), spec.labels)
    found = scores(spec.metrics, targets, task.predictions(logits))
    return TrialOutcome(status=TrialStatus.COMPLETE, metrics=found, evaluation_time=time.monotonic() - started)
