"""The contract of contestants, over every one that plays in this interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ftbench.peers.catalog import PEERS
from benchmarks.ftbench.peers.past import PORTFOLIO, nearest_first, neighbors_best, portfolio
from benchmarks.ftbench.peers.rgpe import Ensemble, process_of
from benchmarks.ftbench.peers.sites import all_sites, configuration_at, sites_of
from tests.benchmarks.peer_games import (
    FEATURES,
    PAST,
    SPACE,
    TRIALS,
    best_quality,
    game,
    outcome,
    past_task,
)
from xautolm.space import Branch, Choice, Space

WITH_A_PAST = [name for name in PEERS if name.startswith(("kNN", "portfolio", "meta", "rgpe"))]
# Fitting its models takes a second a trial.
SLOW = ["gp"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PEERS]
)
def test_every_proposal_is_a_configuration_and_seeds_repeat(name: str) -> None:
    asked = game(PEERS[name], PAST)
    assert len(asked) == TRIALS
    for values in asked:
        assert not SPACE.problems(values)
    assert game(PEERS[name], PAST) == asked


@pytest.mark.parametrize("name", [name for name in PEERS if name not in SLOW])
def test_another_seed_is_another_search(name: str) -> None:
    # A portfolio is the same for every seed; what comes after it is not.
    trials = PORTFOLIO + 2
    assert game(PEERS[name], seed=1, trials=trials) != game(PEERS[name], seed=2, trials=trials)


@pytest.mark.parametrize("name", [name for name in PEERS if name not in SLOW])
def test_a_search_without_a_past_plays_too(name: str) -> None:
    asked = game(PEERS[name])
    assert not any(SPACE.problems(values) for values in asked)
    uses_past = game(PEERS[name], PAST) != asked
    assert uses_past == (name in WITH_A_PAST)


# An ensemble of processes begins with what is quick and good, not with the best.
@pytest.mark.parametrize("name", [name for name in WITH_A_PAST if name != "rgpe"])
def test_a_past_that_helps_is_used_from_the_beginning(name: str) -> None:
    warm = game(PEERS[name], PAST, trials=3)
    cold = [game(PEERS["random"], seed=seed, trials=3) for seed in range(10)]
    mean_of_cold = sum(best_quality(asked) for asked in cold) / len(cold)
    assert best_quality(warm) > mean_of_cold
    assert not any(outcome(values, 1e-3).failed for values in warm)


def test_an_ensemble_follows_the_task_that_ranks_alike_and_leaves_out_its_opposite() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((30, 2))
    scores = np.sin(3 * rows[:, 0]) - rows[:, 1]
    alike, opposite = process_of(rows, scores), process_of(rows, -scores)
    ensemble = Ensemble(past=[alike, opposite])
    ensemble.learn(rows[:8], scores[:8], rng)
    weight_of_alike, weight_of_opposite, weight_of_target = ensemble.weights
    assert weight_of_opposite == 0 and weight_of_alike > weight_of_target
    mean, _ = ensemble.predict(rows[8:])
    assert np.corrcoef(mean, scores[8:])[0, 1] > 0.9


def test_failures_told_well_are_avoided() -> None:
    failures = {}
    for name in ("tpe", "tpe, failures told badly"):
        asked = [values for seed in range(2) for values in game(PEERS[name], seed=seed, trials=25)]
        failures[name] = sum(outcome(values, 1e-3).failed for values in asked)
    assert failures["tpe"] < failures["tpe, failures told badly"]


def test_the_nearest_task_is_the_one_of_like_size() -> None:
    far = past_task("far", 1e-1, rows=100_000.0)
    order = nearest_first([far, *PAST], FEATURES)
    assert [task.name for task in order] == ["near", "similar", "far"]
    first, *_ = neighbors_best(SPACE, [far, *PAST], FEATURES)
    near, _ = PAST
    assert first in [told.values for told in near.trials]


def test_a_portfolio_holds_no_configuration_twice_and_begins_with_the_best_for_all() -> None:
    chosen = portfolio(SPACE, PAST, count=8)
    assert len(chosen) == 8
    assert all(values not in chosen[:place] for place, values in enumerate(chosen))
    # Fast and good ones are both on the front.
    assert {values["model"] for values in chosen} >= {"small", "large"}
    assert not any(outcome(values, 1e-3).failed for values in chosen)


def test_sites_say_what_opens_them() -> None:
    openings = {site.key: site.openings for site in sites_of(SPACE)}
    both_models = frozenset({0, 1})
    assert openings["model"] == [{}]
    assert openings["depth"] == [{"model": frozenset({1})}]
    assert openings["rank"] == [{"model": both_models, "method[full|lora]": frozenset({1})}]


def test_a_branch_that_always_opens_the_same_opens_nothing() -> None:
    width = Choice(name="width", options=(1, 2), default=1)
    opened = Space("opened", (width,))
    branch = Branch(name="kind", branches={"first": opened, "second": opened}, default="first")
    _, site = sites_of(Space("toy.v2", (branch,)))
    assert site.openings == [{}]


def test_values_by_site_make_the_configuration_that_they_came_from() -> None:
    values = SPACE.default().values
    by_site = all_sites(SPACE, values)
    assert set(by_site) == set(SPACE.sites())
    assert configuration_at(SPACE, by_site).values == values


def test_true_and_1_are_two_options() -> None:
    (warmup,) = [site for site in sites_of(SPACE) if site.key == "warmup"]
    assert [warmup.position(option) for option in (None, True, 1)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no option"):
        warmup.position(False)
