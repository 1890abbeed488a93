"""How the cards of a family are written down: one row of numbers for each model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from xautolm.records import ModelCard

Row = tuple[str, str, int, int, int, int, int, str, str, bool]
"""name, hub id, parameters, hidden size, layers, positions, vocabulary, licence, languages, considered by `auto`"""


def hub_card(row: Row, *, family: str, lora_targets: tuple[str, ...], **other: Any) -> ModelCard:
    """The card of a model on the hub; `other` are further fields of the card."""
    name, hub_id, parameters, hidden_size, layers, positions, vocabulary, licence, languages, automatic = row
    return ModelCard(
        name=name,
        hub_id=hub_id,
        family=family,
        parameters=parameters,
        hidden_size=hidden_size,
        layers=layers,
        positions=positions,
        vocabulary=vocabulary,
        licence=licence,
        languages=languages,
        lora_targets=lora_targets,
        automatic=automatic,
        **other,
    )


def with_chat(cards: Iterable[ModelCard], siblings: Mapping[str, tuple[str, str]]) -> tuple[ModelCard, ...]:
    """Cards, and those of their siblings of the same shape that were trained on conversations.

    Args:
        cards: Of base models.
        siblings: Name and hub id of a sibling by the base model's name.
    """
    base = tuple(cards)
    return base + tuple(
        replace(card, name=siblings[card.name][0], hub_id=siblings[card.name][1], chat=True, automatic=False)
        for card in base
        if card.name in siblings
    )
