"""Everything about which is better: directions, the lead, the time, the worst value, fronts, crowding, hypervolume.

A value *as measured* has the direction of its objective. An *oriented* value has the sign of each objective that is
minimised turned, so that larger is better in all of them. Arrays of oriented values have shape (points, objectives).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from xautolm.records import TrialOutcome

EVALUATION_TIME = "evaluation_time"
"""The paper's second objective: seconds of training plus validation. Smaller is better."""

LATENCY = "latency"
"""Seconds in which a trained model answers one text, asked by itself, on the machine of the search."""

MODEL_SIZE = "model_size"
"""Bytes of a trained model's weights on disk."""

COSTS_OF_USE = frozenset({LATENCY, MODEL_SIZE})
"""Objectives that are measured of a model when it is trained. A trial that was stopped has no model, and a measurement
may fail: a trial without one of them has its quality all the same, and an infinite cost."""

MINUS = "-"
"""Stood in front of the name of an objective that is minimised in records of 0.1.0 and before."""

UNBOUNDED_WORST = 1e9
"""Told of a failure by a metric whose worst value has no bound, before any trial gave a value: beyond any error that
a trial reports, and with a square that is finite, since samplers standardise."""


class Direction(StrEnum):
    """Which values of an objective are better, in Optuna's words."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A quantity that a search improves."""

    name: str
    """A metric's name, `evaluation_time`, or a cost of use."""
    maximize: bool = True
    """Whether larger is better."""
    low: float = -math.inf
    """The smallest value that it can have."""
    high: float = math.inf
    """The largest value that it can have."""

    @property
    def is_time(self) -> bool:
        """Return whether it is the evaluation time rather than a quality."""
        return self.name == EVALUATION_TIME

    @property
    def is_cost_of_use(self) -> bool:
        """Return whether it is what a model costs when it is used, rather than how good it is."""
        return self.name in COSTS_OF_USE

    @property
    def is_quality(self) -> bool:
        """Return whether it is computed from answers, by a metric."""
        return not self.is_time and not self.is_cost_of_use

    @property
    def direction(self) -> Direction:
        """Return which values are better."""
        return Direction.MAXIMIZE if self.maximize else Direction.MINIMIZE

    @property
    def worst(self) -> float:
        """Return the worst value that it can have, as measured; infinite where there is no bound."""
        return self.low if self.maximize else self.high

    @property
    def best(self) -> float:
        """Return the best value that it can have, as measured; infinite where there is no bound."""
        return self.high if self.maximize else self.low

    def oriented(self, value: float) -> float:
        """Return a measured value so that larger is better. Applied twice, it returns what was measured."""
        return value if self.maximize else -value

    def standing(self, scores: Mapping[str, float]) -> float:
        """Return the oriented value among some scores; minus infinity where there is none.

        Args:
            scores: Values as measured, by name.
        """
        value = scores.get(self.name, math.nan)
        if math.isnan(value):
            return -math.inf
        return self.oriented(value)


Objectives = Sequence[Objective]
"""What a search improves, in the order in which it names them."""

TIME = Objective(name=EVALUATION_TIME, maximize=False, low=0.0)
"""The evaluation time as an objective."""

COSTS = {
    EVALUATION_TIME: TIME,
    LATENCY: Objective(name=LATENCY, maximize=False, low=0.0),
    MODEL_SIZE: Objective(name=MODEL_SIZE, maximize=False, low=0.0),
}
"""The objectives that are no qualities, by name: every task has them."""


class NamesObjectives(Protocol):
    """A record that says what a search improved: an experience, or what a run is about."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names, in the order of the search."""

    @property
    def minimized(self) -> tuple[str, ...]:
        """Names of those of which smaller is better."""


def recorded_objectives(record: NamesObjectives) -> tuple[Objective, ...]:
    """Return the objectives of a record.

    The record alone says the directions, so that it can be read where a metric of somebody's own is not installed, and
    so that nothing is ever imported because a record names it. Records do not say the ranges.
    """
    minimized = record.minimized
    return tuple(recorded_objective(name, minimized) for name in record.objectives)


def recorded_objective(name: str, minimized: Sequence[str]) -> Objective:
    """Return an objective by its name in a record, and the names of those that the record minimises."""
    # Records from before directions were written down leave the time out; it was always minimised.
    if name in COSTS:
        return COSTS[name]
    maximize = name not in minimized
    return Objective(name=name, maximize=maximize)


