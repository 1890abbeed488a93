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

from xautolm.objectives import Objective, Objectives, is_dominated, lead_position
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
NO_EXPONENT = 1e-9
"""Exponent below which the power law is the logarithm."""
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


def reason_to_stop(curve: LearningCurve, rivals: Rivals, objectives: Objectives) -> str:
    """Return why a running trial is hopeless, or nothing.

    No trial is stopped that is the first to be trained, or that is now as good as the best trained one.

    Args:
        curve: Of the running trial.
        rivals: What it has to stand up to.
        objectives: Names and directions.
    """
    if not curve.evaluations:
        return ""
    is_late = curve.epoch >= LATE * curve.planned_epochs
    if is_late or not is_behind(curve, rivals):
        return ""
    lead = rivals.lead.name
    if learns_nothing(curve, rivals):
        latest = curve.evaluations[-1]
        score = latest.values[lead]
        return f"its {lead} of {score:.3f} after {latest.epoch:.2g} epochs is that of a constant answer"
    # One end that no other trial dominates is enough: the trial may come to belong to the Pareto front.
    ends = possible_ends(curve, rivals, objectives)
    for end in ends:
        if not is_dominated(end, rivals.front, objectives):
            return ""
    # The last end is that of the whole training, as planned.
    best = ends[-1][lead_position(objectives)]
    return f"its {lead} is to end at {best:.3f} at best, which others reach in less time"


def is_behind(curve: LearningCurve, rivals: Rivals) -> bool:
    """Return whether another trial, trained to its end, is better in the lead than all that this one showed so far."""
    own = best_standing(curve.evaluations, rivals.lead)
    for rival in rivals.trained:
        # Quick looks at a sample of the rows are no result.
        standing = best_standing(rival.whole_evaluations, rivals.lead)
        if own < standing:
            return True
    return False


def best_standing(evaluations: Sequence[Evaluation], objective: Objective) -> float:
    """Return the best oriented value of an objective in some evaluations; minus infinity where there is none."""
    best = -math.inf
    for evaluation in evaluations:
        standing = objective.standing(evaluation.values)
        best = max(best, standing)
    return best


def learns_nothing(curve: LearningCurve, rivals: Rivals) -> bool:
    """Return whether a trial is still where a constant answer is, though others were beyond it by now.

    That takes at least one other that has learned something, twice the epochs that the slowest of them needed for that,
    and a tenth of the epochs that they were trained for in all.
    """
    if rivals.lead.name not in rivals.constant:
        return False
    if epoch_of_learning(curve, rivals) is not None:
        return False
    # Epochs after which each rival had left the constant answer behind; without those that never did.
    needed: list[float] = []
    trained: list[float] = []
    for rival in rivals.trained:
        trained.append(rival.epoch)
        epoch = epoch_of_learning(rival, rivals)
        if epoch is not None:
            needed.append(epoch)
    if not needed:
        return False
    patience = TENTH * median(trained)
    grace = LENIENCE * max(needed)
    latest = curve.evaluations[-1]
    return latest.epoch >= max(patience, grace)


def epoch_of_learning(curve: LearningCurve, rivals: Rivals) -> float | None:
    """Return the epoch of the first evaluation that is better than a constant answer, beyond chance; None without."""
    lead = rivals.lead
    constant = rivals.constant[lead.name]
    for evaluation in curve.evaluations:
        # Quick looks have fewer rows, and so a larger error.
        rows = evaluation.rows or rivals.validation_rows
        error = standard_error(lead, constant, rows)
        threshold = lead.oriented(constant) + DEVIATIONS * error
        if lead.standing(evaluation.values) > threshold:
            return evaluation.epoch
    return None


def possible_ends(
    curve: LearningCurve, rivals: Rivals, objectives: Objectives
) -> list[tuple[float, ...]]:
    """Return the best objectives that a trial may have if it ends after each epoch to come, or as planned.

    Early stopping, or a time limit, may end a training before its plan: with less quality, in less time.
    """
    next_epoch = math.floor(curve.epoch) + 1
    last_epoch = math.ceil(curve.planned_epochs)
    # Whole epochs, and the plan's end, which may lie within one.
    epochs = [float(epoch) for epoch in range(next_epoch, last_epoch)]
    epochs.append(curve.planned_epochs)
    ends: list[tuple[float, ...]] = []
    for epoch in epochs:
        end: list[float] = []
        for objective in objectives:
            if objective.is_time:
                value = least_seconds(curve, epoch)
            elif objective.is_cost_of_use:
                # Measured when the model is there: until then it may be the smallest and the fastest of all.
                value = objective.best
            else:
                value = optimistic_value(curve, epoch, rivals, objective)
            end.append(value)
        ends.append(tuple(end))
    return ends


