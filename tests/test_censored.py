"""What is learned from a trial that was stopped: a bound, neither a peak nor a failure."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from xautolm.experience.validation import check
from xautolm.integrations.table import experiences_from_rows
from xautolm.metalearning import SETTINGS, own_features
from xautolm.metalearning.utility import as_of_all_rows, is_negative, is_positive, utilities
from xautolm.metrics import METRICS
from xautolm.objectives import TIME, pareto_front, told_values
from xautolm.past_evidence import evidence_of, standings_of
from xautolm.records import Configuration, Experience, TrialOutcome
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import TrialStatus

OBJECTIVES = (METRICS.get("f1_macro").objective, TIME)


def stopped(
    status: TrialStatus, quality: float, seconds: float, planned: float | None
) -> TrialOutcome:
    return replace(success(seconds, f1_macro=quality), status=status, planned_time=planned)


@pytest.fixture
def experiences() -> dict[str, Experience]:
    """Two that ran to their end, a pruned one, one that was cut at once, which is by far the fastest."""
    outcomes = {
        "good": success(100.0, f1_macro=0.8),
        "fair": success(50.0, f1_macro=0.6),
        "pruned": stopped(TrialStatus.PRUNED, 0.1, 8.0, 120.0),
        "cut": stopped(TrialStatus.TRUNCATED, 0.05, 2.0, 300.0),
    }
    return {
        name: made_up_experience(number, outcome=outcome)
        for number, (name, outcome) in enumerate(outcomes.items())
    }


def test_a_pruned_trial_is_neither_success_nor_failure(experiences: dict[str, Experience]) -> None:
    assert {name for name, one in experiences.items() if is_positive(one)} == {
        "good",
        "fair",
        "cut",
    }
    assert not any(is_negative(one) for one in experiences.values())


def test_the_record_of_a_pruned_trial_means_something(experience: Experience) -> None:
    pruned = stopped(TrialStatus.PRUNED, 0.1, 8.0, 120.0)
    check(replace(experience, outcome=pruned))
    with pytest.raises(ValueError, match="contradict"):
        check(replace(experience, outcome=replace(pruned, metrics={})))
    with pytest.raises(ValueError, match=r"outcome.planned_time is -1.0"):
        check(replace(experience, outcome=replace(pruned, planned_time=-1.0)))


def test_a_trial_that_was_cut_is_not_useful_for_being_fast(
    experiences: dict[str, Experience],
) -> None:
    worth = utilities(list(experiences.values()), "linear_front")
    assert (
        worth[experiences["cut"].id]
        < worth[experiences["fair"].id]
        == worth[experiences["good"].id]
        == 1.0
    )
    whole = replace(experiences["cut"], outcome=success(2.0, f1_macro=0.05))
    assert utilities([experiences["good"], whole], "linear_front")[whole.id] == 1.0


def test_samplers_are_told_what_is_dominated(experiences: dict[str, Experience]) -> None:
    assert told_values(experiences["pruned"].outcome, OBJECTIVES) == [0.1, 120.0]
    assert told_values(experiences["cut"].outcome, OBJECTIVES) == [0.05, 300.0]
    # The front of a run has models only, each with the time that it really took.
    outcomes = {one.trial: one.outcome for one in experiences.values()}
    assert pareto_front(outcomes, OBJECTIVES) == [0, 1, 3]


def test_the_stores_opinion_of_a_stopped_trial_is_a_bound(
    experiences: dict[str, Experience],
) -> None:
    scores = {
        name: standings_of(list(experiences.values()), OBJECTIVES)[one.id].scores
        for name, one in experiences.items()
    }
    # Half as far below the mean of the whole ones, 0.7, as it was when it was stopped.
    spread = scores["good"][0] / 0.1
    assert scores["fair"][0] == pytest.approx(-0.1 * spread)
    assert scores["pruned"][0] == pytest.approx(-0.3 * spread)
    assert scores["pruned"][1] < scores["good"][1] < scores["fair"][1]


def on_part(share: float, outcome: TrialOutcome) -> Experience:
    values = {"model": "tiny", "method": "full.v1", "train_share": share}
    return made_up_experience(0, Configuration(values=values, space="default.v1"), outcome)


def test_a_past_trial_on_a_part_of_the_rows_is_a_lower_bound_on_what_all_rows_give() -> None:
    bound = as_of_all_rows(on_part(0.1, success(20.0, f1_macro=0.6)))
    assert bound.configuration.values == {"model": "tiny", "method": "full.v1"}
    assert bound.outcome.is_censored and bound.outcome.succeeded
    assert (bound.outcome.evaluation_time, bound.outcome.whole_time) == (20.0, pytest.approx(200.0))
    pruned = as_of_all_rows(on_part(0.3, stopped(TrialStatus.PRUNED, 0.1, 8.0, 120.0))).outcome
    assert pruned.status is TrialStatus.PRUNED and pruned.whole_time == pytest.approx(400.0)
    whole = as_of_all_rows(on_part(1.0, success(20.0, f1_macro=0.6)))
    assert not whole.outcome.is_censored and "train_share" not in whole.configuration.values
    usual = made_up_experience(0)
    assert as_of_all_rows(usual) is usual


@pytest.mark.parametrize("value", [0.1, "tenth"])
def test_a_parameter_of_a_table_that_is_called_as_ours_is_no_rung(value: float | str) -> None:
    rows = [{"task": "a", "params": {"train_share": value}, "values": [0.5]}]
    (experience,) = experiences_from_rows(rows, {"a": {"rows": 10.0}})
    assert as_of_all_rows(experience) is experience


def test_a_search_on_all_rows_is_warm_started_by_trials_on_a_part_as_bounds() -> None:
    features = own_features({"words": 12.0})
    whole = replace(on_part(1.0, success(100.0, f1_macro=0.8)), id="whole", features=features)
    part = replace(on_part(0.1, success(10.0, f1_macro=0.6)), id="part", features=features)
    evidence = evidence_of([whole, part], features, OBJECTIVES, SETTINGS["moderate-linear"])
    assert all("train_share" not in past.values for past in evidence)
    scores = sorted(past.scores for past in evidence if past.scores is not None)
    # As long as all rows would take; and half of the deficit of two standard deviations is believed.
    assert scores == [
        pytest.approx((-1.0, -math.log(100.0))),
        pytest.approx((0.0, -math.log(100.0))),
    ]
