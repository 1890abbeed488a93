"""Whether training and inference by xautolm are as fast as the loops that one would write oneself.

    python -m benchmarks.training_speed --data FILE... [--core 0] [--rounds 3]

Each FILE is Parquet with the columns `text` and `label`. All sides run in this process, on one core with one thread,
with the same model, rows, batch and learning rate, and but for `pipeline` in the same precision; they alternate, and
medians count. Seconds are those of
the processor, of all threads together, which other programs hardly change. Written to `training_speed.md`.

1. Seconds of an epoch: a trial (`xautolm.finetuning.run`, all weights) against a bare loop with batches of like length
   and fused AdamW; both clip gradients, neither counts its evaluation.
2. Seconds for 10,000 texts: the Predictor, which `xautolm predict` uses, against a loop over batches sorted by length,
   and against transformers' `pipeline` with one text at a time, in float32 as it comes, on fewer texts and scaled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
    get_linear_schedule_with_warmup,
    pipeline,
    trainer,
)
from transformers.utils import logging

from benchmarks.first_minute.baselines import batches_of_like_length
from benchmarks.first_minute.processes import ROOT
from benchmarks.first_minute.rows import stratified
from benchmarks.machine import machine_description
from xautolm.data import prepare
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.records import Limits, TrialSpec
from xautolm.search_space import build_space, data_needs
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec
from xautolm.zoo import ZOO, find_models

PAGE = ROOT / "benchmarks" / "training_speed.md"
MODEL = "minilm-l6"
METHOD = "full.v1"
EPOCHS = 2
"""In each round."""
INFERENCE_BATCH = 32
SINGLE_TEXTS = 500
"""Texts that the pipeline gets one by one; its seconds are scaled to all."""
WARMING_TEXTS = 50
TRAINING_GOAL, SORTED_GOAL, SINGLE_GOAL = 0.95, 0.95, 3.0
"""Ratios of speed that ours must reach at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What was measured on one set."""

    data: str
    settings: str
    """What the sides have in common."""
    seconds: Mapping[str, Sequence[float]]
    """Of epochs by `trial` and `bare loop`, of answering all texts by `Predictor`, `sorted loop` and `pipeline`."""


COMPARISONS = (
    ("training", "trial", "bare loop", TRAINING_GOAL),
    ("inference", "Predictor", "sorted loop", SORTED_GOAL),
    ("inference", "Predictor", "pipeline", SINGLE_GOAL),
)
"""What, ours, against, and the ratio of speed to reach."""


class EpochSeconds(TrainerCallback):  # type: ignore[misc]
    """Notes the seconds of each epoch, from before its first batch until after its last step."""

    seconds: list[float]

    def on_epoch_begin(self, *args: Any, **_: Any) -> None:
        """Start the clock."""
        self.began = time.process_time()

    def on_epoch_end(self, *args: Any, **_: Any) -> None:
        """Stop it, before the evaluation."""
        self.seconds.append(time.process_time() - self.began)


def main() -> None:
    """Measure both, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train-rows", type=int, default=2_000)
    parser.add_argument(
        "--texts", type=int, default=10_000, help="texts to answer; repeated if there are fewer"
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    measured = [measured_speed(file, options) for file in options.data]
    names = " ".join(
        f"{speed.data}/{file.name}" for speed, file in zip(measured, options.data, strict=True)
    )
    sizes = f"--train-rows {options.train_rows} --texts {options.texts} --rounds {options.rounds}"
    head = f"`python -m benchmarks.training_speed --data {names} {sizes}`: {machine_description()}"
    page = markdown(measured, head)
    options.page.write_text(page, encoding="utf-8")
    print(page)


def measured_speed(file: Path, options: argparse.Namespace) -> Speed:
    """Measure training and inference on the texts of a file."""
    work = Path(tempfile.mkdtemp(prefix="training-speed-"))
    try:
        spec = trial(file, work, options.train_rows)
        settings = settings_of(spec)
        epochs = measured_epochs(spec, work, options.rounds)
        texts = list(pd.read_parquet(file)["text"])
        asked = (texts * -(-options.texts // len(texts)))[: options.texts]
        answers = measured_answers(work / "trial" / "model", asked, options.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Speed(data=file.absolute().parent.name, settings=settings, seconds={**epochs, **answers})


def trial(file: Path, work: Path, train_rows: int) -> TrialSpec:
    """Return the order for the default trial of MiniLM with all weights, for some epochs, without early stopping."""
    table = stratified(pd.read_parquet(file)[["text", "label"]], train_rows * 5 // 4, seed=0)
    task = TASKS.get("text-classification")
    data = prepare(table, data_needs(task), columns={})
    (card,) = find_models([MODEL], ZOO.things)
    space = build_space("default", task, [card], [METHOD], data.profile, system_profile("cpu"))
    configuration = space.walk(
        lambda key, parameter: EPOCHS if parameter.name == "epochs" else parameter.default
    )
    folder = work / "data"
    folder.mkdir()
    spec = trial_spec(folder, task, data, card, configuration)
    # A limit, as searches set one: what watches it is part of our time.
    memory = system_profile("cpu").memory
    return replace(spec, threads=1, limits=Limits(memory=memory))


def measured_epochs(spec: TrialSpec, work: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of epochs of a trial and of the bare loop, alternating."""
    seconds: dict[str, list[float]] = {"trial": [], "bare loop": []}
    for _ in range(rounds):
        shutil.rmtree(work / "trial", ignore_errors=True)
        (work / "trial").mkdir()
        seconds["trial"] += trial_epochs(spec, work / "trial")
        seconds["bare loop"] += bare_epochs(spec)
    return seconds


def trial_epochs(spec: TrialSpec, folder: Path) -> list[float]:
    """Run a trial; return the seconds of its epochs."""

    class Clock(EpochSeconds):
        """The clock of this trial."""

        seconds: list[float] = []  # noqa: RUF012  the Trainer makes the object; the class is where we meet

    trainer.DEFAULT_CALLBACKS.append(Clock)
    try:
        run(spec, folder)
    finally:
        trainer.DEFAULT_CALLBACKS.remove(Clock)
    return Clock.seconds


def bare_epochs(spec: TrialSpec) -> list[float]:
    """Train as the trial does, in a loop of one's own; return the seconds of its epochs."""
    values = spec.configuration.values
    table = pd.read_parquet(Path(spec.data) / "train.parquet")
    tokenizer = AutoTokenizer.from_pretrained(spec.card.path)
    tokens = tokenizer(
        list(table["text"]), truncation=True, max_length=int(str(values["max_length"]))
    )["input_ids"]
    targets = np.array([spec.labels.index(label) for label in table["label"]])
    torch.manual_seed(spec.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        spec.card.path, num_labels=len(spec.labels)
    )
    model.train()
    size = int(str(values["batch_size"]))
    rate, decay = float(str(values["learning_rate"])), float(str(values["weight_decay"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay, fused=True)
    steps = EPOCHS * -(-len(tokens) // size)
    schedule = get_linear_schedule_with_warmup(
        optimizer, int(float(str(values["warmup_ratio"])) * steps), steps
    )
    lengths = [len(row) for row in tokens]
    rng = np.random.default_rng(spec.seed)
    seconds = []
    for _ in range(EPOCHS):
        began = time.process_time()
        for rows in batches_of_like_length(lengths, size, rng):
            inputs = tokenizer.pad(
                {"input_ids": [tokens[row] for row in rows]}, return_tensors="pt"
            )
            with autocast(values.get("precision")):
                logits = model(**inputs).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), torch.as_tensor(targets[rows]))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        seconds.append(time.process_time() - began)
    return seconds


@contextmanager
def autocast(precision: object) -> Iterator[None]:
    """Compute in the number format of a configuration or of a model's settings."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        yield


def measured_answers(model: Path, texts: list[str], rounds: int) -> dict[str, list[float]]:
    """Return the seconds for all texts, three ways, alternating; the first few texts are not counted."""
    predictor = Predictor(model, "cpu")
    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = AutoModelForSequenceClassification.from_pretrained(model).eval()
    single = pipeline("text-classification", model=classifier, tokenizer=tokenizer, device="cpu")
    length = predictor.settings.max_length
    precision = predictor.settings.precision
    some = texts[:: max(1, len(texts) // SINGLE_TEXTS)][:SINGLE_TEXTS]

    def by_predictor(asked: list[str]) -> None:
        predictor.answers(pd.DataFrame({"text": asked}))

    def by_sorted_loop(asked: list[str]) -> None:
        with autocast(precision):
            sorted_answers(classifier, tokenizer, asked, length)

    def one_by_one(asked: list[str]) -> None:
        single(asked, batch_size=1, truncation=True, max_length=length)

    seconds: dict[str, list[float]] = {"Predictor": [], "sorted loop": [], "pipeline": []}
    for answer in (by_predictor, by_sorted_loop, one_by_one):
        answer(some[:WARMING_TEXTS])
    for _ in range(rounds):
        seconds["Predictor"].append(seconds_of(by_predictor, texts))
        seconds["sorted loop"].append(seconds_of(by_sorted_loop, texts))
        seconds["pipeline"].append(seconds_of(one_by_one, some) * len(texts) / len(some))
    return seconds


def sorted_answers(model: Any, tokenizer: Any, texts: list[str], length: int) -> np.ndarray:
    """Return logits, from batches sorted by length."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    logits = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
    for start in range(0, len(texts), INFERENCE_BATCH):
        rows = order[start : start + INFERENCE_BATCH]
        batch = [texts[row] for row in rows]
        inputs = tokenizer(
            batch, truncation=True, max_length=length, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            logits[rows] = model(**inputs).logits.float().numpy()
    return logits


def seconds_of(answer: Callable[[list[str]], None], texts: list[str]) -> float:
    """Return how long some texts take."""
    began = time.process_time()
    answer(texts)
    return time.process_time() - began


def settings_of(spec: TrialSpec) -> str:
    """Return what both sides have in common, in a line."""
    values = spec.configuration.values
    rows = len(pd.read_parquet(Path(spec.data) / "train.parquet", columns=["label"]))
    names = ("batch_size", "learning_rate", "max_length", "precision")
    shared = ", ".join(f"{name} {values[name]}" for name in names)
    return f"{spec.card.name}, {rows:,} rows, {shared}"


def markdown(measured: Sequence[Speed], head: str) -> str:
    """Return the page.

    Args:
        measured: A set each.
        head: Command and machine.
    """
    lines = [
        "# Training and inference speed",
        "",
        head,
        "",
        "Seconds of the processor, medians; the ratio is that of speed.",
        "",
        "| data | what | ours (s) | against | its seconds | ratio | goal | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for speed in measured:
        for what, ours, other, goal in COMPARISONS:
            own_seconds = statistics.median(speed.seconds[ours])
            other_seconds = statistics.median(speed.seconds[other])
            ratio = other_seconds / own_seconds
            met = "yes" if ratio >= goal else "**no**"
            cells = [
                speed.data,
                f"{what}: {ours}",
                f"{own_seconds:.2f}",
                other,
                f"{other_seconds:.2f}",
                f"{ratio:.2f}",
                f"{goal:g}",
                met,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "All values, in seconds:", ""]
    for speed in measured:
        lines.append(f"- {speed.data} ({speed.settings})")
        for name, values in speed.seconds.items():
            lines.append(f"    - {name}: {', '.join(f'{value:.2f}' for value in values)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
