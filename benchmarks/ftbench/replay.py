"""Replay the table: what a configuration gives on a task, looked up among the trials that really ran there.

A search proposes any configuration of the task's space; what it is told is the nearest one of the table that it has not
looked up yet. So nothing is made up: qualities, seconds and failures are those that were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.ftbench.collect import MODELS
from benchmarks.ftbench.tasks import TASKS as BENCHMARK_TASKS
from benchmarks.ftbench.tasks import BenchmarkTask
from xautolm.experience import import_experiences
from xautolm.metrics import METRICS
from xautolm.objectives import TIME, Objective
from xautolm.records import BODY_SECONDS, Configuration, Experience, Scalar, Values
from xautolm.search.encoding import Encoder
from xautolm.search_space import build_space
from xautolm.space import Space
from xautolm.tasks import TASKS
from xautolm.vocabulary import Preset
from xautolm.zoo import ZOO

DECISIVE = {"model": 4.0, "method": 4.0, "form": 2.0}
"""How many times as much as another parameter these count in the distance of two configurations: all else is opened by
them."""
FEWEST_SUCCESSES = 5
"""Of a task: with fewer, ranks and fronts of its trials say nothing."""
TIES = 1e-9
"""Largest difference of distances that chance decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTask:
    """A task of the table, and the trials that were run on it."""

    task: BenchmarkTask
    space: Space
    """The preset's, for the task's data and the machine on which the trials ran."""
    experiences: Sequence[Experience]
    """Those whose configurations lie in the space."""

    @property
    def name(self) -> str:
        """Return the name of the data set's folder."""
        return self.task.name

    @property
    def lead(self) -> Objective:
        """Return the quality."""
        metric = TASKS.get(self.task.task).metrics[0]
        return METRICS.get(metric).objective

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Return quality and evaluation time."""
        return (self.lead, TIME)

    @property
    def features(self) -> Mapping[str, float]:
        """Return the meta-features as plain numbers by name."""
        numbers: dict[str, float] = {}
        for group, values in self.experiences[0].features.items():
            for position, value in enumerate(values):
                numbers[f"{group} {position}"] = value
        return numbers

    @property
    def successes(self) -> Sequence[Experience]:
        """Return the trials that have a result."""
        return [experience for experience in self.experiences if not experience.outcome.failed]

    def quality(self, experience: Experience) -> float | None:
        """Return what a trial reached, larger is better; None for a failure."""
        if experience.outcome.failed:
            return None
        return self.lead.standing(experience.outcome.metrics)


def read_tasks(file: Path, preset: Preset = Preset.DEFAULT) -> dict[str, ReplayTask]:
    """Return the tasks of a table by name, each with the trials of a preset."""
    by_name: dict[str, list[Experience]] = {}
    for experience in import_experiences(file).experiences:
        name = Path(experience.data.name).stem
        is_of_preset = experience.configuration.space.startswith(f"{preset}.")
        if is_of_preset and experience.outcome.is_evidence:
            by_name.setdefault(name, []).append(experience)
    tasks: dict[str, ReplayTask] = {}
    for name, experiences in by_name.items():
        task = BENCHMARK_TASKS[name]
        space = space_of(task, experiences[0], preset)
        inside = [
            experience
            for experience in experiences
            if not space.problems(experience.configuration.values)
        ]
        tasks[name] = ReplayTask(task=task, space=space, experiences=inside)
    return tasks


def space_of(task: BenchmarkTask, experience: Experience, preset: Preset) -> Space:
    """Return the space that the trials of a task were drawn from, given one of them."""
    cards = [ZOO.get(name) for name in MODELS]
    return build_space(preset, TASKS.get(task.task), cards, (), experience.data, experience.system)


@dataclass(slots=True)
class LookUp:
    """A table of trials from which a search takes one after the other.

    Args:
        task: The task.
        seed: Decides between configurations that are as near.
    """

    task: ReplayTask
    seed: int
    rows: np.ndarray = field(init=False)
    """Encoded configurations of the table, weighted by how decisive each column is, shape (trials, columns)."""
    scale: np.ndarray = field(init=False)
    """Weights of the columns, shape (columns,)."""
    encoder: Encoder = field(init=False)
    taken: list[int] = field(default_factory=list)
    """Positions of the trials that were looked up, in order."""
    bodies: set[tuple[str, Scalar | None]] = field(default_factory=set)
    """Models and lengths of which this search has the features."""

    def __post_init__(self) -> None:
        self.encoder = Encoder.of_space(self.task.space)
        weights = [DECISIVE.get(column.name, 1.0) for column in self.encoder.columns]
        self.scale = np.asarray(weights)
        configurations = [trial.configuration.values for trial in self.task.experiences]
        self.rows = self.encoder.rows(configurations) * self.scale

    def look(self, values: Values) -> Experience:
        """Return the nearest trial that was not looked up yet."""
        position = self._nearest(values)
        self.taken.append(position)
        return self._in_this_order(self.task.experiences[position])

    def nearest(self, values: Values) -> Experience:
        """Return the same without looking it up."""
        return self.task.experiences[self._nearest(values)]

    def _nearest(self, values: Values) -> int:
        """Return the position of the nearest trial that was not looked up yet."""
        row = self.encoder.rows([values])[0] * self.scale
        distances = np.abs(self.rows - row).sum(axis=1)
        rng = np.random.default_rng([self.seed, len(self.taken)])
        distances = distances + TIES * rng.random(len(distances))
        distances[self.taken] = np.inf
        return int(distances.argmin())

    def _in_this_order(self, experience: Experience) -> Experience:
        """Return a trial with the wall time that it has in this search.

        The first probe on a body computes its features, whichever probe that was when the table was collected.
        """
        outcome = experience.outcome
        if outcome.failed or BODY_SECONDS not in outcome.history[-1]:
            return experience
        last = outcome.history[-1]
        configuration = experience.configuration
        body = configuration.model, configuration.values.get("max_length")
        assert outcome.evaluation_time is not None
        spared = outcome.evaluation_time - last["seconds"]
        wall_time = outcome.wall_time
        if body in self.bodies:
            wall_time -= last[BODY_SECONDS]
        else:
            wall_time += spared
        self.bodies.add(body)
        return replace(experience, outcome=replace(outcome, wall_time=wall_time))

    @property
    def is_exhausted(self) -> bool:
        """Return whether every trial was looked up."""
        return len(self.taken) == len(self.task.experiences)


def configuration_of(task: ReplayTask, values: Values) -> Configuration:
    """Return values as a configuration of a task's space."""
    return Configuration(values=values, space=task.space.name)
