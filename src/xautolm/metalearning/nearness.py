"""Whether a store knows anything near the task at hand, judged by how far apart its own data sets are.

The distance of the warm start cannot say that: it is normalised over the tasks at hand, however alike they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm.metafeatures import FEATURES, Part
from xautolm.metalearning.similarity import OWN, Near, logarithms_of
from xautolm.records import Experience, Experiences, Features

FAR = 0.7
"""Mean difference of the logarithms of task features from which on no task counts as near, in whatever store: about a
factor of two each."""
SAMPLING = 0.1
"""The same up to which every task counts as near: twice the largest gap (0.047) between samples of 400 and 1,000 rows
of one data set, of three."""
USUAL = 0.95
"""Share of a store's data sets that are no farther from their nearest than what is usual there."""
FEWEST_DATA_SETS = 5
"""Data sets from which on a store tells what is usual; before that, `FAR` alone decides."""
MOST_DATA_SETS = 500
"""Data sets of a store that are compared with each other: the time grows with their square. Of more, those with the
largest fingerprints, which are a random part of them."""
AMOUNT = "samples"
"""The feature that says how much data there is. A sample of a task is as near to it as can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How far the nearest data set of a store is from the task at hand."""

    data: str
    """What the nearest is called; empty where none can be compared."""
    gap: float
    """How far it is, as `gap` says; infinite where none can be compared."""
    usual: float
    """The gap up to which a data set counts as near in this store."""
    data_sets: int
    """How many the store has."""

    @property
    def is_near(self) -> bool:
        """Return whether the store knows anything near."""
        return self.gap <= self.usual

    @property
    def in_words(self) -> str:
        """Return how far it is, and what is usual, in a few words."""
        if not self.data:
            return "none of its data sets can be compared"
        return (
            f"its nearest data set, {self.data}, is {self.gap:.2f} away, "
            f"and what is more than {self.usual:.2f} away is not near in this store"
        )


def nearness(experiences: Experiences, current: Features) -> Nearness:
    """Return how far the nearest data set of a store is from the task at hand, and what is usual in the store.

    Usual is what 95 % of its data sets are at most from their own nearest, each compared with all others; never less
    than samples of one data set differ by, nor more than a factor of two in each feature.

    Args:
        experiences: The store.
        current: Meta-features of the task at hand.
    """
    samples = _samples(experiences)
    nearest = ""
    smallest = np.inf
    for sample in samples:
        distance = gap(sample.features, current)
        if distance < smallest:
            smallest = distance
            nearest = sample.data.name
    usual = usual_gap([sample.features for sample in samples])
    return Nearness(data=nearest, gap=float(smallest), usual=usual, data_sets=len(samples))


def _samples(experiences: Experiences) -> list[Experience]:
    """Return an experience of each data set that describes it, in an order that is not that of the experiences.

    A search that reads a part of a large store, and advice that reads all of it, list the same data sets in different
    orders, and must come to the same end.
    """

    def completeness(experience: Experience) -> tuple[int, str, str]:
        # Earlier versions computed fewer groups. Of as many, the newest: dates of ISO 8601 sort as time does.
        return len(experience.features), experience.created, experience.id

    sample_of: dict[str, Experience] = {}
    for experience in experiences:
        sample = sample_of.get(experience.data_set)
        if sample is None or completeness(experience) > completeness(sample):
            sample_of[experience.data_set] = experience
    return [sample_of[data_set] for data_set in sorted(sample_of)]


def usual_gap(data_sets: Sequence[Features]) -> float:
    """Return the gap up to which a data set counts as near in a store.

    Args:
        data_sets: Meta-features of the store's data sets; of more than can be compared, the last count.
    """
    compared = data_sets[-MOST_DATA_SETS:]
    gaps = _gaps_between(compared)
    nearest = gaps.min(axis=1, initial=np.inf)
    # A data set that shares no group of features with another says nothing of what is usual.
    nearest = nearest[np.isfinite(nearest)]
    if len(nearest) < FEWEST_DATA_SETS:
        return FAR
    # Of fewer than 20 data sets, this is the largest.
    usual = float(np.quantile(nearest, USUAL, method="higher"))
    return float(np.clip(usual, SAMPLING, FAR))


def near_neighbors(comparable: Sequence[Near], current: Features) -> list[Near]:
    """Return the experiences of tasks that are near as such, however near the others of the store are."""
    gaps: dict[str, float] = {}
    neighbors = []
    for neighbor in comparable:
        experience = neighbor.experience
        # A store may have thousands of trials on one data set, whose features are compared once.
        # By the rows that were used: samples of one source are described each by itself.
        data_set = f"{experience.data.fingerprint} {experience.data.name}"
        if data_set not in gaps:
            gaps[data_set] = gap(experience.features, current)
        if gaps[data_set] <= FAR:
            neighbors.append(neighbor)
    return neighbors


def gap(features: Features, current: Features) -> float:
    """Return how far two tasks are apart as such: the mean difference of the logarithms of their features.

    Of several groups that both have, the largest counts; how many samples there are counts in none. Infinite where the
    two share no group.
    """
    gaps = _gaps_between([features, current])
    return float(gaps[0, 1])


def _gaps_between(data_sets: Sequence[Features]) -> np.ndarray:
    """Return the gap between each two data sets, shape (data sets, data sets); infinite on the diagonal."""
    count = len(data_sets)
    largest = np.full((count, count), -np.inf)
    for (name, length), members in _sharing(data_sets).items():
        compared = _compared_positions(name, length)
        # A group that one of them has alone compares nothing; nor does one that only counts the samples.
        if len(members) == 1 or not compared:
            continue
        numbers = [data_sets[member][name] for member in members]
        # Shape (members, compared).
        rows = np.asarray(numbers)[:, compared]
        logarithms = logarithms_of(rows)
        # Shape (members, members, compared).
        differences = np.abs(logarithms[:, None] - logarithms[None])
        gaps = differences.mean(axis=2)
        places = np.ix_(members, members)
        largest[places] = np.maximum(largest[places], gaps)
    # No group in common, a number that is not finite, and a data set and itself: none of these is near.
    is_itself = np.eye(count, dtype=bool)
    is_gap = np.isfinite(largest) & ~is_itself
    return np.where(is_gap, largest, np.inf)


def _sharing(data_sets: Sequence[Features]) -> dict[tuple[str, int], list[int]]:
    """Return the positions of the data sets that have each group of task features, by its name and length.

    By length, too, for groups of different lengths cannot be compared number by number.
    """
    members_of: dict[tuple[str, int], list[int]] = {}
    for position, features in enumerate(data_sets):
        for name, numbers in features.items():
            if not _is_of_task(name):
                continue
            group = (name, len(numbers))
            members = members_of.setdefault(group, [])
            members.append(position)
    return members_of


def _is_of_task(name: str) -> bool:
    """Return whether a group of meta-features is about the task rather than the machine."""
    group = FEATURES.things.get(name)
    if group is None:
        return name.startswith(OWN)
    return group.part == Part.TASK


def _compared_positions(name: str, length: int) -> list[int]:
    """Return the positions of a group's numbers that tell tasks apart: all but the amount of data."""
    group = FEATURES.things.get(name)
    if group is None:
        return list(range(length))
    positions = []
    for position in range(length):
        # A group of a plug-in may return more numbers than it names.
        is_named = position < len(group.features)
        if not is_named or group.features[position] != AMOUNT:
            positions.append(position)
    return positions
