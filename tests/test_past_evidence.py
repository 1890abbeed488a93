"""What past trials are worth as evidence: scores within a data set, weights by its distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from xautolm.metalearning import SETTINGS, WarmStart, Weights, distances_of
from xautolm.metrics import METRICS
from xautolm.objectives import TIME
from xautolm.past_evidence import evidence_of, standings_of, weighed
from xautolm.records import Experience
from xautolm.search.settings import SearchSettings
from xautolm.search.surrogates import heaviest
from xautolm.testing import success

GOALS = (METRICS.get("token_f1").objective, TIME)


@pytest.mark.parametrize("alias", [True, False])
def test_quality_is_judged_within_a_data_set_over_its_runs(
    answered: Callable[..., Experience], alias: bool
) -> None:
    squad = [
        answered(score, f"run {at}", alias=alias) for at, score in enumerate((0.857, 0.380, 0.175))
    ]
    drop = [
        answered(0.2, "run 9", "drop", alias=alias),
        answered(0.1, "run 10", "drop", alias=alias),
    ]
    standings = standings_of([*squad, *drop], GOALS)
    # SQuAD: mean .4707, deviation .2857. DROP: mean .15, deviation .05. The time is e seconds, minus its logarithm -1.
    expected = [(1.352, -1), (-0.317, -1), (-1.035, -1), (1.0, -1), (-1.0, -1)]
    for experience, scores in zip([*squad, *drop], expected, strict=True):
        assert standings[experience.id].scores == pytest.approx(scores, abs=2e-3)


def test_what_is_measured_differently_is_never_compared(
    answered: Callable[..., Experience],
) -> None:
    ours = [answered(0.9, "a"), answered(0.7, "b")]
    outcome = success(10.0, rouge=0.2)
    other = answered(0.2, "c", outcome=outcome, objectives=("rouge", "evaluation_time"))
    standings = standings_of([*ours, other], GOALS)
    assert standings[other.id].scores[0] == 0.0  # alone with its measure
    assert [standings[one.id].scores[0] for one in ours] == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize("setting", ["moderate-linear", "low-linear", "low-a-neg"])
def test_the_evidence_of_most_weight_is_the_same_without_the_rest(
    answered: Callable[..., Experience], setting: str
) -> None:
    name = "generation-sizes.v1"
    past = []
    for trial in range(60):
        # Five tasks, each farther than the one before; every fourth trial failed.
        task = trial % 5
        score = None if trial % 4 == 0 else 0.5 + 0.005 * trial
        features = {name: (float(2**task),) * 6}
        past.append(answered(score, f"run {trial}", f"data {task}", features=features))
    distances = distances_of(past, {name: (1.0,) * 6}, SETTINGS[setting])
    everything = weighed(distances, GOALS, SETTINGS[setting])
    for most in (0, 1, 7, 60):
        part = weighed(distances, GOALS, SETTINGS[setting], most=most)
        assert part == heaviest(everything, SearchSettings(largest_store=most))


def test_the_knobs_reach_the_evidence(answered: Callable[..., Experience]) -> None:
    sizes, system = "generation-sizes.v1", "system-paper.v1"
    now = {sizes: (5.0,) * 6, system: (1.0,)}
    here = answered(0.9, "here", features={sizes: (5.0,) * 6, system: (2.0,)})
    there = answered(0.5, "there", "drop", features={sizes: (9.0,) + (5.0,) * 5, system: (1.0,)})
    lost = answered(None, "lost", features=now)

    def weights(**knobs: Any) -> dict[str, float]:
        evidence = evidence_of(
            [here, there, lost], now, GOALS, replace(WarmStart(beta=1.0), **knobs)
        )
        return {
            one.source.partition(" trial")[0] + (" failed" if one.failed else ""): one.weight
            for one in evidence
        }

    # One feature of each part differs by its whole range: .4 for the task, .3 for the system.
    assert weights() == pytest.approx(
        {"squad": math.exp(-0.3), "drop": math.exp(-0.4), "squad failed": 1.0}
    )
    assert weights(beta=0.0) == {"squad": 1.0, "drop": 1.0, "squad failed": 1.0}
    only_system = Weights(task=0.0, semantic=0.0, system=1.0)
    assert weights(weights=only_system) == pytest.approx(
        {"squad": math.exp(-1), "drop": 1.0, "squad failed": 1.0}
    )
    # 2, 1, 1 and 1: their deviation is √3 / 4, so 2 and 1 are 4 / √3 apart.
    apart = weights(weights=only_system, scaler="standard")["squad"]
    assert apart == pytest.approx(math.exp(-4 / math.sqrt(3)))
    assert set(weights(negatives="none")) == {"squad", "drop"}
    assert set(weights(positives="none")) == {"squad failed"}
