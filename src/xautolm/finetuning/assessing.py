"""What is measured of a winner beside its scores: its answers, how sure the score is, and how long a text takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch

from xautolm.data.stored import read_split
from xautolm.finetuning.predictor import Predictor
from xautolm.metrics import bootstrap_interval, constant_scores
from xautolm.records import Assessment, TrialSpec
from xautolm.tasks import Answers, Classification
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split, Targets

TIMED_TEXTS = 30
"""Texts that are answered one by one; their median is within a few percent from one measurement to the next."""
TIMING_SECONDS = 5.0
"""After which no further text is timed: a generator may take a second for each."""


def assess(
    spec: TrialSpec,
    folder: Path,
    predictor: Predictor,
    split: Split,
    table: pd.DataFrame,
    answers: Answers,
    scores: Mapping[str, float],
) -> None:
    """Write a winner's answers, and what can be measured of them, into the child's folder.

    Args:
        spec: The child's order.
        folder: The child's.
        predictor: The winner.
        split: Which rows it was asked about.
        table: The rows.
        answers: What it says of them.
        scores: Of the answers, by metric.
    """
    task = predictor.task
    labels = list(table[task.target])
    targets = task.encode(labels, spec.labels)
    predictions = task.predictions(answers)
    probabilities = None
    if spec.labels:
        classification = cast("Classification", task)
        probabilities = classification.probabilities(np.asarray(answers))
    interval = bootstrap_interval(spec.metric, targets, predictions, probabilities, spec.seed)
    assessment = Assessment(
        split=split,
        rows=len(table),
        scores=scores,
        interval=interval,
        constant=_constant_scores(spec, predictor, targets),
        seconds_per_text=seconds_per_text(predictor, table),
        device=predictor.device,
        threads=torch.get_num_threads(),
    )
    # As people read them, not as metrics take them: files of a run are to be read without this version at hand.
    rows = _readable(spec, predictor, predictions, probabilities)
    TrialFolder(folder).write_assessment(assessment, rows)


def seconds_per_text(predictor: Predictor, table: pd.DataFrame) -> float:
    """Return the median time to answer one row alone, tokenising included."""
    # The first one allocates memory and chooses kernels, which later ones find done.
    predictor.answers(table.iloc[:1])
    started = time.perf_counter()
    times = []
    for row in range(min(TIMED_TEXTS, len(table))):
        before = time.perf_counter()
        predictor.answers(table.iloc[row : row + 1])
        now = time.perf_counter()
        times.append(now - before)
        if now - started > TIMING_SECONDS:
            break
    return statistics.median(times)


def _constant_scores(
    spec: TrialSpec, predictor: Predictor, targets: np.ndarray | object
) -> dict[str, float]:
    """Return the scores of the best constant answer; nothing where answers are texts."""
    task = predictor.task
    if task.problem_type == Targets.TEXTS:
        return {}
    train = read_split(spec.data, Split.TRAIN)
    train_targets = task.encode(list(train[task.target]), spec.labels)
    return constant_scores(spec.metrics, np.asarray(train_targets), np.asarray(targets))


def _readable(
    spec: TrialSpec, predictor: Predictor, predictions: Answers, probabilities: np.ndarray | None
) -> pd.DataFrame:
    """Return answers as a person reads them, with the probability of the class where there is one."""
    values: list[object] = list(predictions)
    if spec.labels:
        classification = cast("Classification", predictor.task)
        values = list(classification.decode(np.asarray(predictions), spec.labels))
    # Of several labels, or of a text, no single probability says how sure the model is.
    confidence = np.full(len(values), np.nan)
    if probabilities is not None and predictor.task.problem_type == Targets.CLASSES:
        confidence = probabilities.max(axis=1)
    return pd.DataFrame({"prediction": values, "confidence": confidence})
