"""Which trials are hopeless, told from curves that are made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from xautolm.metrics import METRICS
from xautolm.objectives import COSTS, LATENCY, TIME, Direction, Objective, numbered_objectives
from xautolm.records import Evaluation, LearningCurve
from xautolm.search.evidence import standardised
from xautolm.search.pruning import (
    Rivals,
    learns_nothing,
    power_law_bound,
    reason_to_stop,
    standard_error,
)

QUALITY = METRICS.get("f1_macro").objective
BOTH = (QUALITY, TIME)
SECONDS = 50.0
"""For an epoch."""


def curve(
    points: Sequence[tuple[float, float]],
    planned: float = 3.0,
    seconds: float = SECONDS,
    quick: int | None = 120,
) -> LearningCurve:
    """Return a curve from epochs and qualities; those before the first whole epoch are quick looks."""
    evaluations = []
    for epoch, quality in points:
        rows = quick if epoch < 1 else None
        values = {"f1_macro": quality, "accuracy": quality}
        evaluations.append(
            Evaluation(epoch=epoch, seconds=epoch * seconds, values=values, rows=rows)
        )
    last = points[-1][0] if points else 0.05
    return LearningCurve(
        evaluations=tuple(evaluations),
        epoch=last,
        seconds=last * seconds,
        planned_epochs=max(planned, last),
    )


TRAINED = curve([(0.1, 0.40), (0.33, 0.62), (1.0, 0.78), (2.0, 0.83), (3.0, 0.84)])
"""What the default did: 0.84 after 150 s."""
PROBE = (0.75, 10.0)


def rivals(
    trained: Sequence[LearningCurve] = (TRAINED,), front: Sequence[tuple[float, ...]] | None = None
) -> Rivals:
    values = [PROBE, (0.84, 150.0)] if front is None else front
    return Rivals(
        front=values,
        trained=trained,
        lead=QUALITY,
        constant={"f1_macro": 0.02, "accuracy": 0.1},
        validation_rows=500,
    )


HOPELESS = curve([(0.1, 0.08), (0.33, 0.14), (1.0, 0.20)])
PROMISING = curve([(0.1, 0.42), (0.33, 0.63), (1.0, 0.79)])
LATE_BLOOMER = curve([(0.1, 0.04), (0.33, 0.20), (1.0, 0.68)])
STUCK = curve([(0.1, 0.02), (0.33, 0.02)])


def test_a_trial_that_cannot_reach_the_front_is_stopped() -> None:
    reason = reason_to_stop(HOPELESS, rivals(), BOTH)
    assert (
        reason.startswith("its f1_macro is to end at 0.") and "others reach in less time" in reason
    )


@pytest.mark.parametrize("running", [PROMISING, LATE_BLOOMER], ids=["promising", "late bloomer"])
def test_one_that_may_still_reach_it_goes_on(running: LearningCurve) -> None:
    assert reason_to_stop(running, rivals(), BOTH) == ""


def test_one_that_is_still_faster_than_all_that_are_as_good_goes_on() -> None:
    quick = curve([(0.1, 0.08), (0.33, 0.14), (1.0, 0.20)], seconds=1.0)
    # It would end after some 3 s; the probe, which is better, took 10.
    assert reason_to_stop(quick, rivals(), BOTH) == ""


def test_with_one_objective_time_is_no_excuse() -> None:
    quick = curve([(0.1, 0.08), (0.33, 0.14), (1.0, 0.20)], seconds=1.0)
    assert reason_to_stop(quick, rivals(front=[(0.75,), (0.84,)]), (QUALITY,)) != ""


def test_a_trial_that_may_be_the_fastest_in_use_goes_on() -> None:
    objectives = (QUALITY, COSTS[LATENCY])
    # What a model costs in use is known when it is there.
    assert reason_to_stop(HOPELESS, rivals(front=[(0.84, 0.02)]), objectives) == ""
    # One that learns nothing is of no use, however fast.
    assert "constant answer" in reason_to_stop(STUCK, rivals(front=[(0.84, 0.02)]), objectives)


def test_a_second_quality_saves_a_trial_until_it_is_hopeless_too() -> None:
    objectives = (QUALITY, METRICS.get("accuracy").objective, TIME)
    good_in_both = [(0.84, 0.84, 150.0)]
    good_in_one = [(0.84, 0.10, 150.0)]
    assert (
        reason_to_stop(
            HOPELESS, rivals(front=[(*PROBE[:1], 0.75, 10.0), *good_in_both]), objectives
        )
        != ""
    )
    # Nobody on this front is better in accuracy.
    assert reason_to_stop(HOPELESS, rivals(front=good_in_one), objectives) == ""


def test_a_quality_of_which_smaller_is_better() -> None:
    loss = Objective(name="validation_loss", maximize=False, low=0.0, high=1.0)

    def with_loss(run: LearningCurve) -> LearningCurve:
        evaluations = []
        for evaluation in run.evaluations:
            quality = evaluation.values["f1_macro"]
            evaluations.append(
                replace(evaluation, values={"f1_macro": quality, "validation_loss": 1 - quality})
            )
        return replace(run, evaluations=tuple(evaluations))

    known = rivals(trained=[with_loss(TRAINED)], front=[(0.84, 0.16)])
    assert reason_to_stop(with_loss(HOPELESS), known, (QUALITY, loss)) != ""
    assert reason_to_stop(with_loss(PROMISING), known, (QUALITY, loss)) == ""


MAE = METRICS.get("mae").objective


def as_error(run: LearningCurve) -> LearningCurve:
    """Return a curve with errors in place of qualities: 100 at first, and less as more is learned."""
    evaluations = []
    for evaluation in run.evaluations:
        # An error without bound is known less well than a share: it takes more rows to tell.
        rows = None if evaluation.rows is None else 5_000
        values = {"mae": 100 * (1 - evaluation.values["f1_macro"])}
        evaluations.append(replace(evaluation, values=values, rows=rows))
    return replace(run, evaluations=tuple(evaluations))


@pytest.mark.parametrize(
    ("running", "is_stopped"), [(HOPELESS, True), (PROMISING, False)], ids=["hopeless", "promising"]
)
def test_an_error_without_bound_leads(running: LearningCurve, is_stopped: bool) -> None:
    known = Rivals(
        front=[(25.0, 10.0), (16.0, 150.0)],
        trained=[as_error(TRAINED)],
        lead=MAE,
        constant={"mae": 98.0},
        validation_rows=20_000,
    )
    assert bool(reason_to_stop(as_error(running), known, (MAE, TIME))) == is_stopped


def test_one_that_errs_as_a_constant_answer_does_learns_nothing() -> None:
    known = Rivals(
        front=[], trained=[as_error(TRAINED)], lead=MAE, constant={"mae": 98.0}, validation_rows=500
    )
    stuck = curve([(0.1, 0.02), (0.33, 0.02), (1.0, 0.03)])
    assert learns_nothing(as_error(stuck), known) and not learns_nothing(as_error(PROMISING), known)


def test_the_standard_error_follows_the_range_or_the_size_of_an_error() -> None:
    assert standard_error(QUALITY, 0.5, 100) == pytest.approx(0.05)
    assert (
        standard_error(MAE, 20.0, 100) == pytest.approx(2.0) and standard_error(MAE, 0.0, 100) > 0
    )


@pytest.mark.parametrize("running", [HOPELESS, STUCK], ids=["hopeless", "stuck"])
def test_nothing_is_stopped_before_another_was_trained_to_its_end_and_is_better(
    running: LearningCurve,
) -> None:
    assert reason_to_stop(running, rivals(trained=[]), BOTH) == ""
    poor = curve([(1.0, 0.01), (2.0, 0.015), (3.0, 0.018)])
    assert reason_to_stop(running, rivals(trained=[poor]), BOTH) == ""


def test_one_that_learns_nothing_is_stopped_in_its_first_epoch() -> None:
    reason = reason_to_stop(STUCK, rivals(), BOTH)
    assert reason == "its f1_macro of 0.020 after 0.33 epochs is that of a constant answer"


def test_one_that_learns_nothing_has_the_time_that_others_needed() -> None:
    # A tenth of three epochs has not passed yet.
    assert reason_to_stop(curve([(0.1, 0.02)]), rivals(), BOTH) == ""
    slow_start = curve([(0.1, 0.02), (0.33, 0.02), (1.0, 0.50), (2.0, 0.83), (3.0, 0.84)])
    assert reason_to_stop(STUCK, rivals(trained=[slow_start]), BOTH) == ""
    # The other had learned something after one epoch, so this one has two.
    one_epoch = curve([(0.1, 0.02), (0.33, 0.02), (1.0, 0.02)])
    assert not learns_nothing(one_epoch, rivals(trained=[slow_start]))
    two_epochs = curve([(0.1, 0.02), (0.33, 0.02), (1.0, 0.02), (2.0, 0.02)])
    assert learns_nothing(two_epochs, rivals(trained=[slow_start]))


def test_what_others_gained_late_may_be_gained_again() -> None:
    late = curve([(0.1, 0.05), (0.33, 0.1), (1.0, 0.15), (2.0, 0.2), (3.0, 0.84)])
    assert reason_to_stop(HOPELESS, rivals(trained=[TRAINED, late]), BOTH) == ""
    elsewhere = replace(rivals(), past=[late])
    assert reason_to_stop(HOPELESS, elsewhere, BOTH) == ""


def test_quick_looks_alone_do_not_tell_the_course() -> None:
    assert reason_to_stop(curve([(0.1, 0.08), (0.33, 0.14)]), rivals(), BOTH) == ""


def test_one_evaluation_says_nothing_of_the_course() -> None:
    assert reason_to_stop(curve([(1.0, 0.2)]), rivals(), BOTH) == ""


def test_a_training_that_has_nearly_ended_is_left_alone() -> None:
    nearly = replace(HOPELESS, epoch=2.8, seconds=140.0)
    assert reason_to_stop(nearly, rivals(), BOTH) == ""


def test_power_laws_bound_what_they_made() -> None:
    epochs = np.asarray([0.1, 0.33, 1.0, 2.0])
    errors = np.full(4, 0.01)
    for exponent in (-1.0, -0.25, 0.5):
        values = 0.5 + 0.1 * (epochs**exponent - 1) / exponent
        truth = 0.5 + 0.1 * (6.0**exponent - 1) / exponent
        bound = power_law_bound(epochs, values, errors, 6.0)
        assert truth <= bound <= truth + 0.25
    certain = power_law_bound(epochs, 0.5 + 0.1 * np.log(epochs), errors / 100, 6.0)
    assert certain == pytest.approx(0.5 + 0.1 * np.log(6.0), abs=0.01)


def test_a_falling_curve_is_not_continued_downwards() -> None:
    epochs, values = np.asarray([1.0, 2.0, 3.0]), np.asarray([0.8, 0.7, 0.6])
    assert power_law_bound(epochs, values, np.full(3, 0.001), 6.0) >= 0.8


def test_half_of_a_stopped_trials_deficit_is_believed() -> None:
    values = np.asarray([[0.8, -100.0], [0.6, -50.0], [0.1, -150.0], [0.9, -150.0]])
    is_censored = np.asarray([False, False, True, True])
    scores, units = standardised(values, BOTH, 1, is_censored)
    deviation = values[:, 0].std()
    # The mean is that of the two that ran to their end: 0.7.
    assert scores[:, 0] == pytest.approx(
        [0.1 / deviation, -0.1 / deviation, 0.5 * -0.6 / deviation, 0.2 / deviation]
    )
    assert scores[:, 1] == pytest.approx(-np.log([100, 50, 150, 150]))
    assert units == pytest.approx((deviation, 1.0))
    scores, _ = standardised(values, BOTH, 1)
    assert scores[:, 0] == pytest.approx((values[:, 0] - 0.6) / deviation)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_an_objective_without_a_range_changes_no_score(unit: float) -> None:
    objectives = numbered_objectives([Direction.MAXIMIZE])
    values = np.asarray([[0.2], [0.5], [0.8]])
    scores, units = standardised(unit * values, objectives, None)
    assert scores[:, 0] == pytest.approx([-math.sqrt(1.5), 0.0, math.sqrt(1.5)])
    assert units == pytest.approx([unit * values.std()])
    # What is alike but for rounding differs in nothing, and still has a unit.
    scores, units = standardised(np.full((3, 1), 0.1 * unit), objectives, None)
    assert scores[:, 0] == pytest.approx([0.0] * 3, abs=1e-9) and units[0] > 0


def test_differences_below_what_a_metric_with_a_range_can_tell_are_small_scores() -> None:
    values = np.asarray([[0.8, -1.0], [0.80001, -1.0]])
    scores, _ = standardised(values, BOTH, 1)
    assert np.abs(scores[:, 0]).max() < 0.1
