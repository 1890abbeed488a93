"""From what a user asks for (`--models`) to cards of models that can really be had here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xautolm.errors import ModelUnavailableError, UnknownNameError
from xautolm.records import ModelCard
from xautolm.settings import hub_is_offline
from xautolm.zoo.folders import card_of_config, card_of_folder
from xautolm.zoo.lookup import known_card

HUB_TIMEOUT = 3.0
"""Seconds to wait for the hub's answer before it counts as unreachable."""


def find_models(
    wanted: Sequence[str], cards: Mapping[str, ModelCard], families: Sequence[str] = ("encoder",)
) -> list[ModelCard]:
    """The cards of the wanted models, each checked to be reachable.

    Args:
        wanted: Names in the zoo, hub ids, folders, or `auto`.
        cards: The zoo.
        families: Architectures that `auto` considers.

    Raises:
        UnknownNameError: Neither a name of the zoo, nor a folder, nor a hub id.
        ModelUnavailableError: Known, but neither on this machine nor reachable on the hub.
    """
    found: dict[str, ModelCard] = {}
    for name in wanted:
        for card in reachable(cards, families) if name == "auto" else [_find(name, cards)]:
            found[card.name] = card
    return list(found.values())


def reachable(
    cards: Mapping[str, ModelCard], families: Sequence[str] = ("encoder", "decoder", "encoder-decoder")
) -> list[ModelCard]:
    """The models that `auto` considers and that can be had here: packaged, from scratch, cached, or on the hub."""
    considered = [card for card in cards.values() if card.automatic and card.architecture in families]
    return [located for card in considered if (located := _located(card)) is not None]


def _find(name: str, cards: Mapping[str, ModelCard]) -> ModelCard:
    folder = Path(name).expanduser()
    card = known_card(name, cards, exactly=folder.is_dir())
    if card is not None:
        located = _located(card)
        if located is None:
            raise ModelUnavailableError(
                f"The model {name!r} is not on this machine.", got=_why_absent(card), fix=_what_is_here(cards)
            )
        return located
    if folder.is_dir():
        return card_of_folder(folder, name)
    if "/" not in name:
        raise UnknownNameError("model", name, cards)
    return card_of_config(_hub_config(name, cards), name, path=None)


def _located(card: ModelCard) -> ModelCard | None:
    if card.origin == "packaged":
        spec = find_spec(card.package)
        if spec is None or spec.origin is None:
            return None
        return replace(card, path=str(Path(spec.origin).parent / card.path))
    if card.origin == "scratch" or _is_cached(card.hub_id):
        return card
    return card if _hub_answers() and not _lacks_token(card) else None


def _lacks_token(card: ModelCard) -> bool:
    """Whether the hub will refuse a model because nobody has signed in."""
    from huggingface_hub import get_token

    return card.gated and get_token() is None


def _why_absent(card: ModelCard) -> str:
    if card.origin == "packaged":
        return f"the package {card.package.replace('_', '-')} is not installed"
    if _lacks_token(card):
        return f"{card.hub_id} is gated: accept its terms on the hub, then sign in with `hf auth login`"
    offline = "the hub is turned off (HF_HUB_OFFLINE)" if hub_is_offline() else "the hub does not answer"
    return f"{card.hub_id} is not in the hub cache, and {offline}"


def _what_is_here(cards: Mapping[str, ModelCard]) -> str:
    return f"Without the hub you can use: {', '.join(card.name for card in reachable(cards))}, or a model folder."


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = ("config.json", "model.safetensors")
    return all(isinstance(try_to_load_from_cache(hub_id, file), str) for file in files)


@cache
def _hub_answers() -> bool:
    if hub_is_offline():
        return False
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    from huggingface_hub.constants import ENDPOINT

    try:
        with urlopen(Request(ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT):
            return True
    except (URLError, OSError, ValueError):
        return False


def _hub_config(hub_id: str, cards: Mapping[str, ModelCard]) -> Mapping[str, Any]:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(hub_id, "config.json", etag_timeout=HUB_TIMEOUT)
    except Exception as error:
        raise ModelUnavailableError(
            f"The model {hub_id!r} cannot be had: it is neither a folder here nor on a hub that answers.",
            got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200],
            fix=_what_is_here(cards),
        ) from None
    config: Mapping[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return config
