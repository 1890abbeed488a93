from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xautolm.errors import SpaceError
from xautolm.records import Configuration
from xautolm.space import Branch, Choice, Float, Int, Prior, Space, narrowed

RECORDED = Path(__file__).with_name("recorded_0_1_0.json")
"""A space, a prior and a draw from it as version 0.1.0 wrote them."""


@pytest.fixture
def space() -> Space:
    small = Space(
        "small",
        (
            Float(name="rate", low=1e-4, high=1e-2, default=1e-3, log=True),
            Int(name="layers", low=1, high=3, default=2),
        ),
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
    assert set(space.sites()) == {
        "model",
        "rate[0.0001..0.01 log]",
        "rate[1e-05..0.001 log]",
        "layers",
        "weights",
    }
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
def test_every_problem_of_a_configuration_is_named(
    space: Space, change: dict, problem: str
) -> None:
    values = {**space.default().values, **change}
    assert any(problem in found for found in space.problems(values))
    assert space.problems(space.default().values) == []
    assert "layers is missing" in space.problems({"model": "small", "rate": 1e-3, "weights": False})


def test_survives_json(space: Space) -> None:
    rank = Int(name="rank", low=1, high=64, default=8, log=True)
    share = Float(name="share", low=0.0, high=1.0, default=0.5)
    whole = Space(space.name, (*space.parameters, rank, share))
    assert Space.from_plain(json.loads(json.dumps(whole.to_plain()))) == whole


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"float": "a"}, "KeyError: 'low'"),
        ({"float": "a", "low": "one", "high": 2, "default": 1}, "low is 'one', no number"),
        ({"int": "a", "low": 3, "high": 2, "default": 1}, "3..2 is not a range"),
        (
            {"float": "a", "low": 0.0, "high": 2.0, "default": 1.0, "log": True},
            "0.0..2.0 is not a logarithmic range",
        ),
        ({"choice": "a", "options": "b", "default": "b"}, "a list of options"),
        (
            {"branch": "a", "branches": {"b": [{"ordinal": "c"}]}, "default": "b"},
            "one with ordinal",
        ),
        ({"ordinal": "a", "levels": 3}, "one with ordinal, levels"),
    ],
)
def test_json_that_is_no_space_is_refused_with_the_reason(parameter: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(message)):
        Space.from_plain({"name": "x", "parameters": [parameter]})
    with pytest.raises(SpaceError, match="a list of parameters"):
        Space.from_plain({"name": "x", "parameters": "y"})


def test_files_of_0_1_0_are_read_as_before() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    space = Space.from_plain(recorded["space"])
    assert json.loads(json.dumps(space.to_plain())) == recorded["space"]
    prior = Prior.from_plain(space, recorded["prior"])
    assert json.loads(json.dumps(prior.to_plain())) == recorded["prior"]
    kinds = {type(belief).__name__ for belief in prior.beliefs.values()}
    assert kinds == {"Alternatives", "Categorical", "Normal"}
    assert prior.sample(np.random.default_rng(7)).values == pytest.approx(recorded["sample"])


