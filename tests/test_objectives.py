from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xautolm.objectives import (
    TIME,
    UNBOUNDED_WORST,
    Direction,
    Objective,
    crowding,
    fronts,
    hypervolume,
    hypervolume_improvement,
    is_dominated,
    lead_of,
    minimized_names,
    oriented,
    pareto_front,
    ranked,
    recorded_objectives,
    time_position,
    without_signs,
    worst_values,
)
from xautolm.records import TrialOutcome
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import TrialStatus

POINTS = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [0.5, 2.5], [0.0, 0.0]])


def test_fronts_by_hand() -> None:
    assert [sorted(front.tolist()) for front in fronts(POINTS)] == [[0, 1, 2], [3, 4], [5]]
    assert [front.tolist() for front in fronts(np.array([[1.0, 1.0], [1.0, 1.0]]))] == [[0, 1]]


@pytest.mark.parametrize("values", [3, 40, 10_000])
def test_fronts_of_two_objectives_are_those_of_the_definition(values: int) -> None:
    rng = np.random.default_rng(values)
    # The fewer values there are, the more points are equal in one objective, or in both.
    points = rng.integers(0, values, size=(300, 2)).astype(float)
    points[:5, 0] = -np.inf
    remaining = list(range(len(points)))
    for front in fronts(points):
        best = [
            position
            for position in remaining
            if not any(dominates(points[rival], points[position]) for rival in remaining)
        ]
        assert front.tolist() == best
        remaining = [position for position in remaining if position not in best]
    assert remaining == []


def test_fronts_of_no_points_and_of_three_objectives() -> None:
    assert fronts(np.zeros((0, 2))) == []
    points = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 2.0, 0.0]])
    assert [front.tolist() for front in fronts(points)] == [[1, 2], [0]]


def test_a_point_that_is_no_number_is_on_the_first_front() -> None:
    points = np.array([[1.0, 1.0], [np.nan, 0.0], [0.0, 0.0]])
    assert [front.tolist() for front in fronts(points)] == [[0, 1], [2]]


def test_fronts_of_many_points_need_no_table_of_pairs() -> None:
    # Compared in pairs, 30,000 points would need gigabytes.
    rng = np.random.default_rng(0)
    points = rng.random((30_000, 2))
    assert sum(len(front) for front in fronts(points)) == len(points)


def dominates(point: np.ndarray, rival: np.ndarray) -> bool:
    return bool((point >= rival).all() and (point > rival).any())


def test_crowding_by_hand() -> None:
    # Three points on a line: the middle one's neighbours are the whole width apart in both objectives.
    assert crowding(POINTS[:3]).tolist() == [np.inf, np.inf, 2.0]


def test_ranking_puts_fronts_first_and_the_lonely_before_the_crowded() -> None:
    assert ranked(POINTS).tolist() == [0, 1, 2, 4, 3, 5] or ranked(POINTS).tolist() == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]
    assert ranked(np.zeros((0, 2))).tolist() == []


def test_hypervolume_by_hand() -> None:
    # 3x1 + 2x1 + 1x1 over the origin.
    assert hypervolume(POINTS, np.zeros(2)) == pytest.approx(6.0)
    assert hypervolume(np.array([[0.4]]), np.array([0.1])) == pytest.approx(0.3)
    assert hypervolume(POINTS, np.array([5.0, 5.0])) == 0.0
    with pytest.raises(ValueError, match="3 objectives"):
        hypervolume(np.ones((1, 3)), np.zeros(3))


def test_orientation() -> None:
    objectives = (Objective(name="f1", low=0.0), Objective(name="time", maximize=False))
    assert oriented([(0.5, 10.0)], objectives).tolist() == [[0.5, -10.0]]


def test_an_objective_orients_values_and_knows_its_worst() -> None:
    f1 = Objective(name="f1", low=0.0, high=1.0)
    mae = Objective(name="mae", maximize=False, low=0.0)
    assert (f1.worst, f1.best, mae.worst, mae.best) == (0.0, 1.0, np.inf, 0.0)
    assert f1.standing({"f1": 0.5}) == 0.5 and mae.standing({"mae": 2.0}) == -2.0
    assert f1.standing({}) == mae.standing({"mae": np.nan}) == -np.inf
    assert mae.oriented(mae.oriented(3.0)) == 3.0
    assert (f1.direction, mae.direction) == (Direction.MAXIMIZE, Direction.MINIMIZE)
    assert (
        lead_of((TIME, mae, f1)) == mae
        and time_position((mae, TIME)) == 1
        and time_position((mae,)) is None
    )


def test_failures_are_told_with_the_worst_that_can_be_or_was() -> None:
    objectives = (
        Objective(name="f1", low=-1.0),
        Objective(name="mae", maximize=False, low=0.0),
        TIME,
    )
    failure = TrialOutcome(status=TrialStatus.FAILED, wall_time=7.0)
    assert worst_values([], failure, objectives) == [-1.0, UNBOUNDED_WORST, 7.0]
    assert worst_values([[0.5, 3.0, 20.0], [0.9, 4.0, 5.0]], failure, objectives) == [
        -1.0,
        4.0,
        20.0,
    ]
    score = Objective(name="score")
    assert worst_values([], failure, (score,)) == [-UNBOUNDED_WORST]
    assert worst_values([[2.0], [-3.0]], failure, (score,)) == [-3.0]


def test_the_front_of_a_search_that_minimises() -> None:
    objectives = (Objective(name="mae", maximize=False), TIME)
    outcomes = {
        number: success(seconds, mae=mae)
        for number, (mae, seconds) in enumerate([(3, 1), (2, 5), (4, 2)])
    }
    assert pareto_front(outcomes, objectives) == [1, 0]
    assert is_dominated((4.0, 2.0), [(3.0, 1.0)], objectives) and not is_dominated(
        (3.0, 1.0), [(3.0, 1.0)], objectives
    )


def test_improvement_is_the_difference_of_hypervolumes() -> None:
    rng = np.random.default_rng(0)
    points, candidates = rng.random((6, 2)), rng.random((40, 2)) * 1.5 - 0.25
    reference = np.asarray([0.1, 0.2])
    improvement = hypervolume_improvement(candidates[:, 0], candidates[:, 1], points, reference)
    before = hypervolume(points, reference)
    for candidate, gained in zip(candidates, improvement, strict=True):
        assert gained == pytest.approx(
            hypervolume(np.vstack([points, candidate]), reference) - before
        )
    assert (improvement > 0).any() and (improvement == 0).any()


def test_records_say_the_directions_and_earlier_ones_by_a_minus() -> None:
    record = made_up_experience(0)
    assert [objective.maximize for objective in recorded_objectives(record)] == [True, False]
    smaller = replace(
        record, objectives=("mae", "evaluation_time"), minimized=("mae", "evaluation_time")
    )
    assert [objective.maximize for objective in recorded_objectives(smaller)] == [False, False]
    assert minimized_names(recorded_objectives(smaller)) == smaller.minimized
    assert without_signs(("-objective_0", "objective_1")) == (
        ("objective_0", "objective_1"),
        ("objective_0",),
    )


def test_an_objective_in_which_all_points_are_infinite_crowds_none() -> None:
    values = np.asarray([[1.0, -np.inf], [2.0, -np.inf], [3.0, -np.inf], [4.0, -np.inf]])
    assert crowding(values) == pytest.approx([np.inf, 2 / 3, 2 / 3, np.inf])
