"""Whether a store knows anything near, judged by how far apart its own data sets are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from xautolm.metalearning import Nearness, nearness, own_features
from xautolm.metalearning.nearness import FAR, FEWEST_DATA_SETS, SAMPLING, gap, usual_gap
from xautolm.records import Experience, Features
from xautolm.testing import made_up_experience


def task(position: float) -> Features:
    """Meta-features at a place on a line, in which gaps are distances."""
    return own_features({"length": float(np.expm1(position))})


def store(positions: Sequence[float]) -> list[Experience]:
    experiences = []
    for number, position in enumerate(positions):
        experience = made_up_experience(number)
        data = replace(experience.data, name=f"set-{number}", source_fingerprint=f"{number:016x}")
        experiences.append(replace(experience, data=data, features=task(position)))
    return experiences


def test_what_is_farther_than_data_sets_of_the_store_from_their_nearest_is_not_near() -> None:
    # Their nearest are 0.2, 0.2, 0.3, 0.3 and 0.4 away.
    experiences = store([1.0, 1.2, 1.5, 2.0, 2.3, 2.7])
    inside = nearness(experiences, task(3.05))
    assert (inside.data, inside.data_sets, inside.is_near) == ("set-5", 6, True)
    assert inside.gap == pytest.approx(0.35) and inside.usual == pytest.approx(0.4)
    outside = nearness(experiences, task(3.15))
    assert not outside.is_near
    assert "set-5, is 0.45 away" in outside.in_words and "0.40" in outside.in_words


def test_a_store_of_few_data_sets_does_not_say_what_is_usual() -> None:
    few = store([1.0 + 0.01 * number for number in range(FEWEST_DATA_SETS - 1)])
    assert nearness(few, task(1.6)).usual == FAR and nearness(few, task(1.6)).is_near
    assert not nearness(few, task(1.0 + FAR + 0.1)).is_near


def test_trials_on_one_data_set_are_one_data_set_whatever_its_samples() -> None:
    experiences = store([1.0, 1.3, 1.6, 1.9, 2.2])
    for number in range(20):
        data = replace(experiences[0].data, fingerprint=f"{number:016x}", name=f"sample {number}")
        sample = replace(experiences[0], data=data, features=task(1.0 + 0.001 * number))
        experiences.append(sample)
    closeness = nearness(experiences, task(2.4))
    assert closeness.data_sets == 5 and closeness.usual == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("apart", "usual"), [(0.01, SAMPLING), (0.3, 0.3), (2.0, FAR)])
def test_what_is_usual_is_no_less_than_samples_differ_by_and_no_more_than_far(
    apart: float, usual: float
) -> None:
    data_sets = [task(apart * number) for number in range(10)]
    assert usual_gap(data_sets) == pytest.approx(usual)


def test_one_outlier_of_many_does_not_widen_what_is_usual() -> None:
    data_sets = [task(0.2 * number) for number in range(40)]
    data_sets.append(task(0.2 * 39 + 0.6))
    assert usual_gap(data_sets) == pytest.approx(0.2)


def test_tasks_below_zero_are_as_far_apart_as_those_above() -> None:
    above = gap(own_features({"skew": 1.0}), own_features({"skew": 8.0}))
    below = gap(own_features({"skew": -1.0}), own_features({"skew": -8.0}))
    assert below == above > 0


def test_what_cannot_be_compared_is_not_near() -> None:
    experiences = store([1.0, 1.1])
    elsewhere: Features = own_features({"height": 1.0})
    closeness = nearness(experiences, elsewhere)
    assert closeness == Nearness(data="", gap=np.inf, usual=FAR, data_sets=2)
    assert not closeness.is_near and "none of its data sets can be compared" in closeness.in_words
    broken = replace(experiences[0], features=dict.fromkeys(task(1.0), (np.nan,)))
    assert nearness([broken], task(1.0)).gap == np.inf
    assert not nearness([], task(1.0)).is_near


def test_the_order_of_a_store_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    experiences = store([1.0, 1.2, 1.5, 1.9, 2.4, 3.0, 3.4])
    later = replace(experiences[3], id="later", created="2100-01-01", features=task(1.92))
    experiences.append(later)
    # The module has the name of its function, so it is not found by its own.
    monkeypatch.setitem(usual_gap.__globals__, "MOST_DATA_SETS", 5)
    forwards = nearness(experiences, task(1.8))
    backwards = nearness(experiences[::-1], task(1.8))
    assert forwards == backwards
    assert forwards.gap == pytest.approx(0.12)


@pytest.mark.parametrize("step", [1, -1])
def test_a_trial_of_an_earlier_version_does_not_hide_its_data_set(step: int) -> None:
    experiences = store([1.0])
    undescribed = replace(experiences[0], id="earlier", features={})
    closeness = nearness([*experiences, undescribed][::step], task(1.1))
    assert closeness.is_near and closeness.data == "set-0"
