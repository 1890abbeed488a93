"""Text from outside as it may be printed: nothing in it can command a terminal."""

from __future__ import annotations

import json
import re

ESCAPES = re.compile(
    # A string for the terminal (title, link, clipboard), with its end if that is there: ESC ] ... BEL or ESC \
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])(?:[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c))?"
    # A control sequence, as for colours and for moving the cursor: ESC [ ...
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    # Any other escape: one character, perhaps after some intermediate ones.
    r"|\x1b[ -/]*[0-~]?"
)
"""Terminal escapes of ECMA-48, those of 8 bits too."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of writing: what is shown is then not
what is there."""
UNENCODABLE = re.compile(r"[\ud800-\udfff]")
"""Halves of surrogate pairs, which no stream can write."""
BREAKS = re.compile(r"[\t\n\u2028\u2029]+")
REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """Return a text without terminal escapes and control characters; its lines stay lines."""
    lines = text.replace("\r\n", "\n")
    without_escapes = ESCAPES.sub("", lines)
    plain = CONTROLS.sub("", without_escapes)
    return UNENCODABLE.sub(REPLACEMENT, plain)


def printable_line(text: str) -> str:
    """Return a text as one line, as for the cell of a table."""
    lines = printable(text)
    return BREAKS.sub(" ", lines)


def shortened(text: str, width: int = 40) -> str:
    """Return a text as it is shown among others: cut to `width` characters."""
    if len(text) <= width:
        return text
    return f"{text[: width - 3]}..."


def printable_json(value: object) -> str:
    """Return a value as JSON that says the same and can be printed: control characters are written as escapes."""
    # Letters of all languages stay letters; only what a terminal could obey is escaped.
    text = json.dumps(value, indent=1, ensure_ascii=False)
    without_controls = CONTROLS.sub(_escaped, text)
    return UNENCODABLE.sub(_escaped, without_controls)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}"
