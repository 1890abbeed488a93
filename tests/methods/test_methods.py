"""One suite for every fine-tuning method: what it trains, what it claims, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from xautolm.methods import METHODS, Method
from xautolm.methods.base import head_parameters
from xautolm.records import ModelCard
from xautolm.space import Space
from xautolm.space.presets import Bounds

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

BOUNDS = Bounds(
    positions=512, tokens_max=100, tokens_typical=30.0, train_examples=500, precisions=("fp32",), body_dropout=True
)
SHAPE = {"vocab_size": 1000, "num_labels": 3}
BERT = BertConfig(hidden_size=128, num_hidden_layers=4, num_attention_heads=2, intermediate_size=512, **SHAPE)
DISTILBERT = DistilBertConfig(dim=128, n_layers=4, n_heads=2, hidden_dim=512, **SHAPE)


@pytest.fixture(params=list(METHODS.things.values()), ids=lambda method: method.name)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture(params=["bert", "distilbert"])
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return (
        BertForSequenceClassification(BERT)
        if request.param == "bert"
        else DistilBertForSequenceClassification(DISTILBERT)
    )


def defaults(method: Method, card: ModelCard) -> dict:
    return dict(Space("s", method.parameters("default", card, BOUNDS)).default().values)


def trained(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_names_are_versioned(method: Method) -> None:
    assert method.name.rpartition(".v")[2].isdigit()
    assert METHODS.get(method.name.rpartition(".v")[0]) is method


def test_the_head_is_always_trained_and_gradients_flow(method: Method, model: torch.nn.Module, card: ModelCard) -> None:
    card = replace(card, lora_targets=("q_lin",) if model.config.model_type == "distilbert" else ("query",))
    wrapped = method.wrap(model, card, defaults(method, card) | {"lora_targets": "attention"})
    if not method.reads_training_split:
        assert trained(wrapped) == set()
        return
    loss = wrapped(input_ids=torch.arange(5, 21).reshape(2, 8), labels=torch.tensor([0, 2])).loss
    loss.backward()
    names = {name for name, parameter in wrapped.named_parameters() if parameter.grad is not None}
    assert names == trained(wrapped)
    assert any("classifier" in name for name in names)


def test_claims_about_shares_hold(method: Method, model: torch.nn.Module, card: ModelCard) -> None:
    values = defaults(method, card)
    body = sum(parameter.numel() for parameter in model.base_model.parameters())
    card = replace(card, parameters=body)
    claimed = method.trained_share(card, values)
    wrapped = method.wrap(model, card, values)
    head = {id(parameter) for parameter in head_parameters(model)}
    really = sum(p.numel() for p in wrapped.parameters() if p.requires_grad and id(p) not in head) / body
    assert 0 <= method.backward_share(card, values) <= 1
    assert really <= claimed * 1.25 + 0.01 and claimed <= really * 2 + 0.03


def test_what_each_trains(model: torch.nn.Module, card: ModelCard) -> None:
    partial = METHODS.get("partial").wrap(model, card, {"trainable_layers": 1})
    layers = {name for name in trained(partial) if "layer." in name}
    assert layers and all(".3." in name for name in layers)
    assert not any("embeddings" in name for name in trained(partial))
    head = METHODS.get("head").wrap(model, card, {})
    assert all("classifier" in name or "pooler" in name for name in trained(head))


def test_own_parameters_are_valid_in_both_presets(method: Method, card: ModelCard) -> None:
    for preset in ("default", "paper"):
        space = Space("s", method.parameters(preset, card, BOUNDS))
        assert space.problems(space.default().values) == []


def test_refusals(card: ModelCard) -> None:
    scratch, albert = replace(card, origin="scratch"), replace(card, shared_layers=True)
    assert [name for name in METHODS.names() if METHODS.get(name).problem(scratch, "classify")] == [
        "head",
        "lora",
        "partial",
        "probe",
        "zero_shot",
    ]
    assert [name for name in METHODS.names() if METHODS.get(name).problem(albert, "classify")] == [
        "partial",
        "zero_shot",
    ]
