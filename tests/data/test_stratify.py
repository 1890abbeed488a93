from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from xautolm.data.stratify import hold_out, iterative_stratification, sample

Units = Sequence[tuple[str, ...]]


def labels_a_unit(units: Units) -> float:
    return sum(map(len, units)) / len(units)


def sides(
    units: Units, held_out: np.ndarray
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    train = [unit for unit, is_out in zip(units, held_out, strict=True) if not is_out]
    validation = [unit for unit, is_out in zip(units, held_out, strict=True) if is_out]
    return train, validation


def tagged(rows: int, tags: int, counts: Sequence[int], skew: float, seed: int) -> Units:
    """Return units of `counts` tags each; with a skew, the first tags are the commonest."""
    rng = random.Random(seed)
    names = [f"tag{number}" for number in range(tags)]
    weights = [1 / (number + 1) ** skew for number in range(tags)]
    units = []
    for _ in range(rows):
        drawn = rng.choices(names, weights, k=rng.choice(counts))
        units.append(tuple(dict.fromkeys(drawn)))
    return units


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "shape",
    [
        (1000, 40, (1, 2, 3, 4), 0.0),
        (1000, 40, (3, 4, 5), 0.0),
        (800, 200, (0, 1, 1, 2, 3, 8), 1.0),
        (300, 6, (1, 6), 1),
        (1000, 5000, (1, 2, 3, 4, 5), 0.8),
    ],
    ids=[
        "1-4 of 40",
        "3-5 of 40",
        "long tail",
        "one or nearly all",
        "two thirds of the rows with a label of their own",
    ],
)
def test_units_of_many_labels_are_held_out_in_proportion(shape: tuple, seed: int) -> None:
    rows, tags, counts, skew = shape
    units = tagged(rows, tags, counts, skew, seed)
    train, validation = sides(units, hold_out(units, round(0.2 * rows), seed))
    assert labels_a_unit(validation) == pytest.approx(labels_a_unit(train), rel=0.05)
    assert 0.1 * rows < len(validation) < 0.3 * rows
    on_sides = [Counter(name for unit in side for name in unit) for side in (train, validation)]
    for name, count in Counter(name for unit in units for name in unit).items():
        assert count < 8 or (on_sides[0][name] and on_sides[1][name]), name
        assert on_sides[0][name], f"{name} is in validation only"


@pytest.mark.parametrize(
    "sizes",
    [
        [4] * 500,
        [3] * 20,
        [2] * 10,
        [995, 5],
        [5000, 3],
        [2, 2],
        [1, 9, 2],
        [7] * 3 + [2] * 30,
        [1, 1],
    ],
)
def test_every_stratum_of_two_units_is_on_both_sides_and_none_gives_its_last_unit(
    sizes: list[int],
) -> None:
    units = [(f"class{number}",) for number, size in enumerate(sizes) for _ in range(size)]
    train, validation = sides(units, hold_out(units, max(1, round(0.2 * len(units))), seed=0))
    expected = {(f"class{number}",) for number, size in enumerate(sizes) if size > 1}
    assert set(validation) == expected
    assert set(train) == set(units)
    least = sum(size > 1 for size in sizes)
    assert len(validation) <= max(least, round(0.2 * len(units)))


def test_a_unit_of_two_classes_counts_for_both() -> None:
    # A text that stands twice with contradicting labels; class c is in it and in one other text.
    units = [("a",)] * 20 + [("b",)] * 20 + [("a", "c"), ("c",)]
    train, validation = sides(units, hold_out(units, 8, seed=1))
    for side in (train, validation):
        assert {name for unit in side for name in unit} == {"a", "b", "c"}
    assert 6 <= len(validation) <= 10


@pytest.mark.parametrize("size", [2, 7, 30, 100, 299, 300, 400])
def test_samples_have_at_most_the_size_and_every_stratum_that_fits(size: int) -> None:
    for units in (
        tagged(300, 25, (0, 1, 2, 3), 1.0, 0),
        [(f"class{number % 7}",) for number in range(300)],
    ):
        chosen = sample(units, size, seed=3)
        assert len(chosen) == min(size, 300) and list(chosen) == sorted(set(chosen.tolist()))
        names = {name for unit in units for name in unit}
        if size >= len(names):
            assert {name for position in chosen for name in units[position]} == names


def test_the_seed_decides() -> None:
    units = tagged(200, 9, (1, 2), 0.0, 0)
    for choose in (hold_out, sample, iterative_stratification):
        assert np.array_equal(choose(units, 40, 1), choose(units, 40, 1))
        assert not np.array_equal(choose(units, 40, 1), choose(units, 40, 2))


def test_iterative_stratification_deals_out_the_rarest_label_first_and_fills_with_units_of_none() -> (
    None
):
    # Three rows of the rare label and a half to choose: by label 1.5, so one or two; of the common one 6 of 12.
    units: Units = [("rare", "common")] * 3 + [("common",)] * 9 + [()] * 8
    chosen = [units[position] for position in iterative_stratification(units, 10, seed=0)]
    counts = Counter(name for unit in chosen for name in unit)
    assert len(chosen) == 10 and counts["rare"] in {1, 2} and counts["common"] == 6
