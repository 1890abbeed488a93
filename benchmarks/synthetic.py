"""A made-up world of fine-tuning tasks, quick enough to search thousands of times: correlated tasks, costs, failures.

A task has a size, a difficulty, and hidden preferences: how good each model is for it, and which learning rate suits
which method. Related tasks share most of these. A configuration fails for reasons that carry over between tasks: large
models with large batches and long inputs run out of memory, high learning rates of some methods diverge, and slow
configurations pass the time limit. Nothing here is fitted to any strategy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Features,
    Limits,
    Scalar,
    SystemProfile,
    TrialOutcome,
    digest_of,
    experience_id,
)
from xautolm.space import Branch, Choice, Float, Int, Space
from xautolm.vocabulary import FailureKind, TrialStatus

CHEAP = {"nano": 0.2, "micro": 1.0}
"""Models and their parameters in millions: far cheaper than the others, as those trained from scratch are, and poor."""
SIZES = {
    **CHEAP,
    "tiny": 5.0,
    "mini": 20.0,
    "small": 45.0,
    "base": 110.0,
    "wide": 180.0,
    "large": 340.0,
    "huge": 700.0,
}
"""Models and their parameters in millions."""
METHODS = {"full.v1": 1.0, "partial.v1": 0.6, "lora.v1": 0.7, "head.v1": 0.35}
"""Methods and their cost relative to full fine-tuning."""
BEST_RATES = {"full.v1": -4.5, "partial.v1": -4.0, "lora.v1": -3.3, "head.v1": -2.6}
"""Base-10 logarithms of the learning rates that suit the methods, before a task's own preference."""
TASK = "text-classification"
TIME_LIMIT = 3600.0
MEMORY = 24.0
"""GB of the made-up GPU."""
SYSTEM = SystemProfile(
    physical_cores=8,
    logical_cores=16,
    cpu_frequency=3.0,
    memory=64_000_000_000,
    device="cpu",
    gflops=500.0,
)
OBJECTIVES = ("f1_macro", "evaluation_time")


def _leaf(name: str) -> Space:
    rate = Float(name="learning_rate", low=1e-6, high=1e-2, default=1e-4, log=True)
    own = (Int(name="lora_r", low=1, high=64, default=8, log=True),) if name == "lora.v1" else ()
    return Space(name, (rate, *own))


def _model(name: str) -> Space:
    return Space(
        name, (Branch(name="method", branches={m: _leaf(m) for m in METHODS}, default="full.v1"),)
    )


