"""Everything about which is better: directions, the lead, the time, the worst value, fronts, crowding, hypervolume.

A value *as measured* has the direction of its objective. An *oriented* value has the sign of each objective that is
minimised turned, so that larger is better in all of them. Arrays of oriented values have shape (points, objectives).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from xautolm.records import TrialOutcome

EVALUATION_TIME = "evaluation_time"
"""The paper's second objective: seconds of training plus validation. Smaller is better."""

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
    """A metric's name, or `evaluation_time`."""
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
        return -math.inf if math.isnan(value) else self.oriented(value)


Objectives = Sequence[Objective]
"""What a search improves, in the order in which it names them."""

TIME = Objective(name=EVALUATION_TIME, maximize=False, low=0.0)
"""The evaluation time as an objective."""


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
    return tuple(recorded_objective(name, record.minimized) for name in record.objectives)


def recorded_objective(name: str, minimized: Sequence[str]) -> Objective:
    """Return an objective by its name in a record, and the names of those that the record minimises."""
    # Records from before directions were written down leave the time out; it was always minimised.
    if name == EVALUATION_TIME:
        return TIME
    return Objective(name=name, maximize=name not in minimized)


def minimized_names(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the names of the objectives of which smaller is better, as records keep them."""
    return tuple(objective.name for objective in objectives if not objective.maximize)


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
    return objectives[lead_position(objectives)]


def lead_position(objectives: Sequence[Objective]) -> int:
    """Return the position of the first quality; 0 where the time is the only objective."""
    for position, objective in enumerate(objectives):
        if not objective.is_time:
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
        None for any other outcome, and where a value is missing or not finite.
    """
    if not outcome.succeeded:
        return None
    return _finite_values(outcome.metrics, outcome.evaluation_time, objectives)


def told_values(outcome: TrialOutcome, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the objectives that samplers are told of an outcome that did not fail, as measured, or nothing.

    A trial that was stopped stands there with what it had reached after the time of its whole training. Whatever
    dominates what it could have become dominates that too, so no sampler takes it for a member of the front.
    """
    if outcome.failed:
        return None
    return _finite_values(outcome.metrics, outcome.whole_time, objectives)


def _finite_values(
    metrics: Mapping[str, float], seconds: float | None, objectives: Sequence[Objective]
) -> list[float] | None:
    if seconds is None:
        return None
    measured = {**metrics, EVALUATION_TIME: seconds}
    values = [measured.get(objective.name, math.nan) for objective in objectives]
    return values if all(map(math.isfinite, values)) else None


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
    if objective.is_time:
        return -math.inf if outcome.whole_time is None else -outcome.whole_time
    return objective.standing(outcome.metrics)


def oriented(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> np.ndarray:
    """Return measured values so that larger is better, shape (points, objectives)."""
    signs = np.asarray([objective.oriented(1.0) for objective in objectives])
    # No points at all still have a column for each objective.
    rows = np.reshape(values, (-1, len(signs)))
    return np.asarray(rows * signs, dtype=float)


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
    points = oriented(list(measured.values()), objectives)
    best_first = sorted(fronts(points)[0], key=lambda position: -points[position, 0])
    return [numbers[position] for position in best_first]


def is_dominated(
    point: Sequence[float], rivals: Sequence[Sequence[float]], objectives: Sequence[Objective]
) -> bool:
    """Return whether one of the rivals is as good as a point in every objective, and better in one.

    Args:
        point: As measured.
        rivals: As measured.
        objectives: Names and directions.
    """
    oriented_point = oriented([point], objectives)[0]
    oriented_rivals = oriented(rivals, objectives)
    at_least = (oriented_rivals >= oriented_point).all(axis=1)
    better = (oriented_rivals > oriented_point).any(axis=1)
    return bool((at_least & better).any())


def fronts(values: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the points by non-dominated front, the best front first (Deb et al., 2002).

    Args:
        values: Oriented, shape (points, objectives).
    """
    # Every point against every other, shape (points, points, objectives).
    rows = values[:, None, :]
    columns = values[None, :, :]
    is_as_good = np.all(rows >= columns, axis=2)
    is_better = np.any(rows > columns, axis=2)
    dominates = is_as_good & is_better
    remaining = np.arange(len(values))
    layers = []
    while len(remaining):
        # Whoever no remaining point dominates is the next front; without it, the one behind becomes visible.
        among_remaining = dominates[np.ix_(remaining, remaining)]
        is_behind = among_remaining.any(axis=0)
        layers.append(remaining[~is_behind])
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
        width = ascending[-1] - ascending[0]
        # All equal in this objective: it tells no point from another.
        if width > 0 and len(order) > 2:
            gaps = ascending[2:] - ascending[:-2]
            inner = order[1:-1]
            distance[inner] += gaps / width
    return distance


def ranked(values: np.ndarray) -> np.ndarray:
    """Return the positions of the points from best to worst: by front, then by crowding distance, the largest first.

    Args:
        values: Oriented, shape (points, objectives).
    """
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
    is_above = (values > reference).all(axis=1)
    above = values[is_above] - reference
    if not len(above):
        return 0.0
    if above.shape[1] == 1:
        return float(above.max())
    if above.shape[1] != 2:
        raise ValueError(f"hypervolume of {above.shape[1]} objectives is not implemented")
    volume = 0.0
    covered = 0.0
    widest_first = np.argsort(-above[:, 0], kind="stable")
    # Each point adds a box on top of what the wider ones cover.
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
    is_counted = (points > reference).all(axis=1)
    staircase: list[tuple[float, float]] = []
    for width, height in sorted(map(tuple, points[is_counted].tolist()), reverse=True):
        # From the widest on, only a point higher than all before it is on the front.
        if not staircase or height > staircase[-1][1]:
            staircase.append((width, height))
    reference_width, reference_height = reference.tolist()
    # Above the highest point there is nothing but the reference, however high a new point reaches.
    staircase.append((reference_width, np.inf))
    improvement = np.zeros_like(first)
    bottom = reference_height
    # Strips of the second objective, from below: in each, the front is as wide as its widest point that reaches so far.
    for width, top in staircase:
        height_in_strip = np.clip(np.minimum(second, top) - bottom, 0, None)
        width_beyond = np.clip(first - width, 0, None)
        improvement += height_in_strip * width_beyond
        bottom = top
    return improvement
