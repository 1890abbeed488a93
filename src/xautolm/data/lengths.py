"""How long texts are in tokens, estimated without a tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

UNIT = re.compile(r"[^\W_]+|[^\w\s]|_")
"""A word, or a sign by itself, as tokenizers split texts before they look for pieces."""
CHARACTERS_PER_PIECE = 6
"""Subword vocabularies of 30,000 entries split English words into 1.1 to 1.3 pieces, and long words into about one
piece for every six characters."""
SPECIAL_TOKENS = 2
"""Tokens that begin and end a text."""


def estimated_tokens(texts: Sequence[str]) -> np.ndarray:
    """Return the estimated number of subword tokens of each text, shape (n,), special tokens included."""
    lengths: list[int] = []
    for text in texts:
        tokens = SPECIAL_TOKENS
        for unit in UNIT.findall(text):
            further_pieces = (len(unit) - 1) // CHARACTERS_PER_PIECE
            tokens += 1 + further_pieces
        lengths.append(tokens)
    return np.asarray(lengths)
