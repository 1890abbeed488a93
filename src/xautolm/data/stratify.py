"""Choosing some of many units so that every stratum is in proportion, and none left out where that is possible.

A unit is a row, or the rows that share a text. It lies in any number of strata: in its class, or in each of its labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import chain

import numpy as np
import pandas as pd

Strata = tuple[Hashable, ...]
"""The strata that one unit lies in."""

LENGTH_TOLERANCE = 0.02
"""How far the number of strata a unit may differ between the sides, as a share; no unit is moved for less."""

SURELY_COVERED = 8
"""Units from which on a stratum is on both sides whatever is moved to even them out."""
SEVERAL_STRATA = 1.5
"""Strata a unit from which on units lie in several; with fewer, most lie in one, and few in two, as a text with two
classes does."""
SMALLEST_GAIN = 0.25
"""Strata by which a unit must differ from the mean to be moved: with less, too many units are moved for too little."""


def hold_out(units: Sequence[Strata], size: int, seed: int) -> np.ndarray:
    """Return which units are held out, as booleans of shape (units,).

    Every stratum of two units or more stands on both sides as far as the units allow, so more than `size` units are
    held out where there are many strata. A stratum never gives its last unit away.

    Args:
        units: The strata of each unit.
        size: How many units are wanted.
        seed: Same seed, same units.
    """
    held_out = np.zeros(len(units), dtype=bool)
    totals = _counts(units)
    # The only unit of a stratum stays in training: what was never learned cannot be validated.
    splittable = []
    for position, strata in enumerate(units):
        has_company = all(totals[stratum] > 1 for stratum in strata)
        if has_company:
            splittable.append(position)
    if not splittable:
        return held_out
    # At least one unit is held out, and never more than half.
    half = max(1, len(splittable) // 2)
    size = min(size, half)
    splittable_units = [units[position] for position in splittable]
    proposal = _proportional(splittable_units, size, seed)
    proposed_positions = np.asarray(splittable)[proposal]
    held_out[proposed_positions] = True

    # Each side in turn is given the strata that it lacks.
    members = _shuffled_members(units, seed)
    _cover(units, held_out, members)
    rest = ~held_out
    _cover(units, rest, members)
    held_out = ~rest
    _even_out(units, held_out)
    return held_out


def sample(units: Sequence[Strata], size: int, seed: int) -> np.ndarray:
    """Return sorted positions of at most `size` units, in proportion; no stratum is left out if `size` allows it.

    Args:
        units: The strata of each unit.
        size: How many units to take; all if there are not more.
        seed: Same seed, same units.
    """
    if size >= len(units):
        return np.arange(len(units))

    in_sample = np.zeros(len(units), dtype=bool)
    proposal = _proportional(units, size, seed)
    in_sample[proposal] = True
    # To cover every stratum may take more units than `size`; what is too much is dropped afterwards.
    members = _shuffled_members(units, seed)
    _cover(units, in_sample, members, keep_last=False)
    _trim(units, in_sample, size)
    return np.flatnonzero(in_sample)


def _proportional(units: Sequence[Strata], size: int, seed: int) -> np.ndarray:
    """Return positions of about `size` units; of units in one stratum each exactly so many."""
    most_strata = max(map(len, units))
    if most_strata > 1:
        return iterative_stratification(units, size, seed)
    # Units in no stratum form one of their own.
    single: list[Hashable] = []
    for strata in units:
        stratum = strata[0] if strata else None
        single.append(stratum)
    return stratified_sample(single, size, seed)


def stratified_sample(strata: Sequence[Hashable], size: int, seed: int) -> np.ndarray:
    """Return positions of `size` units, each stratum in proportion and none left out where that is possible.

    Args:
        strata: The one stratum of every unit.
        size: How many units to take; all if there are not more.
        seed: Same seed, same units.

    Returns:
        Sorted positions, shape (min(size, units),).
    """
    if size >= len(strata):
        return np.arange(len(strata))

    rng = np.random.default_rng(seed)
    # Not even None is left out: units in no stratum form one of their own.
    strata_of_units = pd.Series(list(strata), dtype=object)
    codes, _ = pd.factorize(strata_of_units, use_na_sentinel=False)
    order = rng.permutation(len(codes))
    shuffled = codes[order]
    # A unit's rank within its stratum over the stratum's size: the smallest of these form a proportional sample.
    # Rank 0 counts as 0 whatever the size, so that every stratum gives one before any gives two.
    groups = pd.Series(shuffled).groupby(shuffled)
    ranks = groups.cumcount().to_numpy()
    sizes = np.bincount(codes)
    stratum_sizes = sizes[shuffled]
    priority = (ranks + 0.5) / stratum_sizes
    priority[ranks == 0] = 0.0
    # `lexsort` sorts by its last key first: by priority, and where that is equal by the unit's position.
    first_to_last = np.lexsort((order, priority))
    by_priority = order[first_to_last]
    return np.sort(by_priority[:size])


def iterative_stratification(units: Sequence[Strata], size: int, seed: int) -> np.ndarray:
    """Return sorted positions of `size` units, each stratum in proportion though units lie in several.

    The rarest stratum is dealt out first, each of its units to the side that still wants most of it (Sechidis,
    Tsoumakas and Vlahavas, 2011, On the Stratification of Multi-Label Data, algorithm 1, for two sides).

    Args:
        units: The strata of each unit.
        size: How many units to take.
        seed: Same seed, same units.
    """
    share = size / len(units)
    members = _shuffled_members(units, seed)
    unassigned: dict[Hashable, int] = {}
    # What the sample still wants of each stratum, in units; the other side wants the rest.
    demand: dict[Hashable, float] = {}
    for stratum, positions in members.items():
        unassigned[stratum] = len(positions)
        demand[stratum] = share * len(positions)
    in_sample = np.zeros(len(units), dtype=bool)
    is_assigned = np.zeros(len(units), dtype=bool)
    room = size
    room_elsewhere = len(units) - size
    while unassigned:
        rarest = min(unassigned, key=unassigned.__getitem__)
        for position in members[rarest]:
            if is_assigned[position]:
                continue
            demand_elsewhere = unassigned[rarest] - demand[rarest]
            takes = demand[rarest] > demand_elsewhere
            if demand[rarest] == demand_elsewhere:
                # A tie goes to the side that wants most units at all.
                takes = room > room_elsewhere
            # A side that is full takes none, so that the sizes come out exactly.
            takes = (takes and room > 0) or room_elsewhere == 0
            is_assigned[position] = True
            in_sample[position] = takes
            if takes:
                room -= 1
            else:
                room_elsewhere -= 1
            for stratum in units[position]:
                unassigned[stratum] -= 1
                demand[stratum] -= takes
        del unassigned[rarest]

    # Units in no stratum fill what room is left.
    without_stratum = np.flatnonzero(~is_assigned)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(without_stratum)
    in_sample[shuffled[:room]] = True
    return np.flatnonzero(in_sample)


def _cover(
    units: Sequence[Strata],
    side: np.ndarray,
    members: dict[Hashable, list[int]],
    *,
    keep_last: bool = True,
) -> None:
    """Move a unit onto the side for each stratum that has none there, the rarest stratum first.

    Args:
        units: The strata of each unit.
        side: Which units are on the side; changed in place.
        members: The units of each stratum.
        keep_last: Leave a unit where it is if a stratum has no further unit there.
    """
    inside = _counts_on(side, units)
    outside = _counts_on(~side, units)
    # Common strata may be covered by the units that were moved for rare ones.
    rarest_first = sorted(members, key=lambda stratum: len(members[stratum]))
    for stratum in rarest_first:
        if inside[stratum]:
            continue
        for position in members[stratum]:
            is_spare = all(outside[shared] > 1 for shared in units[position])
            if keep_last and not is_spare:
                continue
            side[position] = True
            inside.update(units[position])
            outside.subtract(units[position])
            break


def _even_out(units: Sequence[Strata], held_out: np.ndarray) -> None:
    """Move units until both sides have about as many strata a unit; changes `held_out` in place.

    Rare strata often lie in units of many strata, so a side that was made to cover them has more strata a unit.
    """
    lengths = np.asarray([len(strata) for strata in units])
    mean_length = lengths.mean()
    deviations = lengths - mean_length
    # Strata that the held-out side has beyond its share; negative if it has too few.
    surplus = float(deviations[held_out].sum())
    tolerance = LENGTH_TOLERANCE * float(lengths[held_out].sum())
    totals = _counts(units)
    # Units that deviate as the held-out side does leave it; where too few can be spared, their opposites join; and
    # where that is not enough, units leave that cover a rare stratum.
    rounds = [(True, 1), (False, 1)]
    if mean_length >= SEVERAL_STRATA:
        rounds.append((True, SURELY_COVERED))
    for leaves, least_total in rounds:
        side = held_out if leaves else ~held_out
        counts = _counts_on(side, units)
        # By how much the surplus shrinks with each unit that changes sides.
        direction = np.sign(surplus) if leaves else -np.sign(surplus)
        gains = direction * deviations
        movable = np.flatnonzero(side & (gains >= SMALLEST_GAIN))
        largest_first = movable[np.argsort(-gains[movable], kind="stable")]
        for position in largest_first.tolist():
            if abs(surplus) <= tolerance:
                return
            # A larger gain than the surplus would only turn its sign.
            if gains[position] > abs(surplus):
                continue
            strata = units[position]
            last_on_side = [stratum for stratum in strata if counts[stratum] == 1]
            if any(totals[stratum] >= least_total for stratum in last_on_side):
                continue
            held_out[position] = not leaves
            counts.subtract(strata)
            surplus -= np.sign(surplus) * gains[position]


def _trim(units: Sequence[Strata], in_sample: np.ndarray, size: int) -> None:
    """Drop units of a sample down to `size`, first those whose strata have most others; changes it in place."""
    counts = _counts_on(in_sample, units)
    excess = int(in_sample.sum()) - size
    # To cover the strata may have taken no unit beyond the size.
    if excess <= 0:
        return

    def units_of_rarest_stratum(position: int) -> int:
        sizes = [counts[stratum] for stratum in units[position]]
        # A unit in no stratum is missed by none.
        return min(sizes, default=size)

    candidates = np.flatnonzero(in_sample).tolist()
    candidates.sort(key=units_of_rarest_stratum, reverse=True)
    for position in candidates:
        is_spare = all(counts[stratum] > 1 for stratum in units[position])
        if excess > 0 and is_spare:
            in_sample[position] = False
            counts.subtract(units[position])
            excess -= 1
    # There are more strata than room: some are lost, which the caller has to look at.
    for position in candidates:
        if excess > 0 and in_sample[position]:
            in_sample[position] = False
            excess -= 1


def _counts(units: Sequence[Strata]) -> Counter[Hashable]:
    return Counter(chain.from_iterable(units))


def _counts_on(side: np.ndarray, units: Sequence[Strata]) -> Counter[Hashable]:
    """Return how many units of each stratum are on a side."""
    positions = np.flatnonzero(side).tolist()
    units_on_side = [units[position] for position in positions]
    return _counts(units_on_side)


def _shuffled_members(units: Sequence[Strata], seed: int) -> dict[Hashable, list[int]]:
    """Return the positions of the units of each stratum, in an order that the seed decides."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(units)).tolist()
    members: dict[Hashable, list[int]] = {}
    for position in order:
        for stratum in units[position]:
            positions = members.setdefault(stratum, [])
            positions.append(position)
    return members
