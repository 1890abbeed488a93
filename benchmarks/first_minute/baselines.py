"""Run one baseline; each is a process of its own, and imports what it needs only then.

python -m benchmarks.first_minute.baselines SYSTEM --rows FOLDER --model FOLDER --started SECONDS --out FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.first_minute.answers import AnswerLog, Splits, macro_f1
from benchmarks.first_minute.measurements import System

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of C, from strong regularisation to weak; chosen on validation."""
ITERATIONS = 1_000
BATCH = 16
RATE = 1e-4
EPOCHS = 3
MEGABATCH = 50
"""Batches among whose rows those of like length come together, as the Trainer's sampler does."""


def main() -> None:
    """Run the baseline that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system", type=System, choices=sorted(BASELINES))
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--started", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    splits = Splits(options.rows)
    log = AnswerLog(splits, options.out, options.started)
    BASELINES[options.system](splits, log, options.model, options.seed)


def tfidf(splits: Splits, log: AnswerLog, model: Path, seed: int) -> None:
    """Fit logistic regression to TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    train = vectorizer.fit_transform(splits.train_texts)
    validation = vectorizer.transform(splits.validation_texts)
    for strength in STRENGTHS:
        classifier = LogisticRegression(C=strength, max_iter=ITERATIONS)
        classifier.fit(train, splits.train_targets)
        score = macro_f1(splits.validation_targets, classifier.predict(validation))

        def predict(texts: Sequence[str], classifier: Any = classifier) -> np.ndarray:
            return classifier.predict(vectorizer.transform(texts))

        log.offer(score, predict)


def probe(splits: Splits, log: AnswerLog, model: Path, seed: int) -> None:
    """Fit logistic regression to what a frozen body says, the mean over its tokens."""
    from benchmarks.first_minute.bodies import Body

    fit_probe(splits, log, Body(model))


def fit_probe(splits: Splits, log: AnswerLog, body: Any) -> Any:
    """Return the logistic regression that is best on validation, having offered each that was better than before."""
    from sklearn.linear_model import LogisticRegression

    train = body.features(splits.train_texts)
    validation = body.features(splits.validation_texts)
    best_score, best = -1.0, None
    for strength in STRENGTHS:
        classifier = LogisticRegression(C=strength, max_iter=ITERATIONS)
        classifier.fit(train, splits.train_targets)
        score = macro_f1(splits.validation_targets, classifier.predict(validation))
        if score > best_score:
            best_score, best = score, classifier

        def predict(texts: Sequence[str], classifier: Any = classifier) -> np.ndarray:
            return classifier.predict(body.features(texts))

        log.offer(score, predict)
    return best


def policy(splits: Splits, log: AnswerLog, model: Path, seed: int) -> None:
    """Fine-tune all but the word embeddings from the probe on; the best epoch on validation is the answer."""
    import torch

    from benchmarks.first_minute.bodies import Body, head_from

    torch.manual_seed(seed)
    body = Body(model)
    classifier = fit_probe(splits, log, body)
    head = head_from(classifier)
    body.encoder.get_input_embeddings().weight.requires_grad_(False)
    trained = [
        parameter
        for parameter in [*body.encoder.parameters(), *head.parameters()]
        if parameter.requires_grad
    ]
    optimizer = torch.optim.AdamW(trained, lr=RATE, fused=True)
    lengths = body.lengths(splits.train_texts)
    steps = EPOCHS * -(-len(lengths) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    rng = np.random.default_rng(seed)

    def predict(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            return head(torch.as_tensor(body.features(texts))).argmax(dim=1).numpy()

    for _ in range(EPOCHS):
        body.encoder.train()
        for rows in batches_of_like_length(lengths, BATCH, rng):
            pooled = body.pooled([splits.train_texts[row] for row in rows])
            targets = torch.as_tensor(splits.train_targets[rows])
            loss = torch.nn.functional.cross_entropy(head(pooled), targets)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        log.offer(macro_f1(splits.validation_targets, predict(splits.validation_texts)), predict)


def batches_of_like_length(
    lengths: Sequence[int], size: int, rng: np.random.Generator
) -> Iterator[list[int]]:
    """Yield batches of row numbers: shuffled, then sorted by length within stretches of several batches."""
    order = rng.permutation(len(lengths))
    stretch = size * MEGABATCH
    batches: list[list[int]] = []
    for start in range(0, len(order), stretch):
        rows = sorted(order[start : start + stretch].tolist(), key=lambda row: lengths[row])
        batches += [rows[place : place + size] for place in range(0, len(rows), size)]
    for place in rng.permutation(len(batches)):
        yield batches[place]


def trainer(splits: Splits, log: AnswerLog, model: Path, seed: int) -> None:
    """Run the Trainer of transformers at its defaults."""
    train_by_trainer(splits, log, model, seed)


def tuned_trainer(splits: Splits, log: AnswerLog, model: Path, seed: int) -> None:
    """Run the Trainer with the learning rate and the batch that suit small encoders."""
    train_by_trainer(
        splits, log, model, seed, learning_rate=RATE, per_device_train_batch_size=BATCH
    )


def train_by_trainer(
    splits: Splits, log: AnswerLog, model: Path, seed: int, **arguments: Any
) -> None:
    """Run the Trainer, and offer the model after each epoch.

    Args:
        splits: The rows.
        log: Of the answers.
        model: The folder.
        seed: Of the head, and of the order of the rows.
        arguments: What differs from the Trainer's defaults.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    from benchmarks.first_minute.bodies import EMBEDDING_BATCH, MAX_LENGTH

    disable_progress_bars()
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=len(splits.classes)
    )

    def tokens(texts: Sequence[str]) -> dict[str, Any]:
        return dict(tokenizer(list(texts), truncation=True, max_length=MAX_LENGTH))

    def predict(texts: Sequence[str]) -> np.ndarray:
        classifier.eval()
        predictions = []
        for start in range(0, len(texts), EMBEDDING_BATCH):
            batch = tokenizer.pad(
                tokens(texts[start : start + EMBEDDING_BATCH]), return_tensors="pt"
            )
            with torch.inference_mode():
                predictions.append(classifier(**batch).logits.argmax(dim=1).numpy())
        return np.concatenate(predictions)

    class OfferEachEpoch(TrainerCallback):  # type: ignore[misc]
        """Offers the model as it is at the end of an epoch."""

        def on_epoch_end(self, *args: Any, **_: Any) -> None:
            """Score it."""
            log.offer(
                macro_f1(splits.validation_targets, predict(splits.validation_texts)), predict
            )

    rows = Dataset.from_dict({**tokens(splits.train_texts), "labels": splits.train_targets})
    settings = TrainingArguments(
        output_dir=str(log.path.with_suffix(".trainer")),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=seed,
        **arguments,
    )
    Trainer(
        model=classifier,
        args=settings,
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[OfferEachEpoch()],
    ).train()


BASELINES = {
    System.TFIDF: tfidf,
    System.PROBE: probe,
    System.TRAINER: trainer,
    System.TRAINER_TUNED: tuned_trainer,
    System.POLICY: policy,
}


if __name__ == "__main__":
    main()
