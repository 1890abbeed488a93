from __future__ import annotations

import numpy as np
import pytest

from xautolm.objectives import crowding, fronts, hypervolume, oriented, ranked
from xautolm.records import Objective

POINTS = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [0.5, 2.5], [0.0, 0.0]])


def test_fronts_by_hand() -> None:
    assert [sorted(front.tolist()) for front in fronts(POINTS)] == [[0, 1, 2], [3, 4], [5]]
    assert [front.tolist() for front in fronts(np.array([[1.0, 1.0], [1.0, 1.0]]))] == [[0, 1]]


def test_crowding_by_hand() -> None:
    # Three points on a line: the middle one's neighbours are the whole width apart in both objectives.
    assert crowding(POINTS[:3]).tolist() == [np.inf, np.inf, 2.0]


def test_ranking_puts_fronts_first_and_the_lonely_before_the_crowded() -> None:
    assert ranked(POINTS).tolist() == [0, 1, 2, 4, 3, 5] or ranked(POINTS).tolist() == [0, 1, 2, 3, 4, 5]
    assert ranked(np.zeros((0, 2))).tolist() == []


def test_hypervolume_by_hand() -> None:
    # 3x1 + 2x1 + 1x1 over the origin.
    assert hypervolume(POINTS, np.zeros(2)) == pytest.approx(6.0)
    assert hypervolume(np.array([[0.4]]), np.array([0.1])) == pytest.approx(0.3)
    assert hypervolume(POINTS, np.array([5.0, 5.0])) == 0.0
    with pytest.raises(ValueError, match="3 objectives"):
        hypervolume(np.ones((1, 3)), np.zeros(3))


def test_orientation() -> None:
    objectives = (Objective(name="f1", maximize=True, worst=0.0), Objective(name="time", maximize=False, worst=np.inf))
    assert oriented([(0.5, 10.0)], objectives).tolist() == [[0.5, -10.0]]
