"""Conversations as one text: turns that a model with a chat template is shown by it, and others as plain text.

A prompt of a single user's turn is that turn's text. Anything more is kept as the JSON text of its turns,
`[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]`, which `predict` takes as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from xautolm.cells import structure


class Speaker(StrEnum):
    """Who says a turn, as chat templates call them."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


SPEAKERS: Mapping[str, Speaker] = {
    "system": Speaker.SYSTEM,
    "developer": Speaker.SYSTEM,
    "user": Speaker.USER,
    "human": Speaker.USER,
    "prompter": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
    "gpt": Speaker.ASSISTANT,
    "chatgpt": Speaker.ASSISTANT,
    "bing": Speaker.ASSISTANT,
    "bard": Speaker.ASSISTANT,
    "bot": Speaker.ASSISTANT,
    "chatbot": Speaker.ASSISTANT,
    "ai": Speaker.ASSISTANT,
    "model": Speaker.ASSISTANT,
}
"""What data sets call the speakers."""
SPEAKER_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value")
"""Names of a turn's parts, as `messages` and ShareGPT have them."""
BEGINNING = '[{"role": "'
"""How a conversation's text begins."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody says."""

    speaker: Speaker
    content: str


def turns_of(cell: object) -> list[Turn]:
    """Return the turns in a cell: a list of mappings, or its JSON text.

    Raises:
        ValueError: It is none, or a turn has no text or is said by somebody unknown.
    """
    parts = spelled_list(cell)
    if not parts:
        raise ValueError(f"expected a list of turns, got {cell!r}"[:100])
    turns: list[Turn] = []
    for number, part in enumerate(parts, start=1):
        turns.append(_turn(part, number))
    return turns


def spelled_list(cell: object) -> list[object] | None:
    """Return the list in a cell, or the one that its text spells, of any length; None for anything else."""
    if isinstance(cell, str):
        text = cell
        try:
            # At any length: `structure` reads the short cells of labels and answers only.
            cell = json.loads(text)
        except (ValueError, RecursionError):
            # As Python prints a list: a frame of conversations is written so to CSV.
            cell = structure(text)
    if hasattr(cell, "tolist"):
        # Parquet gives lists as arrays.
        cell = cell.tolist()
    return list(cell) if isinstance(cell, list | tuple) else None


def _turn(turn: object, number: int) -> Turn:
    """Return a turn from its mapping; `number` counts turns from 1, for messages.

    Raises:
        ValueError: It is no mapping, has no text, or is said by somebody unknown.
    """
    if not isinstance(turn, Mapping):
        raise ValueError(f"turn {number} is no object with a role and a content: {turn!r}"[:100])
    name: object = None
    for key in SPEAKER_KEYS:
        name = name or turn.get(key)
    speaker = SPEAKERS.get(str(name).lower())
    if speaker is None:
        speakers = ", ".join(SPEAKERS)
        raise ValueError(f"turn {number} is said by {name or None!r}; known are {speakers}")
    content: object = None
    for key in CONTENT_KEYS:
        # An empty text is one: an answer may be empty.
        if content is None:
            content = turn.get(key)
    text = _text_of(content, number)
    return Turn(speaker, text)


def _text_of(content: object, number: int) -> str:
    """Return a turn's text, which may come in parts.

    Raises:
        ValueError: It is no text, or a part is none, as those of pictures.
    """
    if isinstance(content, str):
        return content
    if hasattr(content, "tolist"):
        content = content.tolist()
    # What is no list either has no text, which is said below.
    parts = content if isinstance(content, list) else [None]
    texts: list[str] = []
    for part in parts:
        text: object = None
        if isinstance(part, Mapping):
            text = part.get("text")
        if not isinstance(text, str):
            raise ValueError(f"turn {number} has no text but {content!r}"[:100])
        texts.append(text)
    return "".join(texts)


def conversation_text(turns: Sequence[Turn]) -> str:
    """Return a prompt as one text: that of a single user's turn, else the JSON text of all turns."""
    if len(turns) == 1:
        (only_turn,) = turns
        if only_turn.speaker is Speaker.USER:
            return only_turn.content
    messages: list[dict[str, str]] = []
    for turn in turns:
        message = {"role": turn.speaker, "content": turn.content}
        messages.append(message)
    return json.dumps(messages, ensure_ascii=False)


def turns_of_text(text: str) -> list[Turn]:
    """Return the turns of a prompt: those that its text lists, else one of the user's with the text as it is."""
    if text.startswith(BEGINNING):
        # A text may only look like one.
        with suppress(ValueError):
            return turns_of(text)
    return [Turn(Speaker.USER, text)]


def plain_text(turns: Sequence[Turn]) -> str:
    """Return turns for a model without a chat template: what the system says, then who said what."""
    lines = []
    for turn in turns:
        if turn.speaker is Speaker.SYSTEM:
            lines.append(f"{turn.content}\n\n")
        else:
            lines.append(f"{turn.speaker.capitalize()}: {turn.content}\n\n")
    return "".join(lines)
