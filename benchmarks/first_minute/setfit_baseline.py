"""Run SetFit, in an interpreter that has it: contrastive pairs, then logistic regression.

    python -m benchmarks.first_minute.setfit_baseline --rows FOLDER --model FOLDER --started SECONDS --out FILE

It imports nothing of xautolm, which such an interpreter need not have.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.first_minute.answers import AnswerLog, Splits, macro_f1

PAIR_ROUNDS = 1
"""`num_iterations`: so many like and so many unlike pairs for each row. One round of 2,000 rows takes four minutes on
one core; SetFit's own default, every pair once, would take days."""


def main() -> None:
    """Train once, with SetFit's defaults but for the number of pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--started", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    splits = Splits(options.rows)
    log = AnswerLog(splits, options.out, options.started)
    model = SetFitModel.from_pretrained(str(options.model))
    arguments = TrainingArguments(
        output_dir=str(options.out.with_suffix(".trainer")),
        num_iterations=PAIR_ROUNDS,
        seed=options.seed,
        save_strategy="no",
        report_to="none",
    )
    rows = Dataset.from_dict({"text": splits.train_texts, "label": splits.train_targets})
    Trainer(model=model, args=arguments, train_dataset=rows).train()

    def predict(texts: Sequence[str]) -> np.ndarray:
        return np.asarray(model.predict(list(texts), as_numpy=True))

    log.offer(macro_f1(splits.validation_targets, predict(splits.validation_texts)), predict)


if __name__ == "__main__":
    main()
