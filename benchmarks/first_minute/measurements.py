"""Keep what was measured: one line of JSON for a system on a set's rows of one seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

TOLERANCE = 0.03
"""An answer counts for a time if it is there this share later: the overshoot of a budget that is still allowed."""


class System(StrEnum):
    """What is compared."""

    TFIDF = "tfidf"
    """TF-IDF of words and pairs of words, logistic regression."""
    PROBE = "probe"
    """Frozen MiniLM, mean pooling, logistic regression."""
    TRAINER = "trainer"
    """The Trainer of transformers at its defaults: learning rate 5e-5, batch 8, 3 epochs."""
    TRAINER_TUNED = "trainer-1e-4"
    """The Trainer with learning rate 1e-4 and batch 16."""
    SETFIT = "setfit"
    """SetFit, in an interpreter that has it."""
    POLICY = "policy"
    """The probe, then full fine-tuning that starts from its weights; no search."""
    OURS = "ours"
    """`xautolm fit` with an empty cache and an empty store, and without the starter store."""
    OURS_STARTED = "ours-started"
    """The same with the starter store, but for what it has of the same sentences."""
    OURS_REFIT = "ours-refit"
    """As `ours`, with the winner trained once more on the rows of training and validation together."""
    OURS_EXPERIENCED = "ours-experienced"
    """As `ours-refit`, with what the searches of the same seed on sets of other sentences have left in their stores."""
    OURS_BEFORE = "ours-before"
    """The same of an earlier version."""

    @property
    def has_budget(self) -> bool:
        """Return whether it is told how long it may take; the others end when they are done."""
        return self.value.startswith(System.OURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """An answer: the model that the system would give away from this moment on."""

    seconds: float
    """Since the start of the system's process, without the scoring of earlier checkpoints on the test split."""
    f1_macro: float
    """On the test split, which the system never sees."""
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """How a search spent its budget."""

    seconds: float
    """From the start of the process to its end."""
    first_step_seconds: float | None
    """Until the first trial began to compute; None if no trial gave a result."""
    warm_first_step_seconds: float | None
    """The same of the same command again, with what the first one left in cache and store."""
    trials: int
    cut_trials: int
    """Trials that were stopped in the middle of their schedule."""
    trial_seconds: float
    """Of all trials together."""
    weak_seconds: float
    """Of trials that failed, or stayed below 60 % of the run's best."""
    failed_trials: int | None = None
    """None in measurements from before they were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A system on the rows of one set and seed."""

    dataset: str
    seed: int
    system: System
    minutes: float | None
    """The budget; None for systems that have none."""
    train_rows: int
    validation_rows: int
    test_rows: int
    checkpoints: tuple[Checkpoint, ...]
    """In the order of time."""
    facts: RunFacts | None = None
    """Of searches only."""
    machine: str = ""
    commit: str = ""
    load: float = 0.0
    """Programs that wanted to run in the minute before it began; more than one besides makes its seconds doubtful."""

    @property
    def key(self) -> tuple[str, int, System, float | None, int]:
        """Return what makes a second measurement superfluous."""
        return self.dataset, self.seed, self.system, self.minutes, self.train_rows

    def answer_at(self, seconds: float) -> Checkpoint | None:
        """Return the answer that is there at a time, or None."""
        there = [
            checkpoint
            for checkpoint in self.checkpoints
            if checkpoint.seconds <= seconds * (1 + TOLERANCE)
        ]
        return there[-1] if there else None


def append(path: Path, measurement: Measurement) -> None:
    """Add a line to the file of measurements."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(measurement)) + "\n")


def read(path: Path) -> list[Measurement]:
    """Return the measurements of a file; none if there is no such file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_measurement(json.loads(line)) for line in lines]


def read_checkpoints(path: Path) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that a baseline's process wrote, one line of JSON each."""
    if not path.exists():
        return ()
    return tuple(
        _checkpoints(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    )


def wanted_keys(
    datasets: Sequence[str],
    seeds: Sequence[int],
    systems: Sequence[System],
    minutes: Sequence[float],
) -> Iterator[tuple[str, int, System, float | None]]:
    """Yield what is to be measured; a system with budgets once for each of them."""
    for dataset in datasets:
        for seed in seeds:
            for system in systems:
                budgets: Sequence[float | None] = minutes if system.has_budget else [None]
                for budget in budgets:
                    yield dataset, seed, system, budget


def _measurement(plain: dict[str, Any]) -> Measurement:
    facts = plain.pop("facts")
    plain["system"] = System(plain["system"])
    plain["checkpoints"] = tuple(_checkpoints(plain["checkpoints"]))
    return Measurement(**plain, facts=RunFacts(**facts) if facts else None)


def _checkpoints(lines: Any) -> Iterator[Checkpoint]:
    for line in lines:
        yield Checkpoint(**line)
