"""The scores that metrics give to answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from xautolm.metrics.registered import metric_named

logger = logging.getLogger(__name__)

Answers = np.ndarray | Sequence[str]
"""Predictions in the shape of the targets; see `Targets`."""


def scores(
    names: Sequence[str],
    targets: np.ndarray | Sequence[Sequence[str]],
    predictions: Answers,
    probabilities: np.ndarray | None = None,
) -> dict[str, float]:
    """Return the named metrics of some answers.

    Args:
        names: The metrics.
        targets: What is right.
        predictions: The answers.
        probabilities: Of the classes, shape (rows, classes), for the metrics that need them.

    Raises:
        ValueError: A metric needs probabilities, and there are none.
    """
    values: dict[str, float] = {}
    for name in names:
        metric = metric_named(name)
        answers: Answers | None = predictions
        if metric.needs_probabilities:
            answers = probabilities
        if answers is None:
            raise ValueError(f"{name} needs probabilities of classes")
        value = metric.compute(targets, answers)
        # A function of somebody's own may return a float32 of NumPy's, which JSON cannot hold.
        values[name] = float(value)
    return values


def needs_probabilities(names: Iterable[str]) -> bool:
    """Return whether any of the named metrics takes probabilities."""
    return any(metric_named(name).needs_probabilities for name in names)


def constant_scores(
    names: Sequence[str], train: np.ndarray, validation: np.ndarray
) -> dict[str, float]:
    """Return the metrics of one answer, made of the training targets alone, given to every validation row.

    The answer is the most frequent class, the labels that most rows have, or the mean number; the probabilities are the
    classes' shares.

    Args:
        names: The metrics.
        train: Class indices of shape (n,), 0/1 indicators of shape (n, classes), or numbers of shape (n,).
        validation: The same of the validation split.

    Returns:
        Nothing of a metric that refuses such answers, as one of somebody's own may.
    """
    probabilities = None
    if train.ndim == 2:
        shares = train.mean(axis=0)
        # A label is answered where more than half of the rows have it.
        is_usual = shares > 0.5
        answer = is_usual.astype(train.dtype)
        probabilities = np.broadcast_to(shares, validation.shape)
    elif np.issubdtype(train.dtype, np.integer):
        # Every class of the validation split is in the training split: tasks check that.
        counts = np.bincount(train)
        answer = counts.argmax()
        shares = counts / counts.sum()
        probabilities = np.broadcast_to(shares, (len(validation), len(counts)))
    else:
        answer = train.mean()
    predictions = np.broadcast_to(answer, validation.shape)
    values: dict[str, float] = {}
    for name in names:
        try:
            values |= scores([name], validation, predictions, probabilities)
        except Exception as error:
            # A function of somebody's own may raise anything; what compares with a constant answer does without it.
            logger.warning(
                "what a constant answer scores in %s cannot be computed: %s: %s",
                name,
                type(error).__name__,
                error,
            )
    return values
