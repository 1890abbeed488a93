"""Public fakes: play a search without processes or models, and data made up for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from xautolm.data import Dataset
from xautolm.documents import to_plain, write_json
from xautolm.execution.failures import checked, failed, failure_of
from xautolm.records import Configuration, Limits, ModelCard, TrialOutcome, TrialSpec
from xautolm.run_folder import ANSWERING
from xautolm.tasks import Task
from xautolm.vocabulary import TrialStatus

PEOPLE = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jan")
THINGS = ("apple", "book", "chair", "drum", "egg", "fork", "glove", "hat")
Play = Callable[[TrialSpec], TrialOutcome]


class FakeExecutor:
    """Plays each trial as a function of its spec; an exception is a failure, as in a real trial.

    Args:
        play: Gives the outcome of a trial; see `success`.

    Example:
        >>> executor = FakeExecutor(lambda spec: success(f1_macro=0.9, seconds=12.0))
    """

    def __init__(self, play: Play) -> None:
        self.play = play
        self.specs: list[TrialSpec] = []
        self.waiting: dict[int, tuple[TrialSpec, Path]] = {}

    def start(self, spec: TrialSpec, folder: Path) -> None:
        """Note the trial."""
        write_json(folder / "spec.json", to_plain(spec))
        self.specs.append(spec)
        self.waiting[spec.number] = (spec, folder)

    def running(self) -> dict[int, Path]:
        """The folders of the noted trials."""
        return {number: folder for number, (_, folder) in self.waiting.items()}

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Play all noted trials."""
        ended = []
        for number, (spec, folder) in self.waiting.items():
            try:
                outcome = checked(self.play(spec))
            except Exception as error:
                outcome = failed(failure_of(error))
            (folder / "model").mkdir(exist_ok=True)
            write_json(folder / "model" / ANSWERING, {"task": spec.task, "form": "classify", "max_length": 8})
            write_json(folder / "result.json", to_plain(outcome))
            ended.append((number, outcome))
        self.waiting.clear()
        return ended

    def close(self) -> None:
        """Forget what was noted."""
        self.waiting.clear()


def success(seconds: float = 1.0, **metrics: float) -> TrialOutcome:
    """A complete outcome with these metrics after one epoch."""
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics=metrics,
        history=({"epoch": 1.0, "seconds": seconds, **metrics},),
        evaluation_time=seconds,
        wall_time=seconds,
    )


def trial_spec(folder: Path, task: Task, data: Dataset, card: ModelCard, configuration: Configuration) -> TrialSpec:
    """The order for a real trial on this machine's processor; the splits are written to `folder`."""
    data.train.to_parquet(folder / "train.parquet")
    data.validation.to_parquet(folder / "validation.parquet")
    return TrialSpec(
        number=0,
        configuration=configuration,
        task=task.name,
        labels=data.labels,
        card=card,
        data=str(folder),
        tokens=str(folder / "tokens"),
        metric=task.metrics[0],
        metrics=task.metrics,
        limits=Limits(),
        micro_batch=int(str(configuration.values["batch_size"])),
        device="cpu",
        threads=2,
        seed=0,
    )


def lookup_questions(rows: int, seed: int, facts: int = 3) -> pd.DataFrame:
    """Made-up questions whose answers stand in their contexts: columns context, question, answers.

    Args:
        rows: Their number.
        seed: Same seed, same questions.
        facts: In each context; the answer is one of eight things, and one of as many in the context.
    """
    rng = random.Random(seed)
    found = []
    for _ in range(rows):
        people, things = rng.sample(PEOPLE, facts), rng.sample(THINGS, facts)
        asked = rng.randrange(facts)
        context = " ".join(f"{person} has the {thing}." for person, thing in zip(people, things, strict=True))
        question = f"What does {people[asked]} have?"
        found.append({"context": context, "question": question, "answers": [things[asked]]})
    return pd.DataFrame(found)
