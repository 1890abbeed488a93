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
from benchmarks.first_minute.bodies import Body, linear_weights
from benchmarks.first_minute.processes import ROOT
from benchmarks.first_minute.rows import draw_rows

SETS = "hwu64,liar,sst2,tweet_emoji,meld,subj,sst5"
LINES = ROOT / "benchmarks" / "on_all_rows.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Texts and their class indices."""

    texts: Sequence[str]
    targets: np.ndarray

    def __add__(self, other: Rows) -> Rows:
        """Return these rows and those of another split whose class is known, -1 being none."""
        known = np.flatnonzero(other.targets >= 0)
        texts = [*self.texts, *(other.texts[row] for row in known)]
        return Rows(texts=texts, targets=np.concatenate([self.targets, other.targets[known]]))


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
    train = Rows(texts=splits.train_texts, targets=splits.train_targets)
    validation = Rows(texts=splits.validation_texts, targets=splits.validation_targets)
    test = Rows(texts=test_texts, targets=test_targets)

    chosen_probe = probed(train, STRENGTHS, validation)
    whole_probe = probed(train + validation, [chosen_probe.C], validation)
    scores = {
        "probe": score_of_probe(chosen_probe, test),
        "probe_on_all": score_of_probe(whole_probe, test),
    }
    epochs = trained(train, chosen_probe, (validation, test), seed)
    # As in a search: the epoch that is best on validation.
    _, scores["training"] = max(epochs, key=lambda epoch: epoch[0])
    _, scores["training_on_all"] = trained(
        train + validation, whole_probe, (validation, test), seed
    )[-1]
    return {name: round(score, 4) for name, score in scores.items()}


def probed(rows: Rows, strengths: Sequence[float], validation: Rows) -> LogisticRegression:
    """Return the regression on the frozen body's features whose strength is best on validation rows."""
    features = features_of(rows)
    validation_features = features_of(validation)
    fitted = []
    for strength in strengths:
        classifier = LogisticRegression(C=strength, max_iter=ITERATIONS)
        fitted.append(classifier.fit(features, rows.targets))
    return max(
        fitted,
        key=lambda classifier: macro_f1(
            validation.targets, classifier.predict(validation_features)
        ),
    )


def features_of(rows: Rows) -> np.ndarray:
    """Return the frozen body's mean over the tokens of each text, shape (rows, width)."""
    with in_bf16():
        return Body(encoder_folder()).features(rows.texts)


def score_of_probe(classifier: LogisticRegression, test: Rows) -> float:
    """Return the macro-F1 of a probe on test rows."""
    return macro_f1(test.targets, classifier.predict(features_of(test)))


def trained(
    rows: Rows, start: LogisticRegression, judges: tuple[Rows, Rows], seed: int
) -> list[tuple[float, float]]:
    """Train all but the word embeddings, the head from a probe on.

    Returns:
        The macro-F1 on the two splits that judge, after each epoch.
    """
    torch.manual_seed(seed)
    body = Body(encoder_folder())
    weight, bias = linear_weights(start)
    head = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(weight))
        head.bias.copy_(torch.as_tensor(bias))
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
