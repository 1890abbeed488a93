"""What every tracker is told of a trial: numbers that were measured, and words for how it ended."""

from __future__ import annotations

from dataclasses import replace

from xautolm.records import Failure, TrialOutcome
from xautolm.testing import success
from xautolm.trackers.base import results_of, status_of
from xautolm.vocabulary import FailureKind, TrialStatus


def test_a_trial_ends_with_the_numbers_that_were_measured() -> None:
    outcome = replace(success(3.0, f1_macro=0.8), wall_time=4.0, peak_memory=10**9)
    measured = {
        "f1_macro": 0.8,
        "evaluation_time": 3.0,
        "wall_time": 4.0,
        "peak_memory": 1e9,
    }
    assert results_of(outcome) == measured
    costs = replace(outcome, latency=0.01, model_size=90_000_000)
    assert results_of(costs) == {**measured, "latency": 0.01, "model_size": 9e7}


def test_a_failure_says_its_kind() -> None:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="no room", stderr_tail="a path")
    failed = TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=1.0)
    assert status_of(failed) == {
        "status": "failed",
        "failure": "out_of_memory",
        "failure_message": "no room",
    }
    assert status_of(success(f1_macro=0.5)) == {"status": "complete"}
