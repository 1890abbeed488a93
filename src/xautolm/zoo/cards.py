"""How the cards of a family are written down: one row of numbers for each model."""

from __future__ import annotations

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
