"""What forecasts from a store are worth: each data set foretold from the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.search.toy import SPACE
from xautolm.forecaster import Forecaster
from xautolm.forecasts import Spread, check_left_out
from xautolm.past_evidence import title
from xautolm.past_forecasts import check_on_past
from xautolm.records import Configuration, Experience, Failure, TrialOutcome
from xautolm.resources import ResourceModel
from xautolm.search import Evidence
from xautolm.search.encoding import Encoder
from xautolm.search.surrogates import Surrogates
from xautolm.space import Prior
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

FAILED = TrialOutcome(
    status=TrialStatus.FAILED, failure=Failure(kind=FailureKind.DIVERGED, message="no")
)


@pytest.fixture
def forecaster(machine: object, profile: object) -> Forecaster:
    return Forecaster(ResourceModel({}, profile, machine, forms={}))  # type: ignore[arg-type]


def trials(fails: Callable[[Configuration, int], bool], data_sets: int = 4) -> list[Experience]:
    """Random configurations of the toy space, twenty on each data set."""
    rng = np.random.default_rng(0)
    prior = Prior.plain(SPACE)
    experiences = []
    for number in range(20 * data_sets):
        configuration = prior.sample(rng)
        which = number % data_sets
        outcome = FAILED if fails(configuration, which) else success(1.0, f1_macro=0.5)
        experience = made_up_experience(number, configuration, outcome)
        data = replace(experience.data, name=f"set {which}", source_fingerprint=f"{which:016x}")
        experiences.append(replace(experience, data=data))
    return experiences


def surrogates_of(past: list[Experience]) -> Surrogates:
    evidence = []
    for experience in past:
        scores = None if experience.outcome.failed else (0.0,)
        item = Evidence(
            values=experience.configuration.values, scores=scores, source=title(experience)
        )
        evidence.append(item)
    return Surrogates(Encoder.of_space(SPACE), 0, evidence)


def is_broken(configuration: Configuration) -> bool:
    """Return whether a configuration has the model of which a third of all are."""
    return configuration.values["model"] == "broken"


def test_failures_of_one_cause_everywhere_are_foretold(forecaster: Forecaster) -> None:
    past = trials(lambda configuration, _: is_broken(configuration))
    check = check_on_past(surrogates_of(past), forecaster, past)
    assert check.failure is not None and check.failure.trials == 80
    assert check.failure.auc is not None and check.failure.auc > 0.95
    assert check.failure.brier < 0.05 < check.failure.brier_of_share
    assert check.seconds is None and check.memory is None


def test_a_data_set_is_not_foretold_from_itself(forecaster: Forecaster) -> None:
    # On the second data set the cause is the other way round: what is learned elsewhere misleads.
    past = trials(lambda configuration, which: is_broken(configuration) == (which == 0), 2)
    check = check_on_past(surrogates_of(past), forecaster, past)
    assert check.failure is not None and check.failure.auc is not None
    assert check.failure.auc < 0.05 and check.failure.brier > 0.9


def test_without_a_second_data_set_or_failures_there_is_nothing_to_learn_from(
    forecaster: Forecaster,
) -> None:
    alone = trials(lambda configuration, _: is_broken(configuration), 1)
    assert check_on_past(surrogates_of(alone), forecaster, alone).is_empty
    fine = trials(lambda configuration, _: False)
    assert check_on_past(surrogates_of(fine), forecaster, fine).is_empty
    assert check_on_past(surrogates_of([]), forecaster, []).is_empty


def test_amounts_of_a_data_set_are_compared_with_those_of_the_others() -> None:
    default = Spread(low=0.5, middle=1.0, high=2.0)
    usual = [1.0 + 0.01 * number for number in range(20)]
    slow = [5.0, 6.0]
    check = check_left_out([[usual, slow]], default)
    assert check is not None and check.trials == 22
    # The default holds the usual ones, widened by the two slow ones; the slow ones lie outside of the usual.
    assert check.share_inside == pytest.approx(20 / 22)
    apart = check_left_out([[usual, usual], [slow, slow]], default)
    assert apart is not None and apart.share_inside > 0.85, "kinds are kept apart"
    assert check_left_out([[], []], default) is None
