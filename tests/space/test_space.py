from __future__ import annotations

import json

import numpy as np
import pytest

from xautolm.errors import SpaceError
from xautolm.space import Branch, Choice, Float, Int, Prior, Space, narrowed


@pytest.fixture
def space() -> Space:
    small = Space(
        "small",
        (Float(name="rate", low=1e-4, high=1e-2, default=1e-3, log=True), Int(name="layers", low=1, high=3, default=2)),
    )
    large = Space("large", (Float(name="rate", low=1e-5, high=1e-3, default=1e-4, log=True),))
    return Space(
        "toy.v1",
        (
            Branch(name="model", branches={"small": small, "large": large}, default="small"),
            Choice(name="weights", options=(False, True), default=False),
        ),
    )


def test_default_follows_the_default_branch(space: Space) -> None:
    assert space.default().values == {"model": "small", "rate": 1e-3, "layers": 2, "weights": False}


def test_names_with_different_ranges_get_keys_of_their_own(space: Space) -> None:
    assert set(space.sites()) == {"model", "rate[0.0001..0.01 log]", "rate[1e-05..0.001 log]", "layers", "weights"}
    values = space.site_values({"model": "large", "rate": 2e-5, "weights": True})
    assert values == {"model": "large", "rate[1e-05..0.001 log]": 2e-5, "weights": True}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rate": 1.0}, "rate=1.0 is not a number in 0.0001..0.01 log"),
        ({"layers": 2.5}, "layers=2.5 is not a whole number in 1..3"),
        ({"layers": True}, "layers=True is not a whole number"),
        ({"weights": 1}, "weights=1 is not one of False|True"),
        ({"model": "huge"}, "model='huge' is not one of small|large"),
        ({"extra": 1}, "extra is not a parameter here"),
    ],
)
def test_every_problem_of_a_configuration_is_named(space: Space, change: dict, problem: str) -> None:
    values = {**space.default().values, **change}
    assert any(problem in found for found in space.problems(values))
    assert space.problems(space.default().values) == []
    assert "layers is missing" in space.problems({"model": "small", "rate": 1e-3, "weights": False})


def test_survives_json(space: Space) -> None:
    assert Space.from_plain(json.loads(json.dumps(space.to_plain()))).sites().keys() == space.sites().keys()
    with pytest.raises(SpaceError):
        Space.from_plain({"name": "x", "parameters": [{"float": "a"}]})


def test_a_users_ranges_replace_those_of_the_space(space: Space) -> None:
    changed = narrowed(space, {"rate": {"low": "2e-4", "high": "4e-4"}, "small": {"layers": [1, 2]}, "weights": True})
    sites = changed.sites()
    assert sites["layers"].options == (1, 2)
    assert sites["weights"].options == (True,)
    assert (sites["rate"].low, sites["rate"].high) == (2e-4, 4e-4)
    assert changed.default().values["rate"] == 4e-4
    assert narrowed(space, {"model": "large"}).default().values["model"] == "large"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raet": 1}, "did you mean 'rate'"),
        ({"layers": {"low": 3, "high": 1}}, "3..1 is not a"),
        ({"layers": [1.5]}, "not a whole number"),
        ({"rate": []}, "list of values is empty"),
        ({"model": "huge"}, "none of"),
        ({"small": {"depth": 1}}, "small.depth is not in the space"),
        ({"weights": {"low": 0}}, "give a list of values"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(space: Space, changes: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message.replace(".", r"\.")):
        narrowed(space, changes)


def test_parameters_on_request_are_there_for_those_who_name_them() -> None:
    variant = Choice(name="variant", options=("a", "b"), default="a", on_request=True)
    rank = Int(name="rank", low=1, high=8, default=4)
    branches = {"lora.v1": Space("lora.v1", (variant, rank)), "full.v1": Space("full.v1", (rank,))}
    space = Space("toy.v1", (Branch(name="method", branches=branches, default="lora.v1"),))
    assert set(narrowed(space, {}).sites()) == set(narrowed(space, {"rank": 2}).sites()) == {"method", "rank"}
    assert narrowed(space, {"variant": "b"}).default().values == {"method": "lora.v1", "variant": "b", "rank": 4}
    assert narrowed(space, {"lora": {"variant": ["b"]}}).sites()["variant"].options == ("b",)
    with pytest.raises(SpaceError, match="did you mean 'variant'"):
        narrowed(space, {"varaint": "b"})
    with pytest.raises(SpaceError, match=r"full\.variant is not in the space"):
        narrowed(space, {"full": {"variant": "b"}})


def test_all_wrong_ranges_are_told_at_once(space: Space) -> None:
    with pytest.raises(SpaceError) as caught:
        narrowed(space, {"raet": 1, "layers": [1.5]})
    assert "raet" in str(caught.value) and "layers" in str(caught.value)


def test_a_prior_samples_inside_the_space_and_is_seeded(space: Space) -> None:
    prior = Prior.plain(space)
    samples = [prior.sample(np.random.default_rng(seed)) for seed in range(200)]
    assert all(space.problems(sample.values) == [] for sample in samples)
    assert samples[7] == prior.sample(np.random.default_rng(7))
    assert {sample.values["model"] for sample in samples} == {"small", "large"}


def test_moving_a_prior_by_hand(space: Space) -> None:
    prior = Prior.plain(space).toward([{"model": "small", "layers": 3}, {"model": "small", "layers": 1}], 0.05)
    # Weights: 0.95 * 0.5 + 0.05 * 1; layers: mean stays 2, deviation 0.95 * (3 - 1) + 0.05 * 1.
    assert prior.beliefs["model"].weights == pytest.approx((0.525, 0.475))
    assert (prior.beliefs["layers"].mean, prior.beliefs["layers"].deviation) == pytest.approx((2.0, 1.95))
    assert prior.beliefs["weights"] == Prior.plain(space).beliefs["weights"]


def test_no_option_is_ruled_out_for_ever(space: Space) -> None:
    prior = Prior.plain(space)
    for _ in range(2000):
        prior = prior.toward([{"model": "small"}], 0.05)
    assert prior.beliefs["model"].weights[1] == pytest.approx(0.001, rel=0.01)
