"""Which running trials can no longer reach the Pareto front, told from their learning curves.

Optuna's pruners know one objective. Here a trial is hopeless if every point at which its training may end is dominated:
its quality extrapolated by power laws, at the optimistic end of their interval (after Domhan et al., "Speeding up
automatic hyperparameter optimization of deep neural networks by extrapolation of learning curves", IJCAI 2015), and its
time, of which what has passed is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from xautolm.objectives import Objective, is_dominated, lead_position
from xautolm.records import Evaluation, LearningCurve

EXPONENTS = np.linspace(-2.0, 1.0, 13)
"""Of the power laws that are tried. At -2 a curve is flat soon, at 0 it grows like the logarithm of the epochs, at 1 it
goes on as steeply as ever: so do curves with many classes, which begin slowly."""
DEVIATIONS = 2.0
"""How many standard errors the optimistic end lies above what is expected."""
LEAST_SPREAD = 0.05
"""Share of right answers as which a smaller one counts when its standard error is computed: no curve is certain."""
LEAST_ERROR = 1e-9
"""Standard error as which a smaller one counts where there is no range: curves are weighed by its inverse."""
GAIN_QUANTILE = 0.9
"""Of the gains that other trials made from here on, the one that this trial may make too. Among ten or fewer others
that is the largest."""
SPEED_UP = 0.8
"""Share of the seconds that the rest takes at the present speed, within which it may end: first steps are slow."""
LATE = 0.9
"""Share of a training after which it is no longer stopped: there is little to save, and its model may be of use."""
TENTH = 0.1
"""Share of the epochs that others were trained for, after which a trial must have learned something."""

LENIENCE = 2.0
"""How many times the epochs that others needed to learn something a trial has for it."""
ROUNDING = 1 + 1e-6
"""Factor within which two shares of a training are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """What a running trial has to stand up to."""

    front: Sequence[Sequence[float]]
    """Objectives of the run's trials that ended with a model, in the order of the objectives."""
    trained: Sequence[LearningCurve]
    """Curves of the run's trials that were trained by gradient, to their end."""
    past: Sequence[LearningCurve] = ()
    """Curves of trials on other data: they say how much trials gain late, not how good they are."""
    lead: Objective
    """The first quality among the objectives."""
    constant: Mapping[str, float] = field(default_factory=dict)
    """What a constant answer scores, by metric; nothing where that has no meaning."""
    validation_rows: int
    """Rows of the whole validation split."""


def reason_to_stop(curve: LearningCurve, rivals: Rivals, objectives: Sequence[Objective]) -> str:
    """Return why a running trial is hopeless, or nothing.

    No trial is stopped that is the first to be trained, or that is now as good as the best trained one.

    Args:
        curve: Of the running trial.
        rivals: What it has to stand up to.
        objectives: Names and directions.
    """
    is_late = curve.epoch >= LATE * curve.planned_epochs
    if not curve.evaluations or is_late or not is_behind(curve, rivals):
        return ""
    latest = curve.evaluations[-1]
    if learns_nothing(curve, rivals):
        score = latest.values[rivals.lead.name]
        return f"its {rivals.lead.name} of {score:.3f} after {latest.epoch:.2g} epochs is that of a constant answer"
    ends = possible_ends(curve, rivals, objectives)
    if all(is_dominated(end, rivals.front, objectives) for end in ends):
        best = ends[-1][lead_position(objectives)]
        return f"its {rivals.lead.name} is to end at {best:.3f} at best, which others reach in less time"
    return ""


def is_behind(curve: LearningCurve, rivals: Rivals) -> bool:
    """Return whether another trial, trained to its end, is better in the lead than all that this one showed so far."""
    rival_standings = [
        best_standing(rival.whole_evaluations, rivals.lead) for rival in rivals.trained
    ]
    return best_standing(curve.evaluations, rivals.lead) < max(rival_standings, default=-math.inf)


def best_standing(evaluations: Sequence[Evaluation], objective: Objective) -> float:
    """Return the best oriented value of an objective in some evaluations; minus infinity where there is none."""
    standings = [objective.standing(evaluation.values) for evaluation in evaluations]
    return max(standings, default=-math.inf)


def learns_nothing(curve: LearningCurve, rivals: Rivals) -> bool:
    """Return whether a trial is still where a constant answer is, though others were beyond it by now.

    That takes at least one other that has learned something, twice the epochs that the slowest of them needed for that,
    and a tenth of the epochs that they were trained for in all.
    """
    if rivals.lead.name not in rivals.constant:
        return False
    if epoch_of_learning(curve, rivals) is not None:
        return False
    epochs_of_rivals = [epoch_of_learning(rival, rivals) for rival in rivals.trained]
    needed = [epoch for epoch in epochs_of_rivals if epoch is not None]
    if not needed:
        return False
    patience = TENTH * median(rival.epoch for rival in rivals.trained)
    return curve.evaluations[-1].epoch >= max(patience, LENIENCE * max(needed))


def epoch_of_learning(curve: LearningCurve, rivals: Rivals) -> float | None:
    """Return the epoch of the first evaluation that is better than a constant answer, beyond chance; None without."""
    lead = rivals.lead
    constant = rivals.constant[lead.name]
    for evaluation in curve.evaluations:
        error = standard_error(lead, constant, evaluation.rows or rivals.validation_rows)
        if lead.standing(evaluation.values) > lead.oriented(constant) + DEVIATIONS * error:
            return evaluation.epoch
    return None


