"""A linear probe of ten lines without xautolm, on one batch: it loads and reads all that a probe of all rows needs.

    python -m benchmarks.first_minute.bare_step TRAIN MODEL

It prints what the system's monotonic clock, which processes share, said before the body computed.
"""

import sys
import time

import pandas
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from benchmarks.first_minute.bodies import EMBEDDING_BATCH, MAX_LENGTH


def main() -> None:
    """Run the program."""
    rows = pandas.read_parquet(sys.argv[1]).head(EMBEDDING_BATCH)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
    model = AutoModel.from_pretrained(sys.argv[2]).eval()
    settings = {"truncation": True, "max_length": MAX_LENGTH, "padding": True}
    batch = tokenizer(rows["text"].tolist(), return_tensors="pt", **settings)
    started_at = time.monotonic()
    with torch.inference_mode():
        first_tokens = model(**batch).last_hidden_state[:, 0]
    LogisticRegression().fit(first_tokens.numpy(), rows["label"])
    print(started_at)


if __name__ == "__main__":
    main()