@pytest.mark.parametrize(
    ("belief", "message"),
    [
        ({"concentration": [1.0]}, "concentration"),
        ({"weights": "a"}, "weights"),
        ({"mean": 1.0}, "deviation"),
        ([0.5, 0.5], "0.5, 0.5"),
    ],
)
def test_beliefs_that_are_not_known_here_are_refused_by_name(
    space: Space, belief: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Prior.from_plain(space, {"weights": belief})


RATE = Float(name="rate", low=1e-4, high=1e-2, default=1e-3, log=True)
RANK = Int(name="rank", low=1, high=64, default=8, log=True)
SHARE = Float(name="share", low=-1.0, high=3.0, default=0.0)
LAYERS = Int(name="layers", low=2, high=4, default=3)
FIXED = Int(name="fixed", low=3, high=3, default=3)


@pytest.mark.parametrize(
    ("parameter", "value", "unit"),
    [
        (RATE, 1e-4, 0.0),
        (RATE, 1e-3, 0.5),
        (RATE, 1e-2, 1.0),
        (RANK, 8, 0.5),
        (SHARE, 0.0, 0.25),
        (LAYERS, 3, 0.5),
        (FIXED, 3, 0.5),
    ],
)
def test_the_unit_and_the_way_back(parameter: Float | Int, value: float, unit: float) -> None:
    assert parameter.to_unit(value) == pytest.approx(unit)
    back = parameter.from_unit(unit)
    assert back == pytest.approx(value) and isinstance(back, type(value))


def test_values_outside_the_range_lie_outside_the_unit_and_come_back_clipped() -> None:
    assert RATE.to_unit(1e-5) == pytest.approx(-0.5) and RATE.to_unit(0.1) == pytest.approx(1.5)
    assert RATE.from_unit(-0.5) == 1e-4 and RATE.from_unit(1.5) == 1e-2
    assert RATE.from_scale(1e6) == 1e-2, "the exponential of that is no double"
    assert LAYERS.clip(2.6) == 3 and LAYERS.clip(9.9) == 4 and LAYERS.clip(-1) == 2
    assert SHARE.clip(5) == 3.0


@pytest.fixture
def models() -> Space:
    inner = (
        Float(name="rate", low=0.1, high=1.0, default=0.5),
        Choice(name="size", options=(8, 16), default=8),
    )
    wide = (Float(name="rate", low=0.1, high=9.0, default=0.5),)
    branches = {"a": Space("a", inner), "b": Space("b", wide)}
    return Space("s", (Branch(name="model", branches=branches, default="a"),))


def test_a_foreign_configuration_is_completed_with_defaults(models: Space) -> None:
    adoption = models.adopt({"model": "a", "rate": 0.2, "size": 64, "other": 1})
    assert adoption.by_site == {"model": "a", "rate[0.1..1]": 0.2}
    assert adoption.unplaced == ("size", "other")
    assert adoption.completed() == Configuration(
        values={"model": "a", "rate": 0.2, "size": 8}, space="s"
    )


def test_what_is_out_of_range_takes_its_default(models: Space) -> None:
    completed = models.adopt({"model": "a", "rate": 7.0, "size": 16}).completed()
    assert completed is not None and completed.values == {"model": "a", "rate": 0.5, "size": 16}


def test_an_option_that_is_not_here_leaves_what_is_known_below_it_and_no_configuration(
    models: Space,
) -> None:
    adoption = models.adopt({"model": "c", "rate": 0.2, "size": 16})
    assert adoption.by_site == {"rate[0.1..1]": 0.2, "rate[0.1..9]": 0.2, "size": 16}
    assert adoption.unplaced == ("model",)
    assert adoption.completed() is None


def test_without_an_option_the_default_one_is_taken(models: Space) -> None:
    adoption = models.adopt({"rate": 7.0})
    assert adoption.by_site == {"rate[0.1..9]": 7.0}, "only the other option has that rate"
    completed = adoption.completed()
    assert completed is not None and completed.values == {"model": "a", "rate": 0.5, "size": 8}


def test_a_configuration_of_the_space_itself_stays_as_it_is(space: Space) -> None:
    for seed in range(20):
        configuration = Prior.plain(space).sample(np.random.default_rng(seed))
        adoption = space.adopt(configuration.values)
        assert adoption.completed() == configuration and adoption.unplaced == ()
        assert adoption.by_site == space.site_values(configuration.values)


def test_a_users_ranges_replace_those_of_the_space(space: Space) -> None:
    changed = narrowed(
        space,
        {"rate": {"low": "2e-4", "high": "4e-4"}, "small": {"layers": [1, 2]}, "weights": True},
    )
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
        ({"model": "large", "layers": 1}, "'layers' counts only with model: small, which"),
        ({"model": "large", "small": {"layers": 1}}, "'small' counts only with model: small"),
        ({"large": {"layers": 1}}, "large.layers is not in the space"),
        ({"small": 3}, "small: give a mapping"),
        ({"weights": {"low": 0}}, "give a list of values"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(space: Space, changes: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message.replace(".", r"\.")):
        narrowed(space, changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "probe", "rank": 2}, "'rank' counts only with method: full.v1, which"),
        ({"start": "random", "rank": 2}, "'rank' counts only with start: probe, which"),
        (
            {"full": {"start": "random", "rank": 2}},
            "full.rank counts only with start: probe, which",
        ),
        ({"full": {1: 2}}, "full.1 is not in the space"),
        ({"full": {"rnak": 2}}, "full.rnak is not in the space; did you mean 'rank'?"),
    ],
)
def test_a_range_without_effect_names_the_option_that_is_left_out(
    changes: dict, message: str
) -> None:
    rank = Int(name="rank", low=1, high=8, default=4)
    starts = {"probe": Space("probe", (rank,)), "random": Space("random", ())}
    start = Branch(name="start", branches=starts, default="probe")
    methods = {"full.v1": Space("full.v1", (start,)), "probe.v1": Space("probe.v1", ())}
    space = Space("toy.v1", (Branch(name="method", branches=methods, default="full.v1"),))
    with pytest.raises(SpaceError, match=re.escape(message)):
        narrowed(space, changes)
    assert narrowed(space, {"full": {"rank": 2}}).default().values["rank"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": ["full", "prob"]}, "method: 'prob' is not among full.v1|probe.v1; did you"),
        (
            {"method": "prob"},
            "none of ['prob'] is among full.v1|probe.v1; did you mean 'probe.v1'?",
        ),
        ({"full": {"start": ["probe", "rand"]}}, "start: 'rand' is not among probe|random; did"),
    ],
)
def test_a_name_in_a_list_that_no_branch_has_is_refused(changes: dict, message: str) -> None:
    starts = {"probe": Space("probe", ()), "random": Space("random", ())}
    start = Branch(name="start", branches=starts, default="probe")
    methods = {"full.v1": Space("full.v1", (start,)), "probe.v1": Space("probe.v1", ())}
    method = Branch(name="method", branches=methods, default="full.v1")
    space = Space("toy.v1", (method,))
    with pytest.raises(SpaceError, match=re.escape(message)):
        narrowed(space, changes)


