"""Intervals from ratios, and forecasts compared with what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from xautolm.forecasts import (
    FEWEST_RATIOS,
    Spread,
    check_failures,
    check_forecasts,
    measured_memory,
    measured_seconds,
    spread_of,
)
from xautolm.records import Experience, Failure, Forecast, Range, TrialOutcome
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

DEFAULT = Spread(low=0.2, middle=1.0, high=5.0)


def failed(kind: FailureKind = FailureKind.DIVERGED) -> TrialOutcome:
    failure = Failure(kind=kind, message="no")
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=4.0, peak_memory=9)


def trained(seconds: float, memory: int = 100, quality: float = 0.5) -> TrialOutcome:
    return replace(success(seconds, f1_macro=quality), peak_memory=memory)


def forecast(
    seconds: float, failure: float | None = None, quality: float | None = None
) -> Forecast:
    return Forecast(
        seconds=Range(expected=seconds, low=seconds / 2, high=seconds * 2),
        memory=Range(expected=100, low=50, high=150),
        failure=failure,
        quality=quality,
    )


def trials(outcomes: Sequence[TrialOutcome]) -> list[Experience]:
    experiences = []
    for number, outcome in enumerate(outcomes):
        experiences.append(made_up_experience(number, outcome=outcome))
    return experiences


@pytest.mark.parametrize("count", [FEWEST_RATIOS, 40, 200])
def test_intervals_hold_nine_of_ten_of_what_they_have_not_seen(count: int) -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(500):
        # Skewed, and off by a factor of three: what real ratios are like.
        ratios = 3 * np.exp(rng.gumbel(size=count + 1))
        spread = spread_of(ratios[:-1].tolist(), DEFAULT)
        inside += spread.around(7.0).holds(7.0 * ratios[-1])
    # 0.90, give or take three standard errors.
    assert 0.86 <= inside / 500 <= 0.94


def test_too_few_ratios_only_widen_the_default() -> None:
    assert spread_of([], DEFAULT) == DEFAULT
    few = [0.1] + [1.0] * (FEWEST_RATIOS - 2)
    assert spread_of(few, DEFAULT) == Spread(low=0.1, middle=1.0, high=5.0)
    assert spread_of([30.0, 2.0], DEFAULT) == Spread(low=0.2, middle=1.0, high=30.0)
    enough = [2.0] * FEWEST_RATIOS
    assert spread_of(enough, DEFAULT) == Spread(low=2.0, middle=2.0, high=2.0)


def test_a_stopped_training_counts_with_its_planned_rest_once_an_epoch_was_measured() -> None:
    outcome = replace(success(10.0), wall_time=13.0)
    assert measured_seconds(outcome) == 13.0
    stopped = replace(outcome, status=TrialStatus.TRUNCATED, planned_time=40.0)
    assert measured_seconds(stopped) == 43.0
    part = replace(stopped, history=({"epoch": 0.4},))
    assert measured_seconds(part) is None
    assert measured_seconds(replace(stopped, history=())) is None
    assert measured_seconds(failed()) is None


def test_memory_is_that_of_the_device_and_a_failure_has_not_come_to_its_peak() -> None:
    outcome = replace(success(), peak_memory=7, peak_gpu_memory=3)
    assert (measured_memory(outcome, "cpu"), measured_memory(outcome, "cuda")) == (7, 3)
    assert measured_memory(failed(), "cpu") is None


def test_times_and_memories_are_counted_where_they_lie() -> None:
    experiences = trials([trained(10), trained(30), trained(40, memory=200), failed()])
    forecasts = {number: forecast(10) for number in range(4)}
    check = check_forecasts(forecasts, experiences)
    assert check.seconds is not None and check.memory is not None
    assert (check.seconds.trials, check.seconds.median_ratio) == (3, 3.0)
    assert check.seconds.share_inside == pytest.approx(1 / 3)
    assert check.memory.share_inside == pytest.approx(2 / 3)
    assert check.failure is None and check.quality is None


def test_trials_without_a_forecast_and_interrupted_ones_say_nothing() -> None:
    interrupted = failed(FailureKind.INTERRUPTED)
    experiences = trials([trained(10), interrupted])
    assert check_forecasts({}, experiences).is_empty
    check = check_forecasts({1: forecast(10, failure=0.5)}, experiences)
    assert check.is_empty


def test_failures_are_told_by_bins_brier_and_auc() -> None:
    chances = [0.0, 0.1, 0.1, 0.9, 1.0, 0.7]
    check = check_failures(chances, [False, False, True, True, True, False])
    assert check is not None
    assert (check.trials, check.failures, check.brier_of_share) == (6, 3, 0.25)
    assert check.brier == pytest.approx((0 + 0.01 + 0.81 + 0.01 + 0 + 0.49) / 6)
    # Of nine pairs of a failure and a success, one is the wrong way round, and one is a tie.
    assert check.auc == pytest.approx(7.5 / 9)
    counts = [(filled.low, filled.trials) for filled in check.bins]
    assert counts == [(0.0, 3), (pytest.approx(0.6), 1), (0.8, 2)]
    assert check.bins[0].failed == pytest.approx(1 / 3)
    assert check.bins[2].predicted == pytest.approx(0.95)


@pytest.mark.parametrize("happened", [False, True])
def test_where_all_end_alike_there_is_no_order_to_judge(happened: bool) -> None:
    check = check_failures([0.2, 0.4], [happened, happened])
    assert check is not None and check.auc is None
    assert check.brier == pytest.approx(0.5 * (0.64 + 0.36) if happened else 0.5 * (0.04 + 0.16))
    assert check_failures([], []) is None


def test_quality_is_compared_by_ranks() -> None:
    reached = [0.1, 0.2, 0.3, 0.4, 0.9]
    experiences = trials([trained(10, quality=quality) for quality in reached])

    def correlation(scores: Sequence[float]) -> float | None:
        forecasts = {number: forecast(10, quality=score) for number, score in enumerate(scores)}
        check = check_forecasts(forecasts, experiences).quality
        return None if check is None else check.rank_correlation

    assert correlation([1, 2, 3, 4, 5]) == pytest.approx(1.0)
    assert correlation([5, 4, 3, 2, 1]) == pytest.approx(-1.0)
    assert correlation([1, 1, 1, 1, 1]) is None, "a constant has no ranks"
    assert correlation([1, 2, 3, 4]) is None, "too few"
