"""Score the answers of a search on the test split, by the public door of the version that gave them.

python -m benchmarks.first_minute.scoring ROWS OUT RUN...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from xautolm import AutoLM


def main() -> None:
    """Write a line of JSON for each run's folder."""
    rows, out, *runs = map(Path, sys.argv[1:])
    table = pd.read_parquet(rows / "test.parquet")
    targets = list(table["label"])
    with out.open("w", encoding="utf-8") as file:
        for run in runs:
            predictions = list(AutoLM.load(run).predict(list(table["text"])))
            f1_macro = f1_score(targets, predictions, average="macro", zero_division=0)
            line = {
                "f1_macro": float(f1_macro),
                "accuracy": float(accuracy_score(targets, predictions)),
            }
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
