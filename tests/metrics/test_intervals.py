"""How far a score may be from that on all texts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from xautolm.metrics import bootstrap_interval
from xautolm.metrics.intervals import LEAST_RESAMPLES, SECONDS


def answers(rows: int, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Return targets of two classes, and predictions of which a share is right."""
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, rows)
    is_right = generator.random(rows) < accuracy
    return targets, np.where(is_right, targets, 1 - targets)


def test_an_interval_is_as_wide_as_the_binomial_one() -> None:
    targets, predictions = answers(400, 0.8)
    share = float((targets == predictions).mean())
    interval = bootstrap_interval("accuracy", targets, predictions, None, seed=0)
    assert interval is not None
    half = 1.96 * np.sqrt(share * (1 - share) / 400)
    # Within what the ends of 100 resamples differ by.
    assert interval == pytest.approx((share - half, share + half), abs=0.02)


def test_more_rows_make_it_narrower() -> None:
    widths = []
    for rows in (100, 1_600):
        low, high = bootstrap_interval("f1_macro", *answers(rows, 0.8), None, seed=0) or (0, 0)
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_texts_and_probabilities_are_drawn_with_their_rows() -> None:
    references = [("a",), ("b",)] * 20
    predictions = ["a", "a"] * 20
    low, high = bootstrap_interval("exact_match", references, predictions, None, seed=0) or (0, 0)
    assert 0.3 < low < 0.5 < high < 0.7
    targets, _ = answers(60, 1.0)
    probabilities = np.eye(2)[targets] * 0.8 + 0.1
    interval = bootstrap_interval("log_loss", targets, targets, probabilities, seed=0)
    assert interval == pytest.approx((-np.log(0.9), -np.log(0.9)), abs=1e-6)


def test_what_takes_too_long_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, predictions = answers(50, 0.8)
    times = iter([0.0, 1.1 * SECONDS / LEAST_RESAMPLES])
    monkeypatch.setattr("xautolm.metrics.intervals.time.perf_counter", lambda: next(times))
    assert bootstrap_interval("accuracy", targets, predictions, None, seed=0) is None
    assert bootstrap_interval("accuracy", targets[:1], predictions[:1], None, seed=0) is None


def fussy(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the accuracy; as some metrics do, refuse rows of a single class."""
    if len(np.unique(targets)) < 2:
        raise ValueError("only one class")
    return float((targets == predictions).mean())


def undefined(targets: np.ndarray, predictions: np.ndarray) -> float:
    return math.nan if len(np.unique(targets)) < 2 else 1.0


@pytest.mark.parametrize("function", [fussy, undefined])
def test_a_metric_that_has_no_score_of_some_samples_has_no_interval(function: Callable) -> None:
    # A third of the samples lack the rare row.
    targets = np.asarray([0] * 49 + [1])
    name = f"{function.__module__}:{function.__name__}"
    assert bootstrap_interval(name, targets, targets, None, seed=0) is None
    often = np.asarray([0, 1] * 25)
    assert bootstrap_interval(name, often, often, None, seed=0) == (1.0, 1.0)