def test_a_name_in_a_list_counts_where_a_branch_has_it() -> None:
    full = Space("full.v1", ())
    lora = Space("lora.v1", ())
    both = Branch(name="method", branches={"full.v1": full, "lora.v1": lora}, default="full.v1")
    one = Branch(name="method", branches={"full.v1": full}, default="full.v1")
    models = {"pretrained": Space("pretrained", (both,)), "scratch": Space("scratch", (one,))}
    space = Space("toy.v1", (Branch(name="model", branches=models, default="scratch"),))
    assert narrowed(space, {"method": ["full", "lora"]}) == space


def test_parameters_on_request_are_there_for_those_who_name_them() -> None:
    variant = Choice(name="variant", options=("a", "b"), default="a", on_request=True)
    rank = Int(name="rank", low=1, high=8, default=4)
    branches = {"lora.v1": Space("lora.v1", (variant, rank)), "full.v1": Space("full.v1", (rank,))}
    space = Space("toy.v1", (Branch(name="method", branches=branches, default="lora.v1"),))
    assert (
        set(narrowed(space, {}).sites())
        == set(narrowed(space, {"rank": 2}).sites())
        == {"method", "rank"}
    )
    assert narrowed(space, {"variant": "b"}).default().values == {
        "method": "lora.v1",
        "variant": "b",
        "rank": 4,
    }
    assert narrowed(space, {"lora": {"variant": ["b"]}}).sites()["variant"].options == ("b",)
    with pytest.raises(SpaceError, match="did you mean 'variant'"):
        narrowed(space, {"varaint": "b"})
    with pytest.raises(SpaceError, match=r"full\.variant is not in the space"):
        narrowed(space, {"full": {"variant": "b"}})


