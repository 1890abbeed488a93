"""A program that embeds texts with a sentence encoder: a JSON list of texts comes in, one of vectors goes out."""

from __future__ import annotations

import json
import sys

from xautolm.processes import end_with_parent


def main() -> None:
    """Encode the texts of the standard input; the arguments are the encoder's folder and the parent's process id."""
    end_with_parent(int(sys.argv[2]))
    # Takes seconds, in which the parent may already end.
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(sys.argv[1], device="cpu", local_files_only=True, trust_remote_code=False)
    vectors = encoder.encode(json.load(sys.stdin), show_progress_bar=False)
    json.dump([[round(float(value), 6) for value in vector] for vector in vectors], sys.stdout)


if __name__ == "__main__":
    main()
