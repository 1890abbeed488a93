"""Public fakes: play a search without processes or models, and data made up for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from xautolm.data import Dataset
from xautolm.data.stored import split_path
from xautolm.execution.failures import checked, failed, failure_of
from xautolm.metrics import metric_named
from xautolm.records import (
    Answering,
    Configuration,
    DataProfile,
    Experience,
    Limits,
    ModelCard,
    Scalar,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
    as_int,
    experience_id,
)
from xautolm.resources import FEATURE_BATCH
from xautolm.run_folder import ANSWERING
from xautolm.serialization import to_plain, write_json
from xautolm.tasks import TASKS, Task, form_of
from xautolm.testing.outcomes import success
from xautolm.trial_folder import PARTIAL_ROWS, TrialFolder, pruned_outcome
from xautolm.vocabulary import Split

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
        TrialFolder(folder).write_spec(spec)
        self.specs.append(spec)
        self.waiting[spec.number] = (spec, folder)

    def running(self) -> dict[int, Path]:
        """Return the folders of the noted trials."""
        return {number: folder for number, (_, folder) in self.waiting.items()}

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Play all noted trials."""
        ended = []
        for number, (spec, folder) in self.waiting.items():
            try:
                outcome = checked(self.play(spec))
            except Exception as error:
                # Whatever a trial raises is a result, as it is in a process of its own.
                outcome = failed(failure_of(error))
            self._leave(spec, folder, outcome)
            ended.append((number, outcome))
        self.waiting.clear()
        return ended

    def _leave(self, spec: TrialSpec, folder: Path, outcome: TrialOutcome) -> None:
        """Write what a trial leaves in its folder."""
        trial = TrialFolder(folder)
        # No weights: what a search keeps as `best/` is this folder, of which it reads only how the model answers.
        trial.model.mkdir(exist_ok=True)
        task = TASKS.get(spec.task)
        form = form_of(task.forms, spec.card.architecture, spec.configuration.values)
        answering = Answering(task=spec.task, form=form.name, max_length=8)
        write_json(trial.model / ANSWERING, to_plain(answering))
        trial.write_outcome(outcome)

    def cancel(self, number: int) -> None:
        """Do nothing: a trial that is played as a whole has ended before anyone could stop it."""

    def close(self) -> None:
        """Forget what was noted."""
        self.waiting.clear()


