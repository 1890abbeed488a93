"""One look-up from what a model is called elsewhere to its card, for importers, finders and readers of the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from xautolm.records import ModelCard

Names = tuple[tuple[str, str], ...]
"""Name and hub id of each card; hashable, so that the index is built once for a zoo."""


def known_card(
    name: str, cards: Mapping[str, ModelCard], *, exactly: bool = False
) -> ModelCard | None:
    """Return the card of a model, or None if the zoo has none.

    Args:
        name: Its name in the zoo, its id on the hub, the id without the owner as older libraries have it
            (`bert-base-uncased`), or any of these as an identifier (`meta_llama_llama_32_1b`).
        cards: The zoo.
        exactly: Only the name and the whole hub id, letter by letter: what looks like a model may be a folder.
    """
    if name in cards:
        return cards[name]
    if exactly:
        for card in cards.values():
            if card.hub_id and card.hub_id == name:
                return card
        return None
    # A store asks once for each of thousands of experiences, and the zoo stays the same.
    names = tuple((card.name, card.hub_id) for card in cards.values())
    names_by_spelling = _names_by_spelling(names)
    name_in_zoo = names_by_spelling.get(spelling(name))
    if name_in_zoo is None:
        return None
    return cards.get(name_in_zoo)


def zoo_name(name: str, cards: Mapping[str, ModelCard]) -> str:
    """Return what the zoo calls a model; the name itself if it has no such model."""
    card = known_card(name, cards)
    if card is None:
        return name
    return card.name


def spelling(name: str) -> str:
    """Return a name as an identifier in lower case: points fall away, other signs become one underscore.

    Example:
        >>> spelling("meta-llama/Llama-3.2-1B")
        'meta_llama_llama_32_1b'
    """
    without_points = name.lower().replace(".", "")
    return re.sub(r"[^a-z0-9]+", "_", without_points)


@lru_cache(maxsize=8)
def _names_by_spelling(names: Names) -> Mapping[str, str]:
    """Return the zoo's names by every spelling; a model's own name goes before another's id."""
    index: dict[str, str] = {}
    # First all own names, so that no hub id takes the place of one.
    for name, _ in names:
        index.setdefault(spelling(name), name)
    for name, hub_id in names:
        if not hub_id:
            continue
        index.setdefault(spelling(hub_id), name)
        # Older libraries, and the paper's store, leave the owner out.
        _, _, name_without_owner = hub_id.rpartition("/")
        index.setdefault(spelling(name_without_owner), name)
    return index