def minimized_names(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the names of the objectives of which smaller is better, as records keep them."""
    minimized = [objective.name for objective in objectives if not objective.maximize]
    return tuple(minimized)


def without_signs(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return plain names of objectives, and those that are minimised, from names of which some begin with a minus."""
    plain = []
    minimized = []
    for name in names:
        plain_name = name.removeprefix(MINUS)
        plain.append(plain_name)
        if plain_name != name:
            minimized.append(plain_name)
    return tuple(plain), tuple(minimized)


def numbered_objectives(directions: Sequence[Direction]) -> tuple[Objective, ...]:
    """Return the objectives of a study that does not name them: `objective_0`, `objective_1` and so on."""
    objectives = []
    for number, direction in enumerate(directions):
        maximize = direction is Direction.MAXIMIZE
        objectives.append(Objective(name=f"objective_{number}", maximize=maximize))
    return tuple(objectives)


def lead_of(objectives: Sequence[Objective]) -> Objective:
    """Return the first quality among the objectives: it chooses the best epoch, and the winner."""
    position = lead_position(objectives)
    return objectives[position]


def lead_position(objectives: Sequence[Objective]) -> int:
    """Return the position of the first quality; 0 where there is none."""
    for position, objective in enumerate(objectives):
        if objective.is_quality:
            return position
    return 0


def time_position(objectives: Sequence[Objective]) -> int | None:
    """Return the position of the evaluation time among the objectives; None where it is none of them."""
    for position, objective in enumerate(objectives):
        if objective.is_time:
            return position
    return None


def objective_values(outcome: TrialOutcome, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the objectives of an outcome that left a model, as measured.

    Returns:
        None for any other outcome, and where a value is missing or not finite. A cost of use that was not measured is
        infinite.
    """
    if not outcome.succeeded:
        return None
    return _values(outcome, outcome.evaluation_time, objectives)


def told_values(outcome: TrialOutcome, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the objectives of an outcome that did not fail, as samplers are told of them, or nothing.

    A cost of use that was not measured is infinite; whoever tells it has to find a number that a sampler can take.
    A trial that was stopped stands there with what it had reached after the time of its whole training. Whatever
    dominates what it could have become dominates that too, so no sampler takes it for a member of the front.
    """
    if outcome.failed:
        return None
    return _values(outcome, outcome.whole_time, objectives)


def _values(
    outcome: TrialOutcome, seconds: float | None, objectives: Sequence[Objective]
) -> list[float] | None:
    """Return the values of the objectives, as measured; None where a quality or the time is missing or not finite."""
    if seconds is None:
        return None
    values = []
    for objective in objectives:
        value = measured_value(outcome, objective, seconds)
        if math.isnan(value) and objective.is_cost_of_use:
            value = objective.worst
        # Samplers and fronts cannot place what is not a number, so a trial with one such value has none at all.
        elif not math.isfinite(value):
            return None
        values.append(value)
    return values


def measured_value(outcome: TrialOutcome, objective: Objective, seconds: float | None) -> float:
    """Return one objective of an outcome, as measured; NaN where there is no value.

    Args:
        outcome: Of a trial.
        objective: Which.
        seconds: What counts as its evaluation time.
    """
    if objective.is_quality:
        return outcome.metrics.get(objective.name, math.nan)
    costs = {
        EVALUATION_TIME: seconds,
        LATENCY: outcome.latency,
        MODEL_SIZE: outcome.model_size,
    }
    cost = costs[objective.name]
    return math.nan if cost is None else cost


def worst_values(
    told: Sequence[Sequence[float]], outcome: TrialOutcome, objectives: Sequence[Objective]
) -> list[float]:
    """Return what samplers are told of a failure: the worst value that each objective can have.

    Where there is no bound, it is the worst that any trial was told with; of the time, never less than the failed
    trial itself took.

    Args:
        told: Values of the trials so far, as measured.
        outcome: The failure.
        objectives: Names, directions and ranges.
    """
    worst = []
    for column, objective in enumerate(objectives):
        if math.isfinite(objective.worst):
            worst.append(objective.worst)
            continue
        standings = [objective.oriented(values[column]) for values in told]
        if objective.is_time:
            standings.append(objective.oriented(outcome.wall_time))
        worst_standing = min(standings, default=-UNBOUNDED_WORST)
        worst.append(objective.oriented(worst_standing))
    return worst


def oriented_value(outcome: TrialOutcome, objective: Objective) -> float:
    """Return one objective of an outcome so that larger is better; minus infinity where there is no value.

    A training that was cut is not a fast one: its time is that of the whole training.
    """
    value = measured_value(outcome, objective, outcome.whole_time)
    return objective.standing({objective.name: value})


def oriented(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> np.ndarray:
    """Return measured values so that larger is better, shape (points, objectives)."""
    # The orientation of 1 is the sign by which a whole column is multiplied.
    signs = np.asarray([objective.oriented(1.0) for objective in objectives])
    columns = len(signs)
    # No points at all still have a column for each objective.
    rows = np.reshape(values, (-1, columns))
    oriented_rows = rows * signs
    return np.asarray(oriented_rows, dtype=float)


def pareto_front(
    outcomes: Mapping[int, TrialOutcome], objectives: Sequence[Objective]
) -> list[int]:
    """Return the numbers of the trials with a model that no other dominates, best in the first objective first.

    Args:
        outcomes: Of the trials that have ended, by number.
        objectives: Names and directions.
    """
    measured: dict[int, list[float]] = {}
    for number, outcome in outcomes.items():
        values = objective_values(outcome, objectives)
        if values is not None:
            measured[number] = values
    if not measured:
        return []
    numbers = list(measured)
    rows = list(measured.values())
    points = oriented(rows, objectives)
    front = fronts(points)[0]
    # A stable order: of trials that are equal in the first objective, the earlier stands first.
    in_first_objective = points[front, 0]
    best_first = np.argsort(-in_first_objective, kind="stable")
    return [numbers[position] for position in front[best_first]]


def is_dominated(
    point: Sequence[float], rivals: Sequence[Sequence[float]], objectives: Sequence[Objective]
) -> bool:
    """Return whether one of the rivals is as good as a point in every objective, and better in one.

    Args:
        point: As measured.
        rivals: As measured.
        objectives: Names and directions.
    """
    rows = oriented(rivals, objectives)
    row = oriented([point], objectives)
    is_as_good = np.all(rows >= row, axis=1)
    # What is equal in all objectives dominates nothing.
    is_better = np.any(rows > row, axis=1)
    dominates = is_as_good & is_better
    return bool(np.any(dominates))


def fronts(values: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the points by non-dominated front, the best front first (Deb et al., 2002).

    Args:
        values: Oriented, shape (points, objectives).
    """
    if not len(values):
        return []
    # A value that is no number compares with nothing, so points with one have no place in an order.
    if values.shape[1] == 2 and not np.isnan(values).any():
        return _fronts_by_sorting(values)
    return _fronts_by_pairs(values)


def _fronts_by_sorting(values: np.ndarray) -> list[np.ndarray]:
    """Return the fronts of points in two objectives, in n log n steps (Jensen, 2003).

    Best first objective first, and among equals best second objective first, a point can only be dominated by those
    before it; a front does so exactly if the highest second objective in it so far is at least the point's own.
    """
    first, second = values.T
    # The last key counts first.
    best_first = np.lexsort((-second, -first))
    # Of each front, minus its highest second objective so far: it rises from front to front, as bisection needs it.
    lowest_negated: list[float] = []
    front_of = np.zeros(len(values), dtype=int)
    previous: tuple[float, float] | None = None
    front = 0
    for position in best_first.tolist():
        point = (float(first[position]), float(second[position]))
        # Equal points do not dominate each other, and share the front.
        if point != previous:
            negated = -point[1]
            front = bisect_right(lowest_negated, negated)
            lowest_negated[front : front + 1] = [negated]
            previous = point
        front_of[position] = front
    # Stable, so that within a front positions rise.
    by_front = np.argsort(front_of, kind="stable")
    ends = np.cumsum(np.bincount(front_of))
    return np.split(by_front, ends[:-1])


def _fronts_by_pairs(values: np.ndarray) -> list[np.ndarray]:
    """Return the fronts of points in any number of objectives, by comparing each point with every other."""
    # Shape (points, points, objectives).
    rows = values[:, None, :]
    columns = values[None, :, :]
    is_as_good = np.all(rows >= columns, axis=2)
    is_better = np.any(rows > columns, axis=2)
    # Row i, column j: whether point i dominates point j.
    dominates = is_as_good & is_better
    remaining = np.arange(len(values))
    layers = []
    while len(remaining):
        # Whoever no remaining point dominates is the next front; without it, the one behind becomes visible.
        among_remaining = dominates[np.ix_(remaining, remaining)]
        is_behind = np.any(among_remaining, axis=0)
        front = remaining[~is_behind]
        layers.append(front)
        remaining = remaining[is_behind]
    return layers


def crowding(values: np.ndarray) -> np.ndarray:
    """Return the crowding distance of each point of one front, shape (points,) (Deb et al., 2002).

    In each objective it is the gap between a point's two neighbours, as a share of the front's width; the points at the
    ends have no second neighbour, and an infinite distance.

    Args:
        values: Oriented, shape (points, objectives).
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ascending = column[order]
        ends = order[[0, -1]]
        distance[ends] = np.inf
        # All equal in this objective: it tells no point from another. One or two points are ends, with none between.
        if ascending[-1] == ascending[0] or len(order) <= 2:
            continue
        width = ascending[-1] - ascending[0]
        # The gap around the point at position i is from position i - 1 to position i + 1.
        before = ascending[:-2]
        after = ascending[2:]
        inner = order[1:-1]
        distance[inner] += (after - before) / width
    return distance


def ranked(values: np.ndarray) -> np.ndarray:
    """Return the positions of the points from best to worst: by front, then by crowding distance, the largest first.

    Args:
        values: Oriented, shape (points, objectives).
    """
    # An empty array in front: no points at all have an order too.
    order = [np.zeros(0, dtype=int)]
    for front in fronts(values):
        distances = crowding(values[front])
        largest_first = np.argsort(-distances, kind="stable")
        order.append(front[largest_first])
    return np.concatenate(order)


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that the points dominate above a reference point, for one or two objectives.

    It is computed here rather than by Optuna or pymoo: for two objectives it is a sum over a sorted list, Optuna's own
    is private, and pymoo would be a dependency for these lines. `hypervolume_improvement` needs the same strips for
    hundreds of candidates at once, which neither offers.

    Args:
        values: Oriented, shape (points, objectives).
        reference: Oriented, shape (objectives,); points that do not exceed it in every objective add nothing.

    Raises:
        ValueError: More than two objectives.
    """
    is_above = np.all(values > reference, axis=1)
    # Distances from the reference point, which becomes the origin.
    above = values[is_above] - reference
    if not len(above):
        return 0.0
    objectives = above.shape[1]
    if objectives == 1:
        return float(above.max())
    if objectives != 2:
        raise ValueError(f"hypervolume of {objectives} objectives is not implemented")
    widths = above[:, 0]
    widest_first = np.argsort(-widths, kind="stable")
    volume = 0.0
    covered = 0.0
    # Each point adds a box on top of what the wider ones cover; a point below their top is dominated and adds none.
    for width, height in above[widest_first]:
        if height > covered:
            volume += width * (height - covered)
            covered = height
    return float(volume)


def hypervolume_improvement(
    first: np.ndarray, second: np.ndarray, points: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Return what each of some new points would add to the hypervolume of two objectives, in the shape of `first`.

    Args:
        first: First coordinates of the new points, of any shape; oriented.
        second: Their second coordinates, of the same shape.
        points: Those whose hypervolume it is added to; oriented, shape (points, 2).
        reference: The reference point, shape (2,).
    """
    reference_width, reference_height = reference.tolist()
    staircase = _staircase(points, reference)
    # Above the highest point there is nothing but the reference, however high a new point reaches.
    staircase.append((reference_width, np.inf))
    improvement = np.zeros_like(first)
    bottom = reference_height
    # Strips of the second objective, from below: in each, the front is as wide as its widest point that reaches so far.
    for width, top in staircase:
        # A new point adds a box in each strip that it reaches: as high as it reaches, as wide as it passes the front.
        reached = np.minimum(second, top)
        height_in_strip = np.clip(reached - bottom, 0, None)
        width_beyond = np.clip(first - width, 0, None)
        improvement += height_in_strip * width_beyond
        bottom = top
    return improvement


def _staircase(points: np.ndarray, reference: np.ndarray) -> list[tuple[float, float]]:
    """Return the non-dominated points above a reference point, the widest and lowest first."""
    is_counted = np.all(points > reference, axis=1)
    counted = [(width, height) for width, height in points[is_counted].tolist()]
    staircase: list[tuple[float, float]] = []
    highest = -np.inf
    for width, height in sorted(counted, reverse=True):
        # From the widest on, only a point higher than all before it is on the front.
        if height > highest:
            staircase.append((width, height))
            highest = height
    return staircase
