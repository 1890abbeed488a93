"""What training the winner once more on training and validation rows together is worth, by a bare loop.

    python -m benchmarks.on_all_rows --data FOLDER [--sets hwu64,...] [--seeds 0,1] [--lines FILE]

A probe and the policy of `benchmarks.first_minute` (full fine-tuning that starts from the probe, in bfloat16) are
fitted to the training rows, with strength and epoch chosen on the validation rows; then both once more to all rows,
with the same strength, for all epochs. Each line of `on_all_rows.jsonl` has the test macro-F1 of all four, on the rows
of a set and seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.first_minute.__main__ import encoder_folder
from benchmarks.first_minute.answers import Splits, macro_f1
from benchmarks.first_minute.baselines import (
    BATCH,
    EPOCHS,
    ITERATIONS,
    RATE,
    STRENGTHS,
    batches_of_like_length,
)
from benchmarks.first_minute.bodies import Body, head_from
from benchmarks.first_minute.processes import ROOT
from benchmarks.first_minute.rows import draw_rows

SETS = "hwu64,liar,sst2,tweet_emoji,meld,subj,sst5"
LINES = ROOT / "benchmarks" / "on_all_rows.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Texts, their class indices, and what the frozen body says of them."""

    texts: Sequence[str]
    targets: np.ndarray
    features: np.ndarray
    """The mean over the tokens, shape (rows, width)."""

    @classmethod
    def read(cls, texts: Sequence[str], targets: np.ndarray) -> Rows:
        """Let the body read some texts."""
        with in_bf16():
            features = Body(encoder_folder()).features(texts)
        return cls(texts=texts, targets=targets, features=features)

    def __add__(self, other: Rows) -> Rows:
        """Return these rows and those of another split whose class is known, -1 being none."""
        known = np.flatnonzero(other.targets >= 0)
        return Rows(
            texts=[*self.texts, *(other.texts[row] for row in known)],
            targets=np.concatenate([self.targets, other.targets[known]]),
            features=np.concatenate([self.features, other.features[known]]),
        )

    def macro_f1_of(self, probe: LogisticRegression) -> float:
        """Return the macro-F1 of a probe on these rows."""
        return macro_f1(self.targets, probe.predict(self.features))


def main() -> None:
    """Measure what the file lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--lines", type=Path, default=LINES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in map(int, options.seeds.split(",")):
        for name in options.sets.split(","):
            line = {"set": name, "seed": seed, **measured(options.data / name, seed)}
            with options.lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


def measured(source: Path, seed: int) -> dict[str, float]:
    """Return the test macro-F1 of probe and training, fitted to the training rows and to all rows."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        draw_rows(source, folder, seed=seed, train_rows=2_000, validation_rows=500, test_rows=2_000)
        splits = Splits(folder)
        test_texts, test_targets = splits.test()
    train = Rows.read(splits.train_texts, splits.train_targets)
    validation = Rows.read(splits.validation_texts, splits.validation_targets)
    test = Rows.read(test_texts, test_targets)
    whole = train + validation

    probes = [probed(train, strength) for strength in STRENGTHS]
    chosen_probe = max(probes, key=validation.macro_f1_of)
    whole_probe = probed(whole, chosen_probe.C)
    epochs = trained(train, chosen_probe, (validation, test), seed)
    # As in a search: the epoch that is best on validation.
    _, score_of_chosen = max(epochs, key=lambda epoch: epoch[0])
    *_, last_epoch = trained(whole, whole_probe, (validation, test), seed)
    _, score_of_last = last_epoch
    scores = {
        "probe": test.macro_f1_of(chosen_probe),
        "probe_on_all": test.macro_f1_of(whole_probe),
        "training": score_of_chosen,
        "training_on_all": score_of_last,
    }
    return {name: round(score, 4) for name, score in scores.items()}


def probed(rows: Rows, strength: float) -> LogisticRegression:
    """Return the regression on the frozen body's features."""
    classifier = LogisticRegression(C=strength, max_iter=ITERATIONS)
    return classifier.fit(rows.features, rows.targets)


def trained(
    rows: Rows, start: LogisticRegression, judges: tuple[Rows, Rows], seed: int
) -> list[tuple[float, float]]:
    """Train all but the word embeddings, the head from a probe on.

    Returns:
        The macro-F1 on the two splits that judge, after each epoch.
    """
    torch.manual_seed(seed)
    body = Body(encoder_folder())
    head = head_from(start)
    body.encoder.get_input_embeddings().weight.requires_grad_(False)
    parameters = [*body.encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(
        [parameter for parameter in parameters if parameter.requires_grad], lr=RATE, fused=True
    )
    lengths = body.lengths(rows.texts)
    steps = EPOCHS * -(-len(lengths) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    rng = np.random.default_rng(seed)

    def score(split: Rows) -> float:
        with torch.inference_mode(), in_bf16():
            features = torch.as_tensor(body.features(split.texts))
            answers = head(features).argmax(dim=1).numpy()
        return macro_f1(split.targets, answers)

    scores = []
    for _ in range(EPOCHS):
        body.encoder.train()
        for batch in batches_of_like_length(lengths, BATCH, rng):
            targets = torch.as_tensor(rows.targets[batch])
            with in_bf16():
                logits = head(body.pooled([rows.texts[row] for row in batch]))
                loss = torch.nn.functional.cross_entropy(logits.float(), targets)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        validation, test = judges
        scores.append((score(validation), score(test)))
    return scores


def in_bf16() -> torch.autocast:
    """Return a context in which passes run in bfloat16."""
    return torch.autocast("cpu", torch.bfloat16)


if __name__ == "__main__":
    main()
