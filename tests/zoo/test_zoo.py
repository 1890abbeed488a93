from __future__ import annotations

import json
from pathlib import Path

import pytest

from xautolm.errors import ModelUnavailableError, UnknownNameError
from xautolm.records import ModelCard
from xautolm.zoo import ZOO, find_models, local_models


@pytest.fixture(params=list(ZOO.things.values()), ids=lambda card: card.name)
def card(request: pytest.FixtureRequest) -> ModelCard:
    return request.param


def test_cards_are_plausible(card: ModelCard) -> None:
    assert card.origin in {"hub", "packaged", "scratch"}
    assert bool(card.hub_id) == (card.origin == "hub")
    embeddings = card.vocabulary * card.hidden_size
    layers = 12 * card.hidden_size**2 * (1 if card.shared_layers else card.layers)
    # Factorised embeddings (ALBERT, ELECTRA small) and gated layers (ModernBERT) move this, by less than threefold.
    assert card.parameters < 3 * (embeddings + layers) and 3 * card.parameters > layers
    assert card.positions >= 128 and card.layers > 0 and card.licence


def test_the_papers_encoders_and_those_of_today_are_there() -> None:
    wanted = {
        "distilbert-base-uncased",
        "bert-large-cased",
        "roberta-large",
        "xlm-roberta-base",
        "deberta-base",
        "mdeberta-v3-base",
        "electra-small-discriminator",
        "albert-xxlarge-v1",
        "robertuito-base-uncased",
        "roberta-base-bne",
        "modernbert-large",
        "deberta-v3-small",
        "e5-small-v2",
        "bge-small-en-v1.5",
    }
    assert wanted <= set(ZOO.things)


def test_auto_finds_what_needs_no_hub() -> None:
    names = [card.name for card in local_models(ZOO.things, ("encoder",))]
    assert names == [
        "minilm-l6",
        "minilm-l4",
        "minilm-l3",
        "minilm-l2",
        "scratch-tiny",
        "scratch-small",
    ]
    assert {card.name for card in local_models(ZOO.things)} - set(names) == {
        "scratch-decoder",
        "scratch-encoder-decoder",
    }


def test_packaged_models_are_found_on_disk() -> None:
    (found,) = find_models(["minilm-l3"], ZOO.things)
    config = json.loads((Path(found.path) / "config.json").read_text())
    assert config["hidden_size"] == found.hidden_size and config["vocab_size"] == found.vocabulary


def test_an_unreachable_hub_is_said_with_what_can_be_used() -> None:
    for name in ("roberta-base", "FacebookAI/roberta-base"):
        with pytest.raises(
            ModelUnavailableError, match=r"HF_HUB_OFFLINE.*\n.*you can use: minilm-l6"
        ):
            find_models([name], ZOO.things)
    with pytest.raises(ModelUnavailableError, match="neither a folder here nor on a hub"):
        find_models(["someone/some-model"], ZOO.things)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minilm-6", "minilm-l6"),
        ("bert", "bert-base-uncased"),
        ("BERT", "bert-base-uncased"),
        ("bert-large", "bert-large-uncased"),
        ("roberta", "roberta-base"),
        ("deberta-v3", "deberta-v3-small"),
        ("modernbert", "modernbert-base"),
        ("llama", "llama-3.2-1b"),
        ("roberta-bass", "roberta-base"),
        ("Rberta-Base", "roberta-base"),
    ],
)
def test_unknown_names_get_a_suggestion(name: str, meant: str) -> None:
    for find in (ZOO.get, lambda wanted: find_models([wanted], ZOO.things)):
        with pytest.raises(UnknownNameError, match=f"Did you mean '{meant}'"):
            find(name)
