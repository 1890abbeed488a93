"""What a past failure says today: always, under limits and machines that are not clearly larger, or never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from xautolm.metalearning.utility import AMOUNTS, is_negative, still_tells, telling
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Gpu,
    Limits,
    SystemProfile,
    TrialOutcome,
)
from xautolm.testing import success
from xautolm.vocabulary import Evidence, FailureKind, TrialStatus

GIGABYTE = 10**9
Ended = Callable[..., Experience]


@pytest.fixture
def ended(profile: DataProfile, machine: SystemProfile) -> Ended:
    """Make a past trial by how it ended, its limits and its machine."""

    def make(
        kind: FailureKind | None, limits: Limits | None = None, system: SystemProfile = machine
    ) -> Experience:
        failure = None if kind is None else Failure(kind=kind, message="")
        failed = TrialOutcome(status=TrialStatus.FAILED, failure=failure)
        return Experience(
            id="0" * 24,
            created="2026-01-01T00:00:00+00:00",
            run="r",
            trial=0,
            task="text-classification",
            data=profile,
            system=system,
            configuration=Configuration(values={"model": "a", "method": "full.v1"}, space="toy.v1"),
            outcome=failed if failure else success(f1_macro=0.5),
            limits=limits or Limits(),
            objectives=("f1_macro",),
            seed=0,
            versions={},
        )

    return make


def gpu(gigabytes: int, machine: SystemProfile) -> SystemProfile:
    card = Gpu(name="card", memory=gigabytes * GIGABYTE, compute_capability=8.0)
    return replace(machine, device="cuda", gpus=(card,))


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_tells_what_its_evidence_says(
    kind: FailureKind, ended: Ended, machine: SystemProfile
) -> None:
    small = Limits(seconds=60.0, memory=GIGABYTE)
    large = Limits(seconds=600.0, memory=10 * GIGABYTE)
    failure = ended(kind, small)
    assert still_tells(failure, small, machine) is (kind.evidence is not Evidence.NOTHING)
    assert still_tells(failure, large, machine) is (kind.evidence is Evidence.CONFIGURATION)
    assert is_negative(failure) is (kind.evidence is not Evidence.NOTHING)


def test_every_kind_that_says_something_of_limits_knows_which() -> None:
    assert set(AMOUNTS) == {kind for kind in FailureKind if kind.evidence is Evidence.LIMITS}


@pytest.mark.parametrize(
    ("before", "today", "tells"),
    [
        (Limits(seconds=60.0), Limits(seconds=30.0), True),
        (Limits(seconds=60.0), Limits(seconds=70.0), True),
        (Limits(seconds=60.0), Limits(seconds=120.0), False),
        (Limits(seconds=60.0), Limits(), False),
        (Limits(), Limits(), True),
        (Limits(), Limits(seconds=60.0), True),
    ],
)
def test_lack_of_time_counts_unless_there_is_clearly_more(
    before: Limits, today: Limits, tells: bool, ended: Ended, machine: SystemProfile
) -> None:
    assert still_tells(ended(FailureKind.TIMEOUT, before), today, machine) is tells


@pytest.mark.parametrize(
    ("before", "today", "tells"),
    [
        (Limits(memory=4 * GIGABYTE), Limits(memory=2 * GIGABYTE), True),
        (Limits(memory=4 * GIGABYTE), Limits(memory=8 * GIGABYTE), False),
        # Without a limit, what the machine has: 16 GB.
        (Limits(memory=4 * GIGABYTE), Limits(), False),
        (Limits(memory=14 * GIGABYTE), Limits(), True),
        (Limits(), Limits(memory=14 * GIGABYTE), True),
    ],
)
def test_lack_of_memory_counts_unless_there_is_clearly_more(
    before: Limits, today: Limits, tells: bool, ended: Ended, machine: SystemProfile
) -> None:
    assert still_tells(ended(FailureKind.OUT_OF_MEMORY, before), today, machine) is tells


def test_the_memory_that_counts_is_that_of_the_device(ended: Ended, machine: SystemProfile) -> None:
    small, large = gpu(8, machine), gpu(80, machine)
    failure = ended(
        FailureKind.OUT_OF_MEMORY, Limits(memory=500 * GIGABYTE, gpu_memory=7 * GIGABYTE), small
    )
    assert still_tells(failure, Limits(memory=GIGABYTE), small), "8 GB are not clearly more than 7"
    assert not still_tells(failure, Limits(memory=GIGABYTE), large)
    assert still_tells(failure, Limits(gpu_memory=6 * GIGABYTE), large)


def test_a_processor_that_was_too_slow_says_nothing_of_a_gpu(
    ended: Ended, machine: SystemProfile
) -> None:
    limits = Limits(seconds=60.0)
    assert not still_tells(ended(FailureKind.TIMEOUT, limits), limits, gpu(80, machine))
    assert still_tells(ended(FailureKind.TIMEOUT, limits, gpu(80, machine)), limits, machine)


def test_what_tells_nothing_is_left_out_and_successes_stay(
    ended: Ended, machine: SystemProfile
) -> None:
    small, large = Limits(seconds=60.0), Limits(seconds=600.0)
    kinds = (
        None,
        FailureKind.TIMEOUT,
        FailureKind.CRASH,
        FailureKind.INFRASTRUCTURE,
        FailureKind.INTERRUPTED,
    )
    past = [ended(kind, small) for kind in kinds]
    assert telling(past, large, machine) == [past[0], past[2]]
    assert telling(past, small, machine) == past[:3]
