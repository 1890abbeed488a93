"""The words of a text in any writing, and answers among them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

WORD_CATEGORIES = frozenset("LMN")
"""First letters of Unicode's categories of letters, of the marks that belong to them (vowels in Hindi), and digits."""
UNSPACED = re.compile(
    # Thai and Lao, Burmese, Korean letters, Khmer
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"
    # Chinese and Japanese, Korean syllables, and what there is of both for compatibility and in half width
    "\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    # Rare Chinese characters
    "\U00020000-\U0003ffff]"
)
"""A character of a writing whose words are not told apart by spaces alone (in Korean particles follow a noun)."""

INNER_POINT = re.compile(r"\d[.,]\d")
"""Within a number: the point of `3.5`, the comma of `1,300`."""
DATE = re.compile(r"(?<!\d)\d{1,2}\.\d{1,2}\.\d{2,4}(?!\d)")
"""Three numbers, of which each may be the answer: `12.5.2010`."""
LONGEST_DATE = 10
"""Characters."""

SHORTEST_STEM = 3
"""Characters of the shortest answer that may be part of a longer word."""

Span: TypeAlias = tuple[int, int]
"""The first character of a text, and the one after its last."""


def words_in(text: str) -> list[str]:
    """Return the words of a text as they are written; each character of a writing without spaces is one."""
    pieces: list[str] = []
    for character in text:
        if not is_of_word(character):
            pieces.append(" ")
        elif UNSPACED.match(character):
            pieces.append(f" {character} ")
        else:
            pieces.append(character)
    return "".join(pieces).split()


def is_of_word(character: str) -> bool:
    """Return whether a character is a letter, a mark or a digit."""
    return unicodedata.category(character)[0] in WORD_CATEGORIES


def answer_span(context: str, answers: Sequence[str]) -> Span | None:
    """Return the characters of the first answer that is in the context, else of one that is there in another case.

    An answer inside another word or number, as `3` in `23-yard`, is not in the context. One with a prefix or an ending,
    as in Arabic or Finnish, is taken where no answer stands by itself.
    """
    for allows_affix in (False, True):
        for flags in (re.NOFLAG, re.IGNORECASE):
            for answer in answers:
                # In a longer word, `no` is hardly ever meant.
                if allows_affix and len(answer) < SHORTEST_STEM:
                    continue
                pattern = re.compile(re.escape(answer), flags)
                span = _span_at_edges(context, pattern, allows_affix=allows_affix)
                if span is not None:
                    return span
    return None


def _span_at_edges(text: str, pattern: re.Pattern[str], *, allows_affix: bool) -> Span | None:
    """Return the characters of the first match that begins and ends where words and numbers do.

    Args:
        text: Where it is looked for.
        pattern: What is looked for.
        allows_affix: Whether it is enough that a word begins or ends there; a number is never divided.
    """
    match = pattern.search(text)
    while match is not None:
        start, end = match.span()
        divides_number = _is_in_number(text, start) or _is_in_number(text, end)
        divides_words = [_is_in_word(text, start), _is_in_word(text, end)]
        is_whole = not any(divides_words)
        has_affix = allows_affix and not all(divides_words)
        if not divides_number and (is_whole or has_affix):
            return start, end
        # Matches may overlap: `1 1` is in `11 1 1` twice.
        match = pattern.search(text, start + 1)
    return None


def _is_in_word(text: str, position: int) -> bool:
    """Return whether a word or a number goes on from before a position to behind it."""
    neighbors = text[max(position - 1, 0) : position + 1]
    return len(neighbors) == 2 and all(_is_of_spaced_word(neighbor) for neighbor in neighbors)


def _is_in_number(text: str, position: int) -> bool:
    """Return whether a number goes on from before a position to behind it, with a point or a comma or without."""
    neighbors = text[max(position - 1, 0) : position + 1]
    if len(neighbors) == 2 and all(map(str.isdigit, neighbors)):
        return True
    # Two characters on each side: the point or comma may stand before the position or behind it.
    first = max(position - 2, 0)
    if not INNER_POINT.search(text[first : position + 2]):
        return False
    return not any(
        match.start() < position < match.end()
        for match in DATE.finditer(text, max(position - LONGEST_DATE, 0), position + LONGEST_DATE)
    )


def _is_of_spaced_word(character: str) -> bool:
    """Return whether a character is part of a word that spaces tell apart from others."""
    return is_of_word(character) and not UNSPACED.match(character)
