"""Intervals around what is predicted of trials, and how forecasts compare with what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from xautolm.objectives import lead_of, recorded_objectives
from xautolm.records import Experience, Forecast, Range, TrialOutcome
from xautolm.vocabulary import DeviceKind

TAIL = 20
"""One of so many measured amounts may lie below an interval, and one above: nine of ten lie inside."""
FEWEST_RATIOS = TAIL - 1
"""Ratios from which on an interval rests on them alone: among 20 equally likely places of the next ratio, one is below
all 19, and one above."""
FAILURE_BINS = 5
"""Bins of equal width between chances of failure of 0 and 1."""
FEWEST_RANKED = 5
"""Trials from which on predicted and reached qualities are compared by their ranks: of four, one order in 24 is right
by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far measured amounts lie from predicted ones, as ratios of measured to predicted."""

    low: float
    middle: float
    high: float

    def around(self, estimate: float) -> Range:
        """Return the range of what will be measured where so much is predicted."""
        expected = estimate * self.middle
        low = estimate * self.low
        high = estimate * self.high
        return Range(expected=expected, low=low, high=high)


def spread_of(ratios: Sequence[float], default: Spread) -> Spread:
    """Return the spread in which the next ratio lies nine times of ten, if it is of the kind of the given ones.

    These are the quantiles of split conformal prediction (Vovk et al., Algorithmic Learning in a Random World), each
    end by itself. Of too few ratios it is the default, widened until it holds them.
    """
    ordered = sorted(ratios)
    # The next ratio is as likely to fall into each of these places: between those that are there, below and above.
    places = len(ordered) + 1
    beyond = places // TAIL
    if beyond:
        low = ordered[beyond - 1]
        high = ordered[-beyond]
        return Spread(low=low, middle=median(ordered), high=high)
    low = min([default.low, *ordered])
    high = max([default.high, *ordered])
    return Spread(low=low, middle=default.middle, high=high)


def measured_seconds(outcome: TrialOutcome) -> float | None:
    """Return the wall time of a whole trial, in seconds; None for one that does not say it.

    A training that was stopped counts with the rest that was planned, if an epoch of it was measured.
    """
    if outcome.failed or not outcome.wall_time:
        return None
    whole = outcome.whole_time
    evaluation = outcome.evaluation_time
    if whole is None or evaluation is None:
        return None
    epochs = 0.0
    if outcome.history:
        epochs = outcome.history[-1].get("epoch", 0.0)
    # The rest is extrapolated: from the first few steps, which also warm up, it came out up to 770 times too long.
    if outcome.is_censored and epochs < 1:
        return None
    return outcome.wall_time + whole - evaluation


def measured_memory(outcome: TrialOutcome, device: str) -> float | None:
    """Return the peak memory of a trial on a kind of device, in bytes; None for one that does not say it.

    A failed trial did not come to its peak, or was ended for it.
    """
    if outcome.failed:
        return None
    if device == DeviceKind.CUDA:
        return outcome.peak_gpu_memory
    return outcome.peak_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountCheck:
    """How forecasts of an amount compare with what was measured."""

    trials: int
    median_ratio: float
    """Measured over expected."""
    share_inside: float
    """Share of the trials inside their intervals; 0.9 is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureBin:
    """The trials whose chance of failure lay between two bounds."""

    low: float
    high: float
    trials: int
    predicted: float
    """Mean chance of failure."""
    failed: float
    """Share of them that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCheck:
    """How chances of failure compare with failures."""

    trials: int
    failures: int
    brier: float
    """Mean squared difference between the chance and 1 for a failure, 0 for a success; 0 is perfect."""
    brier_of_share: float
    """The same for a forecast that says of each trial what share of them failed."""
    auc: float | None
    """Chance that a failure was given a larger one than a success; None where all failed, or none."""
    bins: tuple[FailureBin, ...]
    """Those that are not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCheck:
    """How predicted qualities compare with those that were reached."""

    trials: int
    rank_correlation: float
    """Spearman's, of predicted and reached quality: the scale of the prediction is the sampler's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastCheck:
    """How the forecasts of some trials compare with what happened; None stands for what no trial tells."""

    seconds: AmountCheck | None
    memory: AmountCheck | None
    failure: FailureCheck | None
    quality: QualityCheck | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to compare."""
        return self.seconds is None and self.memory is None and self.failure is None