def test_all_wrong_ranges_are_told_at_once(space: Space) -> None:
    with pytest.raises(SpaceError) as caught:
        narrowed(space, {"raet": 1, "layers": [1.5]})
    assert "raet" in str(caught.value) and "layers" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": {"low": 0.5}}, "layers: 0.5 is not a whole number"),
        ({"layers": {"low": 0}}, "layers: 0 is too small"),
        ({"layers": True}, "layers: True is not a number"),
        ({"rate": [True]}, "rate: True is not a number"),
        ({"layers": {"high": math.inf}}, "layers: inf is not a finite number"),
        ({"layers": ["many"]}, "layers: 'many' is not a number"),
        ({"layers": [-4]}, "layers: -4 is too small"),
        ({"rate": math.nan}, "rate: nan is not a finite number"),
        ({"rate": {"high": math.inf}}, "rate: inf is not a finite number"),
        ({"rate": {"log": "false"}}, "rate: log is true or false, not 'false'"),
        ({"model": {"small": {}}}, "model: give a list of names"),
        ({"model": [["small"]]}, "model: give a list of names"),
    ],
)
def test_ranges_that_are_none_are_told_by_their_name(
    space: Space, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpaceError) as caught:
        narrowed(space, changes)
    assert said in str(caught.value)


def test_zero_switches_a_rate_off() -> None:
    decay = Float(name="weight_decay", low=1e-4, high=0.1, default=0.01, log=True)
    space = Space("toy", (decay,))
    assert narrowed(space, {"weight_decay": [0, 0.01]}).parameters[0].options == (0.0, 0.01)
    assert narrowed(space, {"weight_decay": {"low": 0, "log": False}}).parameters[0].low == 0
    with pytest.raises(SpaceError, match=r"weight_decay: -1\.0 is too small"):
        narrowed(space, {"weight_decay": -1})


def test_a_name_that_is_known_elsewhere_is_no_mistake_in_a_list() -> None:
    methods = Branch(
        name="method",
        branches={"full.v1": Space("full.v1", ()), "lora.v1": Space("lora.v1", ())},
        default="full.v1",
    )
    space = Space("toy", (methods,))
    (kept,) = narrowed(space, {"method": ["full", "probe"]}, known={"probe"}).parameters
    assert isinstance(kept, Branch) and kept.options == ("full.v1",)
    with pytest.raises(SpaceError, match="'prob' is not among"):
        narrowed(space, {"method": ["full", "prob"]}, known={"probe"})


def test_switches_are_named_as_yaml_reads_them() -> None:
    switch = Branch(
        name="stopping",
        branches={"on": Space("on", ()), "off": Space("off", ())},
        default="on",
    )
    for off in ("off", False, [False]):
        (kept,) = narrowed(Space("switched", (switch,)), {"stopping": off}).parameters
        assert isinstance(kept, Branch) and kept.options == ("off",)


def test_counts_among_options_stay_counts() -> None:
    sizes = Space("toy", (Choice(name="batch_size", options=(8, 16), default=8),))
    assert narrowed(sizes, {"batch_size": "32"}).parameters[0].options == (32,)
    for value in ("abc", None, 8.5, -4, 0):
        with pytest.raises(SpaceError, match="batch_size: "):
            narrowed(sizes, {"batch_size": [value]})


def test_a_prior_samples_inside_the_space_and_is_seeded(space: Space) -> None:
    prior = Prior.plain(space)
    samples = [prior.sample(np.random.default_rng(seed)) for seed in range(200)]
    assert all(space.problems(sample.values) == [] for sample in samples)
    assert samples[7] == prior.sample(np.random.default_rng(7))
    assert {sample.values["model"] for sample in samples} == {"small", "large"}


def test_moving_a_prior_by_hand(space: Space) -> None:
    prior = Prior.plain(space).toward(
        [{"model": "small", "layers": 3}, {"model": "small", "layers": 1}], 0.05
    )
    # Weights: 0.95 * 0.5 + 0.05 * 1; layers: mean stays 2, deviation 0.95 * (3 - 1) + 0.05 * 1.
    assert prior.beliefs["model"].weights == pytest.approx((0.525, 0.475))
    assert (prior.beliefs["layers"].mean, prior.beliefs["layers"].deviation) == pytest.approx(
        (2.0, 1.95)
    )
    assert prior.beliefs["weights"] == Prior.plain(space).beliefs["weights"]


def test_no_option_is_ruled_out_for_ever(space: Space) -> None:
    prior = Prior.plain(space)
    for _ in range(2000):
        prior = prior.toward([{"model": "small"}], 0.05)
    assert prior.beliefs["model"].weights[1] == pytest.approx(0.001, rel=0.01)
