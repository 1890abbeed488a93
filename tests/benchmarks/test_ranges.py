"""What the count of configurations that learn nothing draws and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.random_configurations import random_configuration, value_at
from benchmarks.ranges import RangeTrial, table
from xautolm.space import Branch, Choice, Float, Int, Space

TRIAL = RangeTrial(
    ranges="before", number=0, data="cr", values={"method": "full.v1", "head_init": "probe"},
    score=0.8, probe=0.75, constant=0.4, validation_rows=400, seconds=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("score", "nothing", "behind"),
    [
        (0.40, True, True),
        (0.449, True, True),
        (0.46, False, True),
        (0.64, False, True),
        (0.66, False, False),
    ],
)
def test_nothing_is_the_noise_around_a_constant_answer(
    score: float, nothing: bool, behind: bool
) -> None:
    trial = replace(TRIAL, score=score)
    assert (trial.learned_nothing, trial.fell_behind) == (nothing, behind)


def test_the_table_counts_by_ranges_method_and_head() -> None:
    random = {"method": "lora.v1", "head_init": "random"}
    trials = [
        TRIAL,
        replace(TRIAL, score=0.3),
        replace(TRIAL, values=random),
        replace(TRIAL, ranges="after"),
    ]
    lines = table(trials).splitlines()
    assert "| before | full.v1 | probe | 2 | 1 (50%) | 1 (50%) | 1 (50%) | -0.200 |" in lines
    assert "| before | all | all | 3 | 1 (33%) | 1 (33%) | 1 (33%) | -0.117 |" in lines
    assert "| after | all | all | 1 | 0 (0%) | 0 (0%) | 0 (0%) | +0.050 |" in lines


def test_values_cover_their_ranges() -> None:
    whole = Int(name="epochs", low=1, high=3, default=2)
    assert [value_at(whole, share) for share in (0.0, 0.5, 0.999)] == [1, 2, 3]
    rate = Float(name="rate", low=1e-4, high=1e-2, default=1e-3, log=True)
    assert value_at(rate, 0.5) == pytest.approx(1e-3)
    assert [
        value_at(Choice(name="c", options=("a", "b"), default="a"), share) for share in (0.4, 0.6)
    ] == ["a", "b"]


def test_versions_with_other_ranges_get_the_same_draws() -> None:
    rate = Float(name="rate", low=1e-4, high=1e-2, default=1e-3, log=True)
    layers = Int(name="layers", low=1, high=8, default=2)
    before = Space(
        "before", (Branch(name="head", branches={"x": Space("x", ())}, default="x"), rate, layers)
    )
    after = Space("after", (layers, replace(rate, high=1.0)))
    for number in range(5):
        first, second = (random_configuration(space, 0, number).values for space in (before, after))
        assert first["layers"] == second["layers"]
        # The same share of a range that has twice the orders of magnitude.
        assert second["rate"] == pytest.approx(1e-4 * (float(first["rate"]) / 1e-4) ** 2)
    assert random_configuration(before, 0, 0) != random_configuration(before, 1, 0)
