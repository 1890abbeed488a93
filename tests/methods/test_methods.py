"""One suite for every fine-tuning method: what it trains, what it claims, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer

from xautolm.errors import SpaceError
from xautolm.methods import METHODS, Method
from xautolm.methods.full import Full
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Parameter, Space, narrowed
from xautolm.space.presets import Bounds
from xautolm.tasks.forms import FORMS
from xautolm.testing import check_method
from xautolm.testing.methods import (
    CLASSIFIER_BOUNDS as BOUNDS,
)
from xautolm.testing.methods import TINY_FAMILIES, tiny_classifier, trained_names
from xautolm.vocabulary import Export, Preset
from xautolm.zoo import ZOO

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CLASSIFY = FORMS.get("classify")


@pytest.fixture(params=list(METHODS.things.values()), ids=lambda method: method.name)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture(params=TINY_FAMILIES)
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    return tiny_classifier(request.param)


def test_a_method_keeps_its_contract(method: Method) -> None:
    check_method(method)
    assert METHODS.get(method.name.rpartition(".v")[0]) is method


class Boastful(Full):
    """Breaks one promise of methods."""

    def __init__(self, **changes: object) -> None:
        self.__dict__.update(changes)


def refused(card: ModelCard, form: Form) -> str:
    raise KeyError(card.family)


def frozen(model: torch.nn.Module, card: ModelCard, values: Values) -> torch.nn.Module:
    return model.requires_grad_(False)


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"name": "full"}, "does not end in a version"),
        ({"trained_share": lambda card, values: 0.2}, "claims to train 0.200"),
        ({"backward_share": lambda card, values: 1.5}, "backward pass"),
        ({"most_training_rows": 0}, "looks at no training row"),
        ({"presets": ()}, "is in no preset"),
        ({"presets": ("default", "fast")}, "presets that are not there: .'fast'"),
        (
            {"problem": refused},
            r"problem\(\) raises KeyError.'bert'. for a bert that does classify",
        ),
        ({"problem": lambda card, form: None}, "returns no text: None"),
        ({"problem": lambda card, form: "too small"}, "refuses every tiny model: bert: too small"),
        ({"stored_share": lambda card, values: 1.5}, "takes 1.5 of its memory"),
        ({"backward_share": lambda card, values: 0.0}, "without a backward pass"),
        ({"trains_body": False}, "trains_body = True"),
        ({"freezes_body": True}, "says that it stays frozen"),
        ({"trains_by_gradient": False}, "takes no gradient step, and trains"),
        ({"wrap": frozen, "trained_share": lambda card, values: 0.0}, "trains nothing of a bert"),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(changes: dict[str, Any], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_method(Boastful(**changes))


class OnlyInPaper(Full):
    """Knows its own preset, and no other."""

    presets = (Preset.PAPER,)

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        return {Preset.PAPER: ()}[Preset(preset)]


class OnlyWords(Full):
    """Refuses all that says no words."""

    def problem(self, card: ModelCard, form: Form) -> str:
        return "" if form.says_words else "there are no words"


class OnlyDistilBert(Full):
    """Knows the insides of one family."""

    def problem(self, card: ModelCard, form: Form) -> str:
        return "" if card.family == "distilbert" else f"its layers are not known: {card.family}"

    def wrap(self, model: Any, card: ModelCard, values: Values) -> Any:
        model.distilbert.transformer.layer.requires_grad_(True)
        return super().wrap(model, card, values)


@pytest.mark.parametrize("method", [OnlyInPaper(), OnlyWords(), OnlyDistilBert()])
def test_a_method_of_few_presets_or_models_keeps_its_contract(method: Method) -> None:
    check_method(method)


def test_what_each_trains(model: torch.nn.Module, card: ModelCard) -> None:
    partial = METHODS.get("partial").wrap(model, card, {"trainable_layers": 1})
    layers = {name for name in trained_names(partial) if "layer." in name}
    assert layers and all(".3." in name for name in layers)
    assert not any("embeddings" in name for name in trained_names(partial))
    head = METHODS.get("head").wrap(model, card, {})
    assert all("classifier" in name or "pooler" in name for name in trained_names(head))


def test_frozen_embeddings_get_no_gradient(model: torch.nn.Module, card: ModelCard) -> None:
    full = METHODS.get("full")
    body = sum(parameter.numel() for parameter in model.base_model.parameters())
    words = model.get_input_embeddings().weight
    card = replace(card, parameters=body)
    share = full.trained_share(card, {"freeze_embeddings": True})
    assert share == pytest.approx(1 - words.numel() / body, abs=0.01)
    assert (
        full.trained_share(card, {"freeze_embeddings": False})
        == full.trained_share(card, {})
        == 1.0
    )
    wrapped = full.wrap(model, card, {"freeze_embeddings": True})
    wrapped(
        input_ids=torch.arange(5, 21).reshape(2, 8), labels=torch.tensor([0, 2])
    ).loss.backward()
    untrained = [name for name, parameter in wrapped.named_parameters() if parameter.grad is None]
    assert untrained == [
        name for name, parameter in wrapped.named_parameters() if parameter is words
    ]


def test_embeddings_that_are_narrower_than_the_body_are_no_more_than_its_layers_leave(
    card: ModelCard,
) -> None:
    # ALBERT: 30,000 words of 128 numbers in a body of width 768 with one layer's weights.
    albert = replace(
        card,
        parameters=11_683_584,
        hidden_size=768,
        layers=12,
        vocabulary=30_000,
        shared_layers=True,
    )
    share = METHODS.get("full").trained_share(albert, {"freeze_embeddings": True})
    assert 0.5 < share < 1 - 30_000 * 128 / 11_683_584 + 0.01


@pytest.mark.parametrize(
    ("form", "has_choice"),
    [("classify", True), ("regress", True), ("extract", True), ("generate", False)],
)
def test_embeddings_may_be_frozen_where_nothing_else_says_words(
    form: str, has_choice: bool, card: ModelCard
) -> None:
    bounds = replace(BOUNDS, form=FORMS.get(form))
    for method, expected in (("full", has_choice), ("partial", False), ("lora", False)):
        names = Space("s", METHODS.get(method).parameters("default", card, bounds)).sites()
        assert ("freeze_embeddings" in names) == expected, method


@pytest.mark.parametrize("method", ["full", "partial", "lora"])
def test_a_random_head_gets_higher_rates_and_more_epochs_than_one_from_a_probe(
    method: str, card: ModelCard
) -> None:
    space = Space("s", METHODS.get(method).parameters("default", card, BOUNDS))
    branch = next(parameter for parameter in space.parameters if parameter.name == "head_init")
    probe, random = (
        {p.name: p for p in branch.branches[start].parameters} for start in ("probe", "random")
    )
    assert random["learning_rate"].low > probe["learning_rate"].low
    assert random["learning_rate"].default > probe["learning_rate"].default
    assert random["epochs"].low > probe["epochs"].low


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        ("llama-3.2-1b", 4.9e-4),
        ("llama-3.2-3b", 3.6e-4),
        ("llama-3.1-8b-instruct", 2.9e-4),
        ("qwen2.5-0.5b", 5.3e-4),
        ("qwen3-8b-chat", 4.7e-4),
    ],
)
def test_rates_of_llama_and_qwen_fall_with_the_width_as_fitted(model: str, rate: float) -> None:
    card, bounds = ZOO.get(model), replace(BOUNDS, form=FORMS.get("generate"))
    for method, factor in (("lora", 1.0), ("full", 0.1)):
        space = Space("s", METHODS.get(method).parameters("default", card, bounds))
        learning_rate = space.sites()["learning_rate"]
        assert learning_rate.default == pytest.approx(factor * rate, rel=0.02)
        assert learning_rate.low < learning_rate.default / 4
        assert learning_rate.high > 2 * learning_rate.default


def test_rates_that_nobody_fitted_fall_with_the_number_of_weights() -> None:
    bounds = replace(BOUNDS, form=FORMS.get("generate"))
    for model, rate in (("smollm2-135m", 4.2e-4), ("smollm2-1.7b", 2.52e-4), ("phi-2", 2.52e-4)):
        space = Space("s", METHODS.get("lora").parameters("default", ZOO.get(model), bounds))
        assert space.sites()["learning_rate"].default == pytest.approx(rate)
    # A head on top of the model starts from a probe or at random, which the fit says nothing of.
    llama = Space("s", METHODS.get("lora").parameters("default", ZOO.get("llama-3.2-1b"), BOUNDS))
    assert llama.default().values["learning_rate"] == pytest.approx(2.52e-4)


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        ({"lora_r": 2}, 2.0),
        ({"lora_r": 32}, 2.0),
        ({"lora_r": 64}, 2.0 * (32 / 64) ** 0.5),  # rsLoRA's, without a step at 32
        ({"lora_r": 64, "lora_variant": "lora"}, 2.0),
        ({"lora_r": 8, "lora_variant": "dora"}, 2.0),
        ({"lora_r": 8, "lora_alpha": 32}, 4.0),  # as stored before alpha followed the rank
        ({"lora_r": 64, "lora_alpha": 32}, 0.5),
        ({"lora_r": 16, "lora_alpha": 32, "lora_variant": "rslora"}, 8.0),
    ],
)
def test_adapters_are_scaled_by_their_rank(
    model: torch.nn.Module, card: ModelCard, values: dict, factor: float
) -> None:
    others = {"lora_dropout": 0.0, "lora_bias": "none", "lora_targets": "all-linear"}
    wrapped = METHODS.get("lora").wrap(model, card, others | values)
    adapted = [module for module in wrapped.modules() if isinstance(module, LoraLayer)]
    assert adapted
    for module in adapted:
        assert module.scaling == {"default": pytest.approx(factor)}


@pytest.mark.parametrize("bias", ["none", "all", "lora_only"])
@pytest.mark.parametrize("rank", [2, 7])
def test_miss_trains_half_of_what_lora_does_and_merges(
    model: torch.nn.Module, card: ModelCard, rank: int, bias: str
) -> None:
    values = {
        "lora_r": rank,
        "lora_dropout": 0.0,
        "lora_bias": bias,
        "lora_targets": "all-linear",
        "lora_variant": "miss",
    }
    lora = METHODS.get("lora")
    share = lora.trained_share(card, values)
    assert share == lora.trained_share(card, values | {"lora_variant": "lora"}) / 2
    wrapped = lora.wrap(model, card, values)
    blocks = [weight for name, weight in wrapped.named_parameters() if "miss_block" in name]
    # Of every adapted layer one thin matrix, of the rank by its outputs.
    assert blocks and all(weight.shape[0] == rank for weight in blocks)
    biases = [name for name in trained_names(wrapped) if "layer." in name and "bias" in name]
    assert bool(biases) == (bias != "none")
    ids = torch.arange(5, 21).reshape(2, 8)
    before = wrapped.eval()(input_ids=ids).logits
    with torch.no_grad():
        for weight in blocks:
            weight.normal_(0, 0.02)
        adapted = wrapped(input_ids=ids).logits
        merged = wrapped.merge_and_unload()(input_ids=ids).logits
    assert not torch.allclose(adapted, before, atol=1e-3)
    assert torch.allclose(merged, adapted, atol=1e-4)


def test_transposed_matrices_have_no_miss() -> None:
    bounds = replace(BOUNDS, form=FORMS.get("generate"))
    for model, has_miss in (("gpt2", False), ("smollm2-135m", True)):
        space = Space("s", METHODS.get("lora").parameters("default", ZOO.get(model), bounds))
        assert ("miss" in space.sites()["lora_variant"].options) == has_miss


@pytest.mark.parametrize("named", [["lora_alpha"], ["lora_init"], ["lora_alpha", "lora_init"]])
def test_alpha_and_start_are_refused_beside_miss(card: ModelCard, named: list[str]) -> None:
    space = Space("s", METHODS.get("lora").parameters("default", card, BOUNDS))
    domains = {"lora_alpha": [16, 32], "lora_init": ["gaussian", "pissa"]}
    asked = {name: domains[name] for name in named}
    with pytest.raises(SpaceError) as refused:
        narrowed(space, {**asked, "lora_variant": ["lora", "miss"]})
    message = str(refused.value)
    assert f"lora_variant: {' and '.join(named)} means nothing to 'miss'" in message
    assert set(named) <= set(narrowed(space, {**asked, "lora_variant": ["lora", "dora"]}).sites())
    assert "lora_variant" in narrowed(space, {"lora_variant": ["lora", "miss"]}).sites()


def test_a_variant_that_nobody_knows_is_refused(card: ModelCard) -> None:
    space = Space("s", METHODS.get("lora").parameters("default", card, BOUNDS))
    with pytest.raises(SpaceError, match="lora_variant: 'vera' is not one of"):
        narrowed(space, {"lora_variant": ["lora", "vera"]})


def test_what_gains_nothing_is_searched_on_request_only(card: ModelCard) -> None:
    space = Space("s", METHODS.get("lora").parameters("default", card, BOUNDS))
    on_request = {"lora_alpha", "lora_variant", "lora_init"}
    assert not on_request & set(narrowed(space, {}).sites())
    changed = narrowed(space, {"lora_alpha": [4, 8], "lora_variant": "dora"}).sites()
    assert changed["lora_alpha"].options == (4, 8) and changed["lora_variant"].options == ("dora",)
    assert "lora_init" not in changed
    paper = Space("s", METHODS.get("lora").parameters("paper", card, BOUNDS))
    assert {"lora_alpha", "lora_init"} <= set(narrowed(paper, {}).sites())


def test_a_body_without_its_last_layers_starts_from_the_mean_of_its_tokens(card: ModelCard) -> None:
    cut = replace(card, is_cut=True)
    full = METHODS.get("full")
    whole_starts, starts = (
        Space("s", full.parameters("default", body, BOUNDS)) for body in (card, cut)
    )
    assert whole_starts.sites()["pooling"].options == ("own", "mean")
    assert starts.sites()["pooling"].options == ("mean",)
    assert whole_starts.sites()["head_init"].options == ("probe", "random")
    assert starts.sites()["head_init"].options == ("probe",)
    # A folder that a plain pipeline loads pools the first token, which a probe of such a body cannot begin with.
    plain = Space("s", full.parameters("default", cut, replace(BOUNDS, export=Export.PIPELINE)))
    assert plain.default().values["head_init"] == "random" and plain.sites()[
        "head_init"
    ].options == ("random",)


def test_refusals(card: ModelCard) -> None:
    scratch, albert = replace(card, origin="scratch"), replace(card, shared_layers=True)
    assert [name for name in METHODS.names() if METHODS.get(name).problem(scratch, CLASSIFY)] == [
        "head",
        "lora",
        "partial",
        "probe",
        "zero_shot",
    ]
    assert [name for name in METHODS.names() if METHODS.get(name).problem(albert, CLASSIFY)] == [
        "partial",
        "zero_shot",
    ]
