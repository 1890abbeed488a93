"""What the acquisition function wants: gains in either objective at first, poor trials never once there are others."""

import numpy as np

from xautolm.search.acquisition import acquisition
from xautolm.search.settings import DEFAULTS
from xautolm.search.surrogates import Prediction

QUALITY, TIME = 0, 1


def worth(own: list[list[float]], candidates: list[list[float]]) -> np.ndarray:
    """Return what candidates are worth, given what was reached; all of it is quality and speed."""
    scores = np.asarray(candidates)
    prediction = Prediction(
        scores=scores,
        deviation=np.full_like(scores, 0.05),
        own=np.asarray(own, dtype=float).reshape(-1, 2),
        units=np.ones(2),
        failure=np.zeros(len(scores)),
    )
    return acquisition(prediction, lead=QUALITY, time=TIME)


def test_a_quicker_trial_gains_beside_the_only_one_though_it_is_a_little_worse() -> None:
    alike, quicker = worth([[1.0, 0.0]], [[0.8, 0.0], [0.8, 3.0]])
    assert quicker > 10 * alike


def test_once_there_are_some_trials_what_is_worse_than_half_of_them_gains_nothing_by_being_quick() -> (
    None
):
    own = [[1.0, 0.0], [1.2, -1.0], [1.1, -0.5]]
    assert len(own) == DEFAULTS.reference_trials
    poor, poor_and_quick = worth(own, [[0.2, -1.0], [0.2, 5.0]])
    assert poor_and_quick == poor
    good, good_and_quick = worth(own, [[1.15, -1.0], [1.15, 5.0]])
    assert good_and_quick > 2 * good > 2 * poor


def test_a_candidate_that_surely_fails_is_worth_nothing() -> None:
    scores = np.asarray([[5.0, 5.0]])
    prediction = Prediction(
        scores=scores,
        deviation=np.zeros_like(scores),
        own=np.empty((0, 2)),
        units=np.ones(2),
        failure=np.ones(1),
    )
    assert acquisition(prediction, lead=QUALITY, time=TIME) == 0