class SteppingExecutor(FakeExecutor):
    """Plays each trial evaluation by evaluation, one at each call of `finished`, as a real one writes its progress.

    Args:
        curve: Gives what a trial writes: lines with `epoch`, `step`, `steps`, `seconds` and metrics. A trial that is
            not cancelled ends complete, with the metrics of its best line.
    """

    def __init__(self, curve: Callable[[TrialSpec], Sequence[Mapping[str, float]]]) -> None:
        super().__init__(self._outcome)
        self.curve = curve
        self.cancelled: set[int] = set()

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Let each running trial write a line; those that are cancelled, or wrote their last one before, end."""
        ended = []
        # A copy, since trials that end are taken out on the way.
        for number, (spec, folder) in list(self.waiting.items()):
            lines = self.curve(spec)
            trial = TrialFolder(folder)
            written = len(trial.progress_lines())
            if number not in self.cancelled and written < len(lines):
                trial.add_progress(lines[written])
                continue
            if number in self.cancelled:
                lead = metric_named(spec.metric).objective
                outcome = pruned_outcome(trial, spec, lead)
                # Nobody cancels a trial before it has written a score, by which it is judged.
                assert outcome is not None
            else:
                outcome = self.play(spec)
            self._leave(spec, folder, outcome)
            del self.waiting[number]
            ended.append((number, outcome))
        return ended

    def cancel(self, number: int) -> None:
        """Let a trial be the next to end, as pruned."""
        self.cancelled.add(number)

    def _outcome(self, spec: TrialSpec) -> TrialOutcome:
        lines = self.curve(spec)
        # A look at a sample inside an epoch is an estimate, and no score of the trial.
        whole = [line for line in lines if PARTIAL_ROWS not in line]
        objective = metric_named(spec.metric).objective
        best = max(whole, key=objective.standing)
        metrics = {name: best[name] for name in spec.metrics}
        seconds = lines[-1]["seconds"]
        return replace(success(seconds, **metrics), history=tuple(whole))


def made_up_experience(
    trial: int,
    configuration: Configuration | None = None,
    outcome: TrialOutcome | None = None,
    *,
    wall_time: float = 1.0,
    run: str = "made-up",
) -> Experience:
    """Build the experience of a trial on data and a machine that do not exist.

    Args:
        trial: Its number.
        configuration: What it ran; some model and method by default.
        outcome: What came of it; a success with an `f1_macro` of 0.5 by default.
        wall_time: Seconds that it took, if no outcome is given.
        run: The run that it belongs to.
    """
    configuration = configuration or Configuration(
        values={"model": "tiny", "method": "full.v1", "n": trial}, space="toy.v1"
    )
    data = DataProfile(
        train_examples=100,
        validation_examples=20,
        classes=2,
        tokens_mean=20.0,
        tokens_max=60,
        fingerprint="f" * 16,
        source_fingerprint="5" * 16,
        name="made-up",
    )
    return Experience(
        id=experience_id(run, trial, configuration),
        # Always the same, so that experiences that are made up alike are equal.
        created="2025-01-01T00:00:00+00:00",
        run=run,
        trial=trial,
        task="text-classification",
        data=data,
        system=made_up_machine(),
        configuration=configuration,
        outcome=outcome or success(seconds=wall_time, f1_macro=0.5),
        limits=Limits(),
        objectives=("f1_macro", "evaluation_time"),
        seed=0,
        versions={},
    )


def made_up_machine() -> SystemProfile:
    """Build the profile of a small machine that does not exist."""
    return SystemProfile(
        physical_cores=2, logical_cores=4, cpu_frequency=3.0, memory=16 * 10**9, device="cpu"
    )


def made_up_card() -> ModelCard:
    """Build the card of a small encoder that does not exist."""
    return ModelCard(
        name="tiny",
        hub_id="someone/tiny",
        family="bert",
        parameters=4_000_000,
        hidden_size=128,
        layers=4,
        positions=512,
        vocabulary=1_000,
        licence="mit",
        languages="en",
        lora_targets=("query", "value"),
    )


def made_up_spec(number: int, limits: Limits | None = None, **values: Scalar) -> TrialSpec:
    """Build the order for a trial of a model that does not exist.

    Args:
        number: Of the trial.
        limits: What it may use; everything by default.
        **values: Hyperparameters of its configuration, besides model and method.
    """
    return TrialSpec(
        number=number,
        configuration=Configuration(
            values={"model": "tiny", "method": "full.v1", **values}, space="toy.v1"
        ),
        task="text-classification",
        labels=("a", "b"),
        card=made_up_card(),
        data="",
        tokens="",
        metric="f1_macro",
        metrics=("f1_macro",),
        limits=limits or Limits(),
        micro_batch=1,
        device="cpu",
        threads=1,
        seed=0,
    )


def trial_spec(
    folder: Path, task: Task, data: Dataset, card: ModelCard, configuration: Configuration
) -> TrialSpec:
    """Return the order for a real trial on this machine's processor; the splits are written to `folder`."""
    data.train.to_parquet(split_path(folder, Split.TRAIN))
    data.validation.to_parquet(split_path(folder, Split.VALIDATION))
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
        # A probe trains nothing in batches; it only computes features in them.
        micro_batch=as_int(configuration.values.get("batch_size", FEATURE_BATCH)),
        device="cpu",
        threads=1,
        seed=0,
    )


def lookup_questions(rows: int, seed: int, facts: int = 3) -> pd.DataFrame:
    """Make up questions whose answers stand in their contexts: columns context, question, answers.

    Args:
        rows: Their number.
        seed: Same seed, same questions.
        facts: In each context; the answer is one of eight things, and one of as many in the context.
    """
    rng = random.Random(seed)
    questions = []
    for _ in range(rows):
        people = rng.sample(PEOPLE, facts)
        things = rng.sample(THINGS, facts)
        fact = rng.randrange(facts)
        sentences = []
        for person, thing in zip(people, things, strict=True):
            sentences.append(f"{person} has the {thing}.")
        row = {
            "context": " ".join(sentences),
            "question": f"What does {people[fact]} have?",
            "answers": [things[fact]],
        }
        questions.append(row)
    return pd.DataFrame(questions)
