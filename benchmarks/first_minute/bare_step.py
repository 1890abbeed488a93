"""What ten lines without xautolm do until their first step: load, read, tokenise, and compute one batch.

    python -m benchmarks.first_minute.bare_step TRAIN MODEL

It prints what the system's monotonic clock says then; processes share it.
"""

import sys
import time

import pandas
import torch
from sklearn.linear_model import LogisticRegression  # noqa: F401 (what comes after the features)
from transformers import AutoModel, AutoTokenizer

from benchmarks.first_minute.bodies import EMBEDDING_BATCH, MAX_LENGTH


def main() -> None:
    """Run the program."""
    texts = pandas.read_parquet(sys.argv[1])["text"].tolist()
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
    model = AutoModel.from_pretrained(sys.argv[2]).eval()
    settings = {"truncation": True, "max_length": MAX_LENGTH, "padding": True}
    batch = tokenizer(texts[:EMBEDDING_BATCH], return_tensors="pt", **settings)
    started_at = time.monotonic()
    with torch.inference_mode():
        model(**batch)
    print(started_at)


if __name__ == "__main__":
    main()