def least_seconds(curve: LearningCurve, epoch: float) -> float:
    """Return the seconds that a training takes at least until an epoch to come."""
    per_epoch = curve.seconds / curve.epoch
    rest = epoch - curve.epoch
    least_rest = SPEED_UP * per_epoch * rest
    return curve.seconds + least_rest


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
    evaluations: list[Evaluation] = []
    has_whole = False
    for evaluation in curve.evaluations:
        if objective.name in evaluation.values:
            evaluations.append(evaluation)
            has_whole = has_whole or evaluation.rows is None
    # Two quick looks inside the first epoch are too few: of made-up late bloomers they condemned one in seven.
    if len(evaluations) < 2 or not has_whole:
        return objective.oriented(math.inf)

    # All of shape (evaluations,); the values are oriented.
    epochs = np.zeros(len(evaluations))
    values = np.zeros(len(evaluations))
    errors = np.zeros(len(evaluations))
    for index, evaluation in enumerate(evaluations):
        epochs[index] = evaluation.epoch
        values[index] = objective.standing(evaluation.values)
        errors[index] = error_of(evaluation, objective, rivals)

    # The best epoch is kept, whatever comes; it may have been measured too low by a standard error.
    so_far = float((values + errors).max())
    continued = power_law_bound(epochs, values, errors, epoch)
    # How much trials gain late is not to be seen in this curve yet, but in those of others.
    share = evaluations[-1].epoch / curve.planned_epochs
    curves = [*rivals.trained, *rivals.past]
    gained = float(values[-1]) + likely_gain(objective, share, curves)
    best = max(so_far, continued, gained)
    # No quality is better than its best value, such as a share of right answers of 1.
    ceiling = objective.oriented(objective.best)
    return objective.oriented(min(best, ceiling))


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
    bounds: list[float] = []
    misfits: list[float] = []
    for exponent in EXPONENTS:
        # Ones for a, the power for b: shape (points, 2).
        powers = box_cox(epochs, exponent)
        design = np.column_stack([np.ones(len(epochs)), powers])

        # Divided by its error, each point has the variance 1: weighted least squares become ordinary ones.
        weighted_design = design / errors[:, None]
        weighted_values = values / errors
        # Shape (2, 2). A pseudo-inverse, because points that all lie at one epoch do not determine b.
        covariance = np.linalg.pinv(weighted_design.T @ weighted_design)
        coefficients = covariance @ weighted_design.T @ weighted_values
        residuals = (values - design @ coefficients) / errors
        misfit = residuals @ residuals

        # The law at the goal, and the standard error that those of the coefficients give it.
        power_at_goal = float(box_cox(np.asarray(epoch), exponent))
        goal = np.asarray([1.0, power_at_goal])
        variance = float(goal @ covariance @ goal)
        # Rounding can take it below 0.
        deviation = math.sqrt(max(0.0, variance))
        expected = float(goal @ coefficients)
        # A curve that falls is not continued downwards: its best epoch is kept.
        if coefficients[1] <= 0:
            expected = float(values.max())
        bounds.append(expected + DEVIATIONS * deviation)
        misfits.append(float(misfit))

    # Misfits are sums of squares in units of the errors: 2 standard errors add 4 to that of the best law.
    largest_misfit = min(misfits) + DEVIATIONS**2
    fitting: list[float] = []
    for bound, misfit in zip(bounds, misfits, strict=True):
        if misfit <= largest_misfit:
            fitting.append(bound)
    return max(fitting)


def likely_gain(objective: Objective, share: float, curves: Sequence[LearningCurve]) -> float:
    """Return what trials may still gain in a quality after a share of their training; 0 where no curve tells."""
    gains: list[float] = []
    for curve in curves:
        # The last value before the share, and the best one of the whole curve.
        before = None
        end = -math.inf
        latest_epoch = share * curve.epoch * ROUNDING
        for evaluation in curve.evaluations:
            value = objective.standing(evaluation.values)
            if not math.isfinite(value):
                continue
            if evaluation.epoch <= latest_epoch:
                before = value
            # Quick looks at few rows are lucky at times: none counts as what a trial reached.
            if evaluation.rows is None:
                end = max(end, value)
        if before is not None and math.isfinite(end):
            gains.append(end - before)
    if not gains:
        return 0.0
    # A gain that some trial made, not a mean of two: `higher` takes the larger neighbour.
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
        error = abs(value) / math.sqrt(rows)
        return max(error, LEAST_ERROR)
    # As for a share of right answers, which has a binomial distribution.
    share = (value - objective.low) / width
    share = min(max(share, LEAST_SPREAD), 1 - LEAST_SPREAD)
    variance_of_row = share * (1 - share)
    variance = variance_of_row / rows
    return width * math.sqrt(variance)


def error_of(evaluation: Evaluation, objective: Objective, rivals: Rivals) -> float:
    """Return the standard error of a quality in an evaluation."""
    # Quick looks say how many rows they are on; all others are on the whole split.
    rows = evaluation.rows or rivals.validation_rows
    value = evaluation.values[objective.name]
    return standard_error(objective, value, rows)


def box_cox(epochs: np.ndarray, exponent: float) -> np.ndarray:
    """Return (x^p - 1) / p of epochs x and an exponent p: it tends to the logarithm as p goes to 0."""
    # By rounding, a grid of exponents may miss its 0 by some 1e-16.
    if abs(exponent) < NO_EXPONENT:
        return np.asarray(np.log(epochs))
    powers = epochs**exponent
    return np.asarray((powers - 1) / exponent)
