"""Conversations as one text: turns that a model with a chat template is shown by it, and others as plain text.

A prompt of a single user's turn is that turn's text. Anything more is kept as the JSON text of its turns,
`[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]`, which `predict` takes as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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


def turns_of(cell: Any) -> list[Turn]:
    """Return the turns in a cell: a list of mappings, or its JSON text.

    Raises:
        ValueError: It is none, or a turn has no text or is said by somebody unknown.
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise ValueError(f"expected a list of turns, got {cell[:60]!r}") from None
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if not isinstance(cell, list | tuple) or not cell:
        raise ValueError(f"expected a list of turns, got {cell!r}"[:100])
    return [_turn(turn, number) for number, turn in enumerate(cell, start=1)]


def _turn(turn: Any, number: int) -> Turn:
    if not isinstance(turn, Mapping):
        raise ValueError(f"turn {number} is no object with a role and a content: {turn!r}"[:100])
    name = next((turn[key] for key in SPEAKER_KEYS if turn.get(key)), None)
    speaker = SPEAKERS.get(str(name).lower())
    if speaker is None:
        raise ValueError(f"turn {number} is said by {name!r}; known are {', '.join(SPEAKERS)}")
    content = next((turn[key] for key in CONTENT_KEYS if turn.get(key) is not None), None)
    return Turn(speaker, _text_of(content, number))


def _text_of(content: Any, number: int) -> str:
    """Return a turn's text, which may come in parts."""
    if isinstance(content, str):
        return content
    if hasattr(content, "tolist"):
        content = content.tolist()
    are_texts = isinstance(content, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content
    )
    if not are_texts:
        raise ValueError(f"turn {number} has no text but {content!r}"[:100])
    return "".join(part["text"] for part in content)


def conversation_text(turns: Sequence[Turn]) -> str:
    """Return a prompt as one text: that of a single user's turn, else the JSON text of all turns."""
    if len(turns) == 1 and turns[0].speaker is Speaker.USER:
        return turns[0].content
    return json.dumps([{"role": turn.speaker, "content": turn.content} for turn in turns], ensure_ascii=False)


def turns_of_text(text: str) -> list[Turn]:
    """Return the turns of a prompt: those that its text lists, else one of the user's with the text as it is."""
    if text.startswith(BEGINNING):
        try:
            return turns_of(text)
        except ValueError:
            pass  # A text that only looks like one.
    return [Turn(Speaker.USER, text)]


def plain_text(turns: Sequence[Turn]) -> str:
    """Return turns for a model without a chat template: what the system says, then who said what."""
    lines = []
    for turn in turns:
        begin = "" if turn.speaker is Speaker.SYSTEM else f"{turn.speaker.capitalize()}: "
        lines.append(f"{begin}{turn.content}\n\n")
    return "".join(lines)