SPACE = Space(
    "synthetic.v1",
    (
        Branch(name="model", branches={name: _model(name) for name in SIZES}, default="base"),
        Choice(name="batch_size", options=(8, 16, 32, 64, 128, 256), default=16),
        Choice(name="max_length", options=(64, 128, 256, 512), default=128),
        Int(name="epochs", low=1, high=10, default=3),
        Float(name="dropout", low=0.0, high=0.5, default=0.1),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A made-up task."""

    name: str
    examples: int
    classes: int
    ceiling: float
    """The best F1 that any configuration can reach."""
    fit: dict[str, float]
    """How much of the ceiling each model can reach, between 0.6 and 1."""
    rate_shift: float
    """What is added to the best logarithmic learning rate of every method."""
    length: int
    """Inputs shorter than this lose quality."""

    @property
    def features(self) -> Features:
        """What a search can know of it: sizes and lengths, in the places of the paper's features."""
        share = 1 / self.classes
        numbers = (self.examples, self.classes, math.log2(self.classes), share, share, 1.0)
        lengths = (4.0 * self.length, 2.0 * self.length, 0.5, 0.9 * self.ceiling)
        return {
            "classification-paper.v1": (*map(float, numbers), *lengths),
            "system-paper.v1": (8.0, 16.0, 3.0, 64.0, 24.0),
        }

    @property
    def data(self) -> DataProfile:
        """As far as a record needs it."""
        return DataProfile(
            train_examples=self.examples,
            validation_examples=self.examples // 5,
            classes=self.classes,
            tokens_mean=float(self.length),
            tokens_max=4 * self.length,
            fingerprint=digest_of(self.name),
            source_fingerprint=digest_of(self.name),
            name=self.name,
        )


def related_tasks(count: int, seed: int, kinship: float = 0.85) -> list[Task]:
    """Tasks that share a common nature as far as `kinship` says: 1 for the same preferences, 0 for unrelated ones."""
    rng = np.random.default_rng([seed, 1])
    shared_fit, shared_shift = rng.random(len(SIZES)), rng.normal(0, 0.4)
    tasks = []
    for number in range(count):
        fit = kinship * shared_fit + (1 - kinship) * rng.random(len(SIZES))
        # Larger models are better on average, but not always.
        fit = 0.6 * fit / fit.max() + 0.4 * np.linspace(0.3, 1.0, len(SIZES))
        fit = 0.6 + 0.4 * (fit - fit.min()) / np.ptp(fit)
        fit[: len(CHEAP)] *= 0.6
        tasks.append(
            Task(
                name=f"task-{seed}-{number}",
                examples=int(10 ** rng.uniform(3.3, 4.3)),
                classes=int(rng.integers(2, 8)),
                ceiling=float(rng.uniform(0.6, 0.95)),
                fit=dict(zip(SIZES, map(float, fit), strict=True)),
                rate_shift=float(kinship * shared_shift + (1 - kinship) * rng.normal(0, 0.4)),
                length=int(2 ** rng.integers(5, 9)),
            )
        )
    return tasks


def reversed_task(task: Task) -> Task:
    """The task with its ranking of models turned round and its learning rates mirrored: experience that misleads."""
    return Task(
        name=f"{task.name}-reversed",
        examples=task.examples,
        classes=task.classes,
        ceiling=task.ceiling,
        fit={name: 1.6 - value for name, value in task.fit.items()},
        rate_shift=-task.rate_shift - 1.5,
        length=task.length,
    )


def play(task: Task, values: dict[str, Scalar]) -> TrialOutcome:
    """What comes of a configuration; the same every time, with a noise that depends on task and configuration."""
    model, method = str(values["model"]), str(values["method"])
    rate, batch, length = (
        float(str(values[name])) for name in ("learning_rate", "batch_size", "max_length")
    )
    epochs, dropout = int(str(values["epochs"])), float(str(values["dropout"]))
    rng = np.random.default_rng(abs(hash_of(task.name, values)))
    seconds = (
        0.01 * task.examples * epochs * METHODS[method] * SIZES[model] / 110 * (length / 128) ** 0.8
        + 5
    )
    seconds *= float(np.exp(rng.normal(0, 0.05)))
    memory = (
        SIZES[model] * (16 if method == "full.v1" else 6) / 1000
        + SIZES[model] ** 0.5 * batch * length / 40_000
    )
    if memory > MEMORY:
        return _failed(FailureKind.OUT_OF_MEMORY, 10.0)
    if seconds > TIME_LIMIT:
        return _failed(FailureKind.TIMEOUT, TIME_LIMIT)
    off = math.log10(rate) - BEST_RATES[method] - task.rate_shift
    if off > 1.2:
        return _failed(FailureKind.DIVERGED, seconds / 3)
    learned = 1 - math.exp(-epochs * (1.2 if method != "head.v1" else 0.6) * 10 ** min(off, 0.0))
    quality = task.fit[model] * learned * math.exp(-0.5 * (off / 0.8) ** 2)
    quality *= 0.85 if method == "head.v1" else 0.97 if method == "partial.v1" else 1.0
    quality *= (
        min(1.0, (length / task.length) ** 0.2)
        * (1 - 0.15 * abs(dropout - 0.15))
        * (1 - 0.02 * abs(math.log2(batch / 32)))
    )
    score = min(max(task.ceiling * quality + rng.normal(0, 0.005), 0.02), 1.0)
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics={"f1_macro": score},
        evaluation_time=seconds,
        wall_time=seconds,
    )


def experience(
    task: Task, run: str, number: int, configuration: Configuration, outcome: TrialOutcome
) -> Experience:
    """The record of a trial."""
    return Experience(
        id=experience_id(run, number, configuration),
        created="2026-01-01T00:00:00+00:00",
        run=run,
        trial=number,
        task=TASK,
        data=task.data,
        system=SYSTEM,
        configuration=configuration,
        outcome=outcome,
        limits=Limits(seconds=TIME_LIMIT),
        objectives=OBJECTIVES,
        seed=0,
        versions={},
        features=task.features,
    )


def hash_of(name: str, values: dict[str, Scalar]) -> int:
    """A number that depends on a task and a configuration only."""
    return int(digest_of([name, values])[:12], 16)


def _failed(kind: FailureKind, seconds: float) -> TrialOutcome:
    failure = Failure(kind=kind, message="in the made-up world")
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=seconds)
