"""chrF++ (Popović, 2017), counted as sacrebleu does: sequences of characters and words that texts share."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

CHARACTERS = 6
"""Sequences have from one to so many characters."""
WORDS = 2
"""Sequences have from one to so many words; without them it would be chrF."""
BETA = 2
"""How many times as much recall counts as precision."""


def corpus_chrf(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> float:
    """Return chrF++ of all rows together: their sequences are counted before precision and recall are taken.

    Args:
        references: For each row at least one right text; that which is most like the prediction counts.
        predictions: One text a row.
    """
    totals = np.zeros((CHARACTERS + WORDS, 3), dtype=int)
    for texts, prediction in zip(references, predictions, strict=True):
        predicted = _sequences(prediction)
        candidates = [_counts(_sequences(text), predicted) for text in texts]
        totals += max(candidates, key=_f_score)
    return _f_score(totals)


def _sequences(text: str) -> list[Counter[str]]:
    """Return how often a text has each sequence: of 1, 2, ... characters without spaces, then of 1, 2, ... words."""
    characters = "".join(text.split())
    words = _words(text)
    sequences: list[Counter[str]] = []
    for length in range(1, CHARACTERS + 1):
        starts = range(len(characters) - length + 1)
        sequences.append(Counter(characters[start : start + length] for start in starts))
    for length in range(1, WORDS + 1):
        starts = range(len(words) - length + 1)
        sequences.append(Counter(" ".join(words[start : start + length]) for start in starts))
    return sequences


def _words(text: str) -> list[str]:
    """Return what stands between spaces; a punctuation mark at its end, else at its start, is a word of its own."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words


def _counts(right: Sequence[Counter[str]], predicted: Sequence[Counter[str]]) -> np.ndarray:
    """Return for each length the sequences that were predicted, are right, and are both, shape (lengths, 3)."""
    rows = []
    for right_sequences, predicted_sequences in zip(right, predicted, strict=True):
        shared = right_sequences & predicted_sequences
        # Where the right text is too short to have any, what was predicted is not held against it.
        predicted_count = predicted_sequences.total() if right_sequences else 0
        rows.append((predicted_count, right_sequences.total(), shared.total()))
    return np.asarray(rows)


def _f_score(counts: np.ndarray) -> float:
    """Return the F-score of precision and recall, averaged over the lengths that both sides have sequences of."""
    is_comparable = (counts[:, 0] > 0) & (counts[:, 1] > 0)
    if not is_comparable.any():
        return 0.0
    predicted, right, shared = counts[is_comparable].T
    precision = np.mean(shared / predicted)
    recall = np.mean(shared / right)
    if precision + recall == 0:
        return 0.0
    return float((1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))