def possible_ends(
    curve: LearningCurve, rivals: Rivals, objectives: Sequence[Objective]
) -> list[tuple[float, ...]]:
    """Return the best objectives that a trial may have if it ends after each epoch to come, or as planned.

    Early stopping, or a time limit, may end a training before its plan: with less quality, in less time.
    """
    first = math.floor(curve.epoch) + 1
    epochs = [float(epoch) for epoch in range(first, math.ceil(curve.planned_epochs))]
    epochs.append(curve.planned_epochs)
    ends = []
    for epoch in epochs:
        end = []
        for objective in objectives:
            if objective.is_time:
                end.append(least_seconds(curve, epoch))
            else:
                end.append(optimistic_value(curve, epoch, rivals, objective))
        ends.append(tuple(end))
    return ends


def least_seconds(curve: LearningCurve, epoch: float) -> float:
    """Return the seconds that a training takes at least until an epoch to come."""
    per_epoch = curve.seconds / curve.epoch
    return curve.seconds + SPEED_UP * per_epoch * (epoch - curve.epoch)


def optimistic_value(
    curve: LearningCurve, epoch: float, rivals: Rivals, objective: Objective
) -> float:
    """Return the best value of a quality that a training may have at an epoch to come.

    It is the largest of: the best so far; what power laws give; and what this trial has now, with the gain of others
    from such a share of their training on.

    Args:
        curve: Of the trial.
        epoch: Where the curve is continued to.
        rivals: Other trials.
        objective: The quality.
    """
    evaluations = [
        evaluation for evaluation in curve.evaluations if objective.name in evaluation.values
    ]
    # Two quick looks inside the first epoch are too few: of made-up late bloomers they condemned one in seven.
    if len(evaluations) < 2 or all(evaluation.rows is not None for evaluation in evaluations):
        return objective.oriented(math.inf)
    values = np.asarray([objective.standing(evaluation.values) for evaluation in evaluations])
    errors = np.asarray([error_of(evaluation, objective, rivals) for evaluation in evaluations])
    epochs = np.asarray([evaluation.epoch for evaluation in evaluations])
    so_far = float((values + errors).max())
    continued = power_law_bound(epochs, values, errors, epoch)
    share = evaluations[-1].epoch / curve.planned_epochs
    gain = likely_gain(objective, share, [*rivals.trained, *rivals.past])
    best = max(so_far, continued, float(values[-1]) + gain)
    return objective.oriented(min(best, objective.oriented(objective.best)))


def power_law_bound(
    epochs: np.ndarray, values: np.ndarray, errors: np.ndarray, epoch: float
) -> float:
    """Return the optimistic end of the interval in which power laws continue a curve.

    Each law is a + b (x^p - 1) / p (Box and Cox, 1964; the logarithm at p = 0) with b >= 0, fitted by weighted least
    squares. Those that fit about as well as the best one count.

    Args:
        epochs: Where the curve was measured, shape (points,), two at least.
        values: What was measured, larger is better, same shape.
        errors: Standard errors, same shape.
        epoch: Where it is continued to.
    """
    bounds = []
    misfits = []
    for exponent in EXPONENTS:
        design = np.column_stack([np.ones(len(epochs)), _grown(epochs, exponent)])
        weighted = design / errors[:, None]
        covariance = np.linalg.pinv(weighted.T @ weighted)
        coefficients = covariance @ weighted.T @ (values / errors)
        residuals = (values - design @ coefficients) / errors
        goal = np.asarray([1.0, float(_grown(np.asarray(epoch), exponent))])
        deviation = math.sqrt(max(0.0, float(goal @ covariance @ goal)))
        # A curve that falls is not continued downwards: its best epoch is kept.
        is_rising = coefficients[1] > 0
        expected = float(goal @ coefficients) if is_rising else float(values.max())
        bounds.append(expected + DEVIATIONS * deviation)
        misfits.append(float(residuals @ residuals))
    largest_misfit = min(misfits) + DEVIATIONS**2
    return max(
        bound for bound, misfit in zip(bounds, misfits, strict=True) if misfit <= largest_misfit
    )


def likely_gain(objective: Objective, share: float, curves: Sequence[LearningCurve]) -> float:
    """Return what trials may still gain in a quality after a share of their training; 0 where no curve tells."""
    gains = []
    for curve in curves:
        before = None
        end = -math.inf
        for evaluation in curve.evaluations:
            value = objective.standing(evaluation.values)
            if not math.isfinite(value):
                continue
            if evaluation.epoch <= share * curve.epoch * ROUNDING:
                before = value
            if evaluation.rows is None:
                end = max(end, value)
        if before is not None and math.isfinite(end):
            gains.append(end - before)
    if not gains:
        return 0.0
    return float(np.quantile(gains, GAIN_QUANTILE, method="higher"))


def standard_error(objective: Objective, value: float, rows: int) -> float:
    """Return about how far a quality on so many rows lies from its value on endless ones.

    Args:
        objective: The quality.
        value: As measured.
        rows: How many rows it was measured on.
    """
    width = objective.high - objective.low
    if not math.isfinite(width):
        # An error without bound: those of single rows spread about as widely as their mean, as if exponential.
        return max(abs(value) / math.sqrt(rows), LEAST_ERROR)
    # As for a share of right answers.
    share = (value - objective.low) / width
    share = min(max(share, LEAST_SPREAD), 1 - LEAST_SPREAD)
    return width * math.sqrt(share * (1 - share) / rows)


def error_of(evaluation: Evaluation, objective: Objective, rivals: Rivals) -> float:
    """Return the standard error of a quality in an evaluation."""
    rows = evaluation.rows or rivals.validation_rows
    return standard_error(objective, evaluation.values[objective.name], rows)


def _grown(epochs: np.ndarray, exponent: float) -> np.ndarray:
    if abs(exponent) < 1e-9:
        return np.asarray(np.log(epochs))
    return np.asarray((epochs**exponent - 1) / exponent)