def check_forecasts(
    forecasts: Mapping[int, Forecast], experiences: Sequence[Experience]
) -> ForecastCheck:
    """Return how the forecasts of a run's trials compare with what happened.

    Args:
        forecasts: By number of the trial.
        experiences: Trials of the run; those without a forecast, and interrupted ones, are passed over.
    """
    seconds: list[tuple[Range, float]] = []
    memory: list[tuple[Range, float]] = []
    chances: list[float] = []
    failed: list[bool] = []
    qualities: list[tuple[float, float]] = []
    for experience in experiences:
        forecast = forecasts.get(experience.trial)
        outcome = experience.outcome
        if forecast is None or not outcome.is_evidence:
            continue
        wall_time = measured_seconds(outcome)
        if wall_time is not None:
            seconds.append((forecast.seconds, wall_time))
        peak = measured_memory(outcome, experience.system.device)
        if peak is not None:
            memory.append((forecast.memory, peak))
        if forecast.failure is not None:
            chances.append(forecast.failure)
            failed.append(outcome.failed)
        lead = lead_of(recorded_objectives(experience))
        if forecast.quality is not None and outcome.succeeded:
            standing = lead.standing(outcome.metrics)
            qualities.append((forecast.quality, standing))
    return ForecastCheck(
        seconds=check_amounts(seconds),
        memory=check_amounts(memory),
        failure=check_failures(chances, failed),
        quality=_check_qualities(qualities),
    )


def check_amounts(pairs: Sequence[tuple[Range, float]]) -> AmountCheck | None:
    """Return how predicted and measured amounts compare; None where there are none."""
    ratios: list[float] = []
    inside = 0
    for predicted, measured in pairs:
        inside += predicted.holds(measured)
        if predicted.expected > 0:
            ratios.append(measured / predicted.expected)
    if not ratios:
        return None
    share_inside = inside / len(pairs)
    return AmountCheck(trials=len(pairs), median_ratio=median(ratios), share_inside=share_inside)


def check_left_out(
    kinds: Sequence[Sequence[Sequence[float]]], default: Spread
) -> AmountCheck | None:
    """Return how ratios of measured to predicted amounts compare with the spread of those on all other data sets.

    Args:
        kinds: The ratios of each data set, for each kind of trial that is kept apart.
        default: The spread where there are too few.
    """
    pairs: list[tuple[Range, float]] = []
    for by_data in kinds:
        for position, left_out in enumerate(by_data):
            remaining_data = [*by_data[:position], *by_data[position + 1 :]]
            remaining_ratios: list[float] = []
            for ratios in remaining_data:
                remaining_ratios += ratios
            spread = spread_of(remaining_ratios, default)
            # Of ratios, what is predicted is 1.
            predicted = spread.around(1.0)
            for ratio in left_out:
                pairs.append((predicted, ratio))
    return check_amounts(pairs)


def check_failures(chances: Sequence[float], failed: Sequence[bool]) -> FailureCheck | None:
    """Return how chances of failure compare with failures; None where there are none.

    Args:
        chances: Predicted, one for each trial.
        failed: Whether each trial failed.
    """
    if not chances:
        return None
    # Loaded here: scikit-learn takes a second, and most commands compare nothing.
    from sklearn.metrics import brier_score_loss, roc_auc_score

    # Both of shape (trials,).
    told = np.asarray(chances, dtype=float)
    predicted = np.clip(told, 0, 1)
    happened = np.asarray(failed, dtype=int)
    failures = int(happened.sum())
    share = failures / len(happened)
    auc = None
    # Without both kinds there are no pairs to put in order.
    if 0 < share < 1:
        auc = float(roc_auc_score(happened, predicted))
    # Named, because scikit-learn cannot tell by itself which class is meant where there is only one.
    brier = brier_score_loss(happened, predicted, pos_label=1)
    return FailureCheck(
        trials=len(happened),
        failures=failures,
        brier=float(brier),
        brier_of_share=share * (1 - share),
        auc=auc,
        bins=_failure_bins(predicted, happened),
    )


def _failure_bins(predicted: np.ndarray, happened: np.ndarray) -> tuple[FailureBin, ...]:
    """Return the bins that are not empty; scikit-learn's calibration curve does not say how many trials are in each.

    Args:
        predicted: Chances of failure, shape (trials,).
        happened: 1 for a failure, shape (trials,).
    """
    edges = np.linspace(0, 1, FAILURE_BINS + 1)
    positions = np.searchsorted(edges[1:-1], predicted)
    bins: list[FailureBin] = []
    for position in range(FAILURE_BINS):
        members = positions == position
        if not members.any():
            continue
        predicted_there = predicted[members]
        happened_there = happened[members]
        filled = FailureBin(
            low=float(edges[position]),
            high=float(edges[position + 1]),
            trials=len(predicted_there),
            predicted=fmean(predicted_there),
            failed=fmean(happened_there),
        )
        bins.append(filled)
    return tuple(bins)


def _check_qualities(pairs: Sequence[tuple[float, float]]) -> QualityCheck | None:
    """Return how predicted and reached qualities compare; None for few pairs, and where one side is constant."""
    if len(pairs) < FEWEST_RANKED:
        return None
    # Shape (pairs, 2).
    table = np.asarray(pairs)
    widths = np.ptp(table, axis=0)
    # A constant has no ranks.
    if widths.min() == 0:
        return None
    # Loaded here, as scikit-learn above.
    from scipy.stats import spearmanr

    predicted = table[:, 0]
    reached = table[:, 1]
    correlation = spearmanr(predicted, reached)
    return QualityCheck(trials=len(pairs), rank_correlation=float(correlation.statistic))
