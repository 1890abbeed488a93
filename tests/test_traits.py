"""Traits: what a model is and what a training needs, as numbers that mean the same for models of other names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Limits,
    ModelCard,
    Scalar,
    SystemProfile,
)
from xautolm.search import Evidence, Memory
from xautolm.search.candidates import Proposer
from xautolm.search.encoding import MISSING, Encoder
from xautolm.search_space import build_space, default_configurations
from xautolm.space import Branch, Float, Prior, Space
from xautolm.tasks import TASKS
from xautolm.traits import RANGES, Circumstances, TraitReader
from xautolm.vocabulary import Origin
from xautolm.zoo import ZOO

VALUES: Mapping[str, Scalar] = {
    "model": "minilm-l6",
    "method": "full.v1",
    "max_length": 64,
    "batch_size": 16,
    "epochs": 2,
}
NAMES = {trait.name for trait in RANGES}


@pytest.fixture
def here(profile: DataProfile, machine: SystemProfile) -> Circumstances:
    limits = Limits(seconds=60.0, memory=2 * 10**9)
    return Circumstances("text-classification", profile, machine, limits)


@pytest.fixture
def reader(here: Circumstances) -> TraitReader:
    return TraitReader({}, here)


def test_what_a_model_is(reader: TraitReader) -> None:
    traits = reader.of(VALUES)
    card = ZOO.get("minilm-l6")
    assert traits["parameters"] == card.parameters
    assert traits["layers"] == 6
    assert traits["is_pretrained"] == 1
    assert traits["is_decoder"] == traits["is_encoder_decoder"] == 0
    assert reader.of({**VALUES, "model": "scratch-decoder"})["is_decoder"] == 1
    assert reader.of({**VALUES, "model": "scratch-decoder"})["is_pretrained"] == 0
    assert reader.of({**VALUES, "model": "nobody/knows-it"}) == {}


def test_a_model_of_the_search_that_the_zoo_lacks(here: Circumstances, card: ModelCard) -> None:
    own = replace(card, name="./mine", origin=Origin.FOLDER)
    reader = TraitReader({"./mine": own}, here)
    assert reader.of({**VALUES, "model": "./mine"})["parameters"] == card.parameters


def test_what_a_training_needs(reader: TraitReader) -> None:
    traits = reader.of(VALUES)
    assert traits["batch_tokens"] == 16 * 64
    # 1,000 examples in batches of 16, the last one smaller, twice.
    assert traits["steps"] == 63 * 2
    assert traits["tokens_seen"] == 1000 * 30 * 2
    assert traits["trained_weights"] == ZOO.get("minilm-l6").parameters
    larger = reader.of({**VALUES, "batch_size": 64})
    assert larger["memory_of_limit"] > traits["memory_of_limit"]
    # With a per-device batch of one it needs as little.
    assert larger["least_memory_of_limit"] == traits["least_memory_of_limit"]
    longer = reader.of({**VALUES, "epochs": 8})
    assert longer["seconds_of_limit"] > 2 * traits["seconds_of_limit"]
    assert longer["first_result_of_limit"] == pytest.approx(traits["first_result_of_limit"])


def test_needs_are_shares_of_the_limits(here: Circumstances) -> None:
    narrow = TraitReader({}, replace(here, limits=Limits(seconds=30.0, memory=10**9))).of(VALUES)
    wide = TraitReader({}, here).of(VALUES)
    assert narrow["memory_of_limit"] == pytest.approx(2 * wide["memory_of_limit"])
    assert narrow["seconds_of_limit"] == pytest.approx(2 * wide["seconds_of_limit"])
    endless = TraitReader({}, replace(here, limits=Limits())).of(VALUES)
    assert "seconds_of_limit" not in endless
    # Without a limit a trial may use what the machine has.
    assert endless["memory_of_limit"] == pytest.approx(wide["memory_of_limit"] / 8)


def test_a_past_trial_is_described_where_it_ran(
    reader: TraitReader, experience: Experience
) -> None:
    configuration = Configuration(values=VALUES, space="default.v1")
    data = replace(experience.data, train_examples=50_000)
    past = replace(experience, configuration=configuration, data=data, limits=Limits(seconds=60.0))
    assert reader.of_experience(past)["tokens_seen"] == 50_000 * 30 * 2
    assert reader.of(VALUES)["tokens_seen"] == 1000 * 30 * 2


@pytest.mark.parametrize(
    "change",
    [{"max_length": "long"}, {"method": "gone.v1"}, {"data_downsize": "most"}, {"batch_size": 0}],
)
def test_what_cannot_be_predicted_is_left_out(
    reader: TraitReader, change: Mapping[str, Scalar]
) -> None:
    traits = reader.of({**VALUES, **change})
    assert traits["layers"] == 6
    assert "memory_of_limit" not in traits


def test_what_is_not_known_of_a_machine_or_of_data_costs_only_what_needs_it(
    here: Circumstances,
) -> None:
    """Imported trials have no speed of the processor and no longest text, those of a GPU maybe no limit of it."""
    whole = TraitReader({}, here).of(VALUES)
    slow = replace(here, system=replace(here.system, gflops=0.0))
    without_speed = TraitReader({}, slow).of(VALUES)
    assert set(whole) - set(without_speed) == {"seconds_of_limit", "first_result_of_limit"}
    assert without_speed["memory_of_limit"] == whole["memory_of_limit"]
    unread = replace(here, data=replace(here.data, tokens_max=0))
    of_imported = TraitReader({}, unread).of(VALUES)
    assert set(of_imported) == set(whole)
    # No text is longer than what is read of it.
    assert of_imported["batch_tokens"] == 16 * 64
    assert of_imported["memory_of_limit"] == pytest.approx(whole["memory_of_limit"])
    no_limit = replace(here, limits=Limits(seconds=60.0), system=replace(here.system, memory=0))
    without_limit = TraitReader({}, no_limit).of(VALUES)
    assert set(whole) - set(without_limit) == {"memory_of_limit", "least_memory_of_limit"}
    assert without_limit["seconds_of_limit"] == whole["seconds_of_limit"]


def test_a_model_is_known_by_its_name_in_other_libraries(reader: TraitReader) -> None:
    assert set(reader.of({**VALUES, "model": "bert_base_uncased"})) == NAMES


def test_every_default_of_every_model_has_every_trait(
    reader: TraitReader, here: Circumstances, profile: DataProfile, machine: SystemProfile
) -> None:
    task = TASKS.get("text-classification")
    space = build_space("default", task, list(ZOO.things.values()), (), profile, machine)
    configurations = default_configurations(space)
    assert {configuration.model for configuration in configurations} == set(ZOO.things)
    for configuration in configurations:
        traits = reader.of(configuration.values)
        assert set(traits) == NAMES, configuration.values
        assert all(math.isfinite(number) for number in traits.values())


SPACE = Space(
    "toy.v1",
    (
        Branch(
            name="model",
            branches={name: Space(name, ()) for name in ("small", "large", "huge", "tiny")},
            default="small",
        ),
        Float(name="rate", low=0.0, high=1.0, default=0.5),
    ),
)
SIZES = {"tiny": 1.0, "small": 2.0, "large": 30.0, "huge": 60.0}


class Sizes:
    """Tell the size of a model."""

    ranges = (Float(name="size", low=1.0, high=100.0, default=1.0, log=True),)

    def of(self, values: Mapping[str, Scalar]) -> Mapping[str, float]:
        return {"size": SIZES[str(values["model"])]}


def past_trials(*, have_sizes: bool) -> list[Evidence]:
    """Make up a past in which the large model failed and the small one did not; nothing is known of the others."""
    rng = np.random.default_rng(0)
    trials: list[Evidence] = []
    for number in range(60):
        model = "large" if number % 2 else "small"
        values = {"model": model, "rate": float(rng.random())}
        scores = None if model == "large" else (values["rate"],)
        traits = {"size": SIZES[model]} if have_sizes else {}
        trials.append(Evidence(values=values, scores=scores, data="past", traits=traits))
    return trials


@pytest.mark.parametrize("have_sizes", [True, False])
def test_failures_travel_by_size_to_models_that_no_trial_had(have_sizes: bool) -> None:
    traits = Sizes() if have_sizes else None
    evidence = past_trials(have_sizes=have_sizes)
    memory = Memory(prior=Prior.plain(SPACE), evidence=evidence, traits=traits)
    proposer = Proposer(SPACE, 0, memory)
    rows = proposer.encoder.rows([{"model": name, "rate": 0.5} for name in ("huge", "tiny")])
    huge, tiny = proposer.surrogates.failure((), rows, 1.0)
    if have_sizes:
        # Names, of which neither is known, still say what they said: half as much.
        assert huge > tiny + 0.15
    else:
        # Names alone say nothing of either.
        assert huge == tiny


def test_columns_of_traits_stand_behind_the_configuration() -> None:
    encoder = Encoder.of_space(SPACE, Sizes())
    plain = Encoder.of_space(SPACE)
    values = {"model": "small", "rate": 0.25}
    rows = encoder.rows([values])
    assert np.array_equal(encoder.without_traits(rows), plain.rows([values]))
    assert rows[0, -1] == pytest.approx(math.log(2) / math.log(100))
    past = encoder.rows_of_past(
        [
            Evidence(values=values, scores=None, traits={"size": 100.0}),
            Evidence(values=values, scores=None),
        ]
    )
    # A past trial has the traits of its own; one from before they were kept has none.
    assert past[:, -1].tolist() == [1.0, MISSING]
