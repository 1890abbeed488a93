"""The words of a text in any writing, and where they end."""

from __future__ import annotations

import re
import unicodedata

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
