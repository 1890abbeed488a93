"""How long texts are in tokens, estimated without a tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

UNIT = re.compile(r"[^\W_]+|[^\w\s]|_")
# Subword vocabularies of 30,000 entries split English words into 1.1 to 1.3 pieces, and long words into about one
# piece for every six characters.
CHARACTERS_PER_PIECE = 6
SPECIAL_TOKENS = 2


def estimated_tokens(texts: Sequence[str]) -> np.ndarray:
    """Estimated number of subword tokens of each text, shape (n,), special tokens included."""
    return np.asarray(
        [
            SPECIAL_TOKENS + sum(1 + (len(unit) - 1) // CHARACTERS_PER_PIECE for unit in UNIT.findall(text))
            for text in texts
        ]
    )
