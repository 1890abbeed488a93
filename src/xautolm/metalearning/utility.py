"""How good a past success was among those of its own search (XAutoLM, arXiv 2508.00924, warm start step 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from xautolm.objectives import fronts, oriented_value, recorded_objectives
from xautolm.records import Experience, Experiences, Limits, SystemProfile
from xautolm.resources import memory_within
from xautolm.space.shares import TRAIN_SHARE, rung_share, without_rung
from xautolm.vocabulary import TABLE, DeviceKind, Evidence, FailureKind, TrialStatus

CLEARLY_LARGER = 1.25
"""From this factor on, a limit is clearly larger than another. Two runs of one trial differ by about a tenth in time
and memory, and the free memory of one machine by as much from day to day."""

ACCELERATION = 10.0
"""How many times the work of a processor a GPU does at least in the same time."""

Points = np.ndarray
"""Oriented objectives, shape (experiences, objectives)."""
Utility = Callable[[Points], np.ndarray]
"""Returns utilities in [0, 1], shape (experiences,)."""
Amount = Callable[[Limits, SystemProfile], float]
"""Returns how much of something a trial has under its limits on a machine."""


def utilities(experiences: Experiences, kind: str) -> dict[str, float]:
    """Return the utility of every positive experience by its id, computed within its own run."""
    utility = UTILITIES[kind]
    # By run, because a success is compared with those of its own search (paper).
    runs: dict[str, list[Experience]] = {}
    for experience in experiences:
        if is_positive(experience):
            members = runs.setdefault(experience.run, [])
            members.append(experience)
    utility_by_id: dict[str, float] = {}
    for members in runs.values():
        points: list[list[float]] = []
        for member in members:
            points.append(oriented_values(member))
        # Shape (members, objectives).
        values = np.asarray(points)
        utilities_of_run = utility(values).tolist()
        for member, utility_of_member in zip(members, utilities_of_run, strict=True):
            utility_by_id[member.id] = utility_of_member
    return utility_by_id


def is_positive(experience: Experience) -> bool:
    """Return whether every objective has a finite value, of a trial that left a model."""
    return experience.outcome.succeeded and is_scored(experience)


def is_scored(experience: Experience) -> bool:
    """Return whether every objective has a finite value, of a model or of a trial that was stopped."""
    if experience.outcome.failed:
        return False
    values = oriented_values(experience)
    return all(math.isfinite(value) for value in values)


def is_negative(experience: Experience) -> bool:
    """Return whether it failed in a way that says something about its configuration."""
    outcome = experience.outcome
    # What was interrupted, or failed for trouble of the machine, says nothing.
    return outcome.failed and outcome.is_evidence


def as_of_all_rows(experience: Experience) -> Experience:
    """Return a trial of a search with rungs as what it says of its configuration on all training rows.

    On a part of them that is what a training which was stopped says: its quality is a lower bound, and the time is that
    of all rows. No rung is left in the configuration, for the prior and the models must not learn where to begin.
    """
    # In a table of somebody's own, a parameter of that name is theirs, and means what they mean by it.
    is_of_our_search = experience.task != TABLE
    has_rung = TRAIN_SHARE in experience.configuration.values
    if not (is_of_our_search and has_rung):
        return experience
    share = rung_share(experience.configuration.values)
    values = without_rung(experience.configuration)
    configuration = replace(experience.configuration, values=values)
    outcome = experience.outcome
    is_of_part = share < 1 and not outcome.failed
    if is_of_part and outcome.whole_time is not None:
        # The time of a training grows with its rows.
        time_of_all_rows = outcome.whole_time / share
        outcome = replace(outcome, planned_time=time_of_all_rows)
        if outcome.succeeded:
            outcome = replace(outcome, status=TrialStatus.TRUNCATED)
    return replace(experience, configuration=configuration, outcome=outcome)


def telling(experiences: Experiences, limits: Limits, system: SystemProfile) -> list[Experience]:
    """Return the experiences that say something of configurations under these limits on this machine.

    Args:
        experiences: Past trials.
        limits: Of the trials to come.
        system: The machine that they will run on.
    """
    heeded: list[Experience] = []
    for experience in experiences:
        if still_tells(experience, limits, system):
            heeded.append(experience)
    return heeded


def still_tells(experience: Experience, limits: Limits, system: SystemProfile) -> bool:
    """Return whether the end of a past trial says something under these limits on this machine.

    A failure for lack of memory or time does, unless there is clearly more of that now; what the user, the machine or
    the network did never does.
    """
    failure = experience.outcome.failure
    if failure is None:
        return True
    evidence = failure.kind.evidence
    if evidence is not Evidence.LIMITS:
        return evidence is Evidence.CONFIGURATION
    amount = AMOUNTS[failure.kind]
    before = amount(experience.limits, experience.system)
    today = amount(limits, system)
    # Without a limit there was as much as there can be.
    if math.isinf(before):
        return True
    return today <= CLEARLY_LARGER * before


def seconds_within(limits: Limits, system: SystemProfile) -> float:
    """Return the seconds that a trial may take, as those of a processor; infinite without a limit."""
    if limits.seconds is None:
        return math.inf
    if system.device == DeviceKind.CPU:
        return limits.seconds
    return ACCELERATION * limits.seconds


def oriented_values(experience: Experience) -> list[float]:
    """Return the objectives of an experience with larger as better; not finite where there is no value."""
    values: list[float] = []
    for objective in recorded_objectives(experience):
        value = oriented_value(experience.outcome, objective)
        values.append(value)
    return values


def weighted_sum(values: Points) -> np.ndarray:
    """Return the mean of the min-max normalised objectives; a constant objective counts as fully met."""
    # Both of shape (objectives,).
    low = values.min(axis=0)
    width = np.ptp(values, axis=0)
    # Shape (experiences, objectives): 0 for the worst of the run, 1 for the best.
    scaled = np.ones_like(values)
    above_low = values - low
    np.divide(above_low, width, out=scaled, where=width > 0)
    return np.asarray(scaled.mean(axis=1))


def linear_front(values: Points) -> np.ndarray:
    """Return (F - f) / F, where f counts the fronts from 0 and F is their number."""
    index, count = _front_indices(values)
    # How many fronts lie behind that of each success, its own included.
    behind = count - index
    return behind / count


def logarithmic_front(values: Points) -> np.ndarray:
    """Return ln(F - f + 1) / ln(F + 1), with f and F as of `linear_front`."""
    index, count = _front_indices(values)
    behind = count - index
    logarithms = np.log(behind + 1)
    # That of the best front, so that its utility is 1.
    largest = math.log(count + 1)
    return np.asarray(logarithms / largest)


def _front_indices(values: Points) -> tuple[np.ndarray, int]:
    """Return the front of each point, of which the best is 0, and the number of fronts."""
    layers = fronts(values)
    index = np.zeros(len(values))
    # Each layer has the positions of its points.
    for number, members in enumerate(layers):
        index[members] = number
    return index, len(layers)


AMOUNTS: Mapping[FailureKind, Amount] = {
    FailureKind.OUT_OF_MEMORY: memory_within,
    FailureKind.TIMEOUT: seconds_within,
}
"""What each kind of failure that says something of limits lacked: what there was, from limits and machine."""

UTILITIES: Mapping[str, Utility] = {
    "weighted_sum": weighted_sum,
    "linear_front": linear_front,
    "logarithmic_front": logarithmic_front,
}
