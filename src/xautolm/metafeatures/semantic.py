"""What texts are about, as a vector that needs no model: a fixed random projection of hashed n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from xautolm.metafeatures.base import Part, Sample
from xautolm.metafeatures.statistics import unit_vector
from xautolm.vocabulary import TargetKind

HASHES = 2**14
"""Columns that n-grams are hashed to."""
DIMENSIONS = 64
"""Length of the vector."""
PROJECTION_SEED = 20_250_800
"""Part of the definition: another seed would be another version."""


class Semantic:
    """The mean embedding of the texts, of unit length."""

    name = "semantic-hashed.v1"
    part = Part.SEMANTIC
    aspect = "topic"
    noise = 0.0
    targets = TargetKind.ANY
    features = ()

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return a vector of 64 numbers."""
        embeddings = embed(sample.texts)
        return unit_vector(embeddings.mean(axis=0))


def embed(texts: Sequence[str]) -> np.ndarray:
    """Return embeddings of unit length, shape (texts, 64); of length zero for a text without words."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=HASHES,
        ngram_range=(1, 2),
        token_pattern=r"\w+",
        alternate_sign=False,
        norm=None,
        binary=True,
    )
    # Whether a text has an n-gram, shape (texts, HASHES), sparse.
    hashed = vectorizer.transform(texts)
    embeddings = np.asarray(hashed @ _projection())
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    # A text without words stays at length zero, and is not divided by it.
    unit: np.ndarray = embeddings / np.maximum(lengths, 1e-12)
    return unit


@cache
def _projection() -> np.ndarray:
    """Return a matrix of standard normal numbers, shape (HASHES, DIMENSIONS)."""
    rng = np.random.default_rng(PROJECTION_SEED)
    return np.asarray(rng.standard_normal((HASHES, DIMENSIONS)))


GROUPS = Semantic()
