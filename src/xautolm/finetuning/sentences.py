"""A program that embeds texts with a sentence encoder: a JSON list of texts comes in, one of vectors goes out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xautolm.processes import end_with_parent

DIGITS = 6
"""Decimals of a vector's numbers: what comes after them differs between processors."""


def encode(texts: Sequence[str], folder: Path) -> np.ndarray:
    """Return embeddings of texts by the encoder in a folder, shape (texts, dimensions)."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, trust_remote_code=False
    )
    encoded = encoder.encode(list(texts), show_progress_bar=False)
    vectors = np.asarray(encoded, dtype=float)
    return np.round(vectors, DIGITS)


def main() -> None:
    """Encode the texts of the standard input; the arguments are the encoder's folder and the parent's process id."""
    folder = Path(sys.argv[1])
    parent = int(sys.argv[2])
    # Loading takes seconds, in which the parent may already end.
    end_with_parent(parent)
    texts = json.load(sys.stdin)
    vectors = encode(texts, folder)
    json.dump(vectors.tolist(), sys.stdout)


if __name__ == "__main__":
    main()
