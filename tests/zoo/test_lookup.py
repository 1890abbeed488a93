"""One look-up by name, hub id and spelling, for the importer of the paper's store and for whoever asks for a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from xautolm.errors import ModelUnavailableError
from xautolm.experience.autogoal_models import MODELS
from xautolm.records import ModelCard
from xautolm.zoo import ZOO, find_models, known_card, zoo_name
from xautolm.zoo.lookup import spelling


@pytest.mark.parametrize("card", ZOO.things.values(), ids=lambda card: card.name)
def test_every_card_is_found_by_each_of_its_names(card: ModelCard) -> None:
    names = [
        card.name,
        card.hub_id,
        card.hub_id.lower(),
        spelling(card.name),
        spelling(card.hub_id),
    ]
    for name in filter(None, names):
        assert known_card(name, ZOO.things) is card


def test_no_two_cards_are_spelled_alike() -> None:
    for spelled in (lambda card: spelling(card.name), lambda card: spelling(card.hub_id)):
        counts = Counter(filter(None, map(spelled, ZOO.things.values())))
        assert counts.most_common(1)[0][1] == 1


SHAPES_BEYOND_A_CARD = {
    "google-t5/t5-3b",
    "google-t5/t5-11b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "deepseek-ai/DeepSeek-V2-Lite",
}
"""Mixtures of experts and very wide inner layers; asked for by hub id, their name is the hub id here and there."""


@pytest.mark.parametrize("hub_id", MODELS.values())
def test_every_class_of_the_importer_is_in_the_zoo_under_its_hub_id(hub_id: str) -> None:
    if hub_id in SHAPES_BEYOND_A_CARD:
        assert zoo_name(hub_id, ZOO.things) == hub_id
        return
    card = known_card(hub_id, ZOO.things)
    assert card is not None and card.hub_id == hub_id
    assert known_card(hub_id, ZOO.things, exactly=True) is card


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google/flan-t5-base", "flan-t5-base"),
        ("facebook-bart-base", "bart-base"),
        ("meta-llama-llama-32-1b", "llama-3.2-1b"),
        ("bert-base-multilingual-uncased", "bert-base-multilingual-uncased"),
        ("GPT2", "gpt2"),
        ("someone/bert-base-uncased", "someone/bert-base-uncased"),
        ("./gpt2", "./gpt2"),
        ("/models/gpt2", "/models/gpt2"),
        ("", ""),
    ],
)
def test_names_from_elsewhere(name: str, expected: str) -> None:
    assert zoo_name(name, ZOO.things) == expected


def test_a_folder_goes_before_what_is_merely_spelled_like_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("MiniLM-L6").mkdir()
    with pytest.raises(ModelUnavailableError, match="holds no config"):
        find_models(["MiniLM-L6"], ZOO.things)
    (card,) = find_models(["MiniLM_L4"], ZOO.things)
    assert card.name == "minilm-l4"
