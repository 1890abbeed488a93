"""A surrogate of each task of the table: what a configuration would give there, as forests foresee it.

A look-up tells a search of the nearest trial that it has not looked up yet, which on tasks of some thirty trials is
often one that it did not ask for. Here it is told of the very configuration that it asked for, at the price that this
is a model's word. The forests know all trials of all tasks of a type, the target's too, which no search does; how far
they can be trusted is what `fidelity` says of trials that they have not seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import roc_auc_score

from benchmarks.ftbench.measures import Scale
from benchmarks.ftbench.replay import FEWEST_SUCCESSES, LookUp, ReplayTask, configuration_of
from xautolm.records import BODY_SECONDS, Experience, Scalar, TrialOutcome, Values
from xautolm.search.encoding import Encoder
from xautolm.space import Prior
from xautolm.vocabulary import TrialStatus

TREES = 100
FOLDS = 10
"""Of the trials of a type of tasks, when the surrogates are judged."""
LIKELY = 0.5
"""Chance from which on a trial fails: on this table, limits decide that, not luck."""
SAMPLE = 2_000
"""Random configurations by which qualities and times of a surrogate become numbers from 0 to 1."""
RANDOM_STATE = 0
MODELLED = "text-classification"
"""Type of the tasks that have a surrogate: the two tasks of questions have thirteen successes between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forests:
    """Foresee trials of the tasks of one type.

    A row is an encoded configuration and, one column for each task, whose it is.
    """

    quality: RandomForestRegressor
    """From 0 to 1, the worst to the best success of the task."""
    seconds: RandomForestRegressor
    """The logarithm of an evaluation's seconds."""
    failure: RandomForestClassifier

    @classmethod
    def grown(cls, trials: Trials) -> Forests:
        """Learn from trials."""
        succeeded = ~trials.failed
        quality = RandomForestRegressor(TREES, max_features=0.5, random_state=RANDOM_STATE)
        seconds = RandomForestRegressor(TREES, max_features=0.5, random_state=RANDOM_STATE)
        failure = RandomForestClassifier(TREES, max_features=0.5, random_state=RANDOM_STATE)
        return cls(
            quality=quality.fit(trials.rows[succeeded], trials.qualities[succeeded]),
            seconds=seconds.fit(trials.rows[succeeded], trials.seconds[succeeded]),
            failure=failure.fit(trials.rows, trials.failed),
        )

    def chance_of_failure(self, rows: np.ndarray) -> np.ndarray:
        """Return the chance that each of some rows fails, shape (rows,)."""
        chances = self.failure.predict_proba(rows)
        # Of trials that all failed, or all succeeded, a forest knows one class only.
        if len(self.failure.classes_) == 1:
            return np.full(len(rows), float(self.failure.classes_[0]))
        return np.asarray(chances[:, 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Trials as the forests see them."""

    rows: np.ndarray
    """Shape (trials, columns)."""
    tasks: np.ndarray
    """Names, shape (trials,)."""
    qualities: np.ndarray
    """From 0 to 1; NaN for a failure; shape (trials,)."""
    seconds: np.ndarray
    """Logarithms, shape (trials,)."""
    failed: np.ndarray
    """Shape (trials,)."""

    @classmethod
    def of(cls, tasks: Sequence[ReplayTask]) -> Trials:
        """Read the trials of tasks of one type."""
        rows, names, qualities, seconds, failed = [], [], [], [], []
        for task in tasks:
            configurations = [trial.configuration.values for trial in task.experiences]
            rows.append(rows_of(task, tasks, configurations))
            lowest, spread = range_of(task)
            for trial in task.experiences:
                quality = task.quality(trial)
                names.append(task.name)
                failed.append(quality is None)
                qualities.append(math.nan if quality is None else (quality - lowest) / spread)
                seconds.append(math.log(trial.outcome.evaluation_time or trial.outcome.wall_time))
        return cls(
            rows=np.vstack(rows),
            tasks=np.asarray(names),
            qualities=np.asarray(qualities),
            seconds=np.asarray(seconds),
            failed=np.asarray(failed),
        )

    def of_positions(self, positions: np.ndarray) -> Trials:
        """Return some of the trials."""
        return Trials(
            rows=self.rows[positions],
            tasks=self.tasks[positions],
            qualities=self.qualities[positions],
            seconds=self.seconds[positions],
            failed=self.failed[positions],
        )


def rows_of(
    task: ReplayTask, tasks: Sequence[ReplayTask], configurations: Sequence[Values]
) -> np.ndarray:
    """Return configurations of a task as rows for the forests of its type."""
    # By one space for all of them, so that a column means the same in each.
    encoded = Encoder.of_space(tasks[0].space).rows(configurations)
    is_task = np.asarray([other.name == task.name for other in tasks], dtype=float)
    return np.hstack([encoded, np.tile(is_task, (len(encoded), 1))])


def range_of(task: ReplayTask) -> tuple[float, float]:
    """Return the worst quality of a task's successes, and how far the best is from it."""
    qualities = [task.quality(trial) for trial in task.successes]
    lowest = min(qualities)
    return lowest, max(max(qualities) - lowest, 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """What trials of a task would give."""

    task: ReplayTask
    tasks: Sequence[ReplayTask]
    """Of its type, itself among them."""
    forests: Forests
    loading: float
    """Seconds of a trial's wall time besides its evaluation."""

    def foreseen(
        self, configurations: Sequence[Values]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return quality, evaluation seconds, and whether it fails, of each configuration."""
        rows = rows_of(self.task, self.tasks, configurations)
        lowest, spread = range_of(self.task)
        qualities = lowest + spread * self.forests.quality.predict(rows)
        seconds = np.exp(self.forests.seconds.predict(rows))
        fails = self.forests.chance_of_failure(rows) >= LIKELY
        return qualities, seconds, fails

    def scale(self) -> Scale:
        """Measure what random configurations and those of the table give, where they do not fail."""
        rng = np.random.default_rng(RANDOM_STATE)
        prior = Prior.plain(self.task.space)
        configurations = [prior.sample(rng).values for _ in range(SAMPLE)]
        configurations += [trial.configuration.values for trial in self.task.experiences]
        qualities, seconds, fails = self.foreseen(configurations)
        results = np.stack([qualities, seconds], axis=1)[~fails]
        return Scale.of_results(results)


def surrogates_of(tasks: Mapping[str, ReplayTask]) -> dict[str, Surrogate]:
    """Return the surrogate of each task that has one, by name."""
    alike = modelled(tasks)
    forests = Forests.grown(Trials.of(alike))
    surrogates: dict[str, Surrogate] = {}
    for task in alike:
        surrogates[task.name] = Surrogate(
            task=task, tasks=alike, forests=forests, loading=loading_of(task)
        )
    return surrogates


def modelled(tasks: Mapping[str, ReplayTask]) -> list[ReplayTask]:
    """Return the tasks of the type that has enough trials for a surrogate."""
    return [task for task in tasks.values() if task.task.task == MODELLED]


def loading_of(task: ReplayTask) -> float:
    """Return the median seconds of a training's wall time besides its evaluation."""
    differences = []
    for trial in task.successes:
        # A probe's evaluation counts features that it may have found on the disk.
        has_read_body = BODY_SECONDS in trial.outcome.history[-1]
        if not has_read_body and trial.outcome.evaluation_time is not None:
            differences.append(trial.outcome.wall_time - trial.outcome.evaluation_time)
    return max(0.0, float(np.median(differences)))


@dataclass(slots=True)
class Foretelling:
    """Tell a search of each configuration that it asks for, as a surrogate foresees it.

    Args:
        surrogate: Of the task.
        seed: Decides which of the table's trials lends what the surrogate does not foresee, where several are as near.
    """

    surrogate: Surrogate
    seed: int
    bodies: set[tuple[str, Scalar | None]] = field(default_factory=set)
    """Models and lengths of which this search has the features."""
    is_exhausted: bool = False
    """Never: any configuration may be asked for."""
    alike: dict[bool, LookUp] = field(init=False)
    """The trials of the table that failed, and those that did not."""

    def __post_init__(self) -> None:
        task = self.surrogate.task
        self.alike = {}
        for is_failure in (False, True):
            trials = [trial for trial in task.experiences if trial.outcome.failed is is_failure]
            self.alike[is_failure] = LookUp(replace(task, experiences=trials), self.seed)

    def look(self, values: Values) -> Experience:
        """Return the trial of a configuration."""
        qualities, seconds, fails = self.surrogate.foreseen([values])
        is_failure = bool(fails[0])
        # What is not foreseen, as the kind of a failure, is that of the nearest trial that ended as this one does.
        nearest = self.alike[is_failure].nearest(values)
        configuration = configuration_of(self.surrogate.task, values)
        outcome = nearest.outcome
        if not is_failure:
            outcome = self._success(nearest, values, float(qualities[0]), float(seconds[0]))
        return replace(nearest, configuration=configuration, outcome=outcome)

    def _success(
        self, nearest: Experience, values: Values, quality: float, seconds: float
    ) -> TrialOutcome:
        """Return the outcome of a trial with a quality and evaluation seconds."""
        lead = self.surrogate.task.lead
        metrics = {lead.name: lead.oriented(quality)}
        wall_time = seconds + self.surrogate.loading
        point = {"epoch": float(values.get("epochs", 1)), "seconds": seconds, **metrics}
        last = nearest.outcome.history[-1]
        if BODY_SECONDS in last:
            # The first probe on a body computes its features; later ones find them on the disk.
            body_seconds = seconds * last[BODY_SECONDS] / nearest.outcome.evaluation_time
            body = str(values["model"]), values.get("max_length")
            if body in self.bodies:
                wall_time -= body_seconds
                body_seconds = 0.0
            self.bodies.add(body)
            point[BODY_SECONDS] = body_seconds
        return TrialOutcome(
            status=TrialStatus.COMPLETE,
            metrics=metrics,
            history=(point,),
            evaluation_time=seconds,
            wall_time=wall_time,
            peak_memory=nearest.outcome.peak_memory,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How near surrogates come to trials that they have not seen."""

    quality: float
    """Rank correlation of foreseen and real quality within a task, mean over tasks."""
    seconds: float
    """The same of evaluation seconds."""
    failure: float
    """Area under the ROC curve of the chance of failure, over all trials."""
    right: float
    """Share of the trials that are foreseen to fail or not as they did."""


def fidelity(tasks: Sequence[ReplayTask]) -> Fidelity:
    """Judge the surrogates of tasks of one type on trials that they have not seen, a tenth at a time."""
    trials = Trials.of(tasks)
    count = len(trials.rows)
    folds = np.random.default_rng(RANDOM_STATE).permutation(count) % FOLDS
    qualities, seconds, chances = np.empty(count), np.empty(count), np.empty(count)
    for fold in range(FOLDS):
        is_held = folds == fold
        forests = Forests.grown(trials.of_positions(np.flatnonzero(~is_held)))
        qualities[is_held] = forests.quality.predict(trials.rows[is_held])
        seconds[is_held] = forests.seconds.predict(trials.rows[is_held])
        chances[is_held] = forests.chance_of_failure(trials.rows[is_held])

    of_quality, of_seconds = [], []
    for task in tasks:
        is_here = (trials.tasks == task.name) & ~trials.failed
        if is_here.sum() >= FEWEST_SUCCESSES:
            of_quality.append(spearmanr(qualities[is_here], trials.qualities[is_here]).statistic)
            of_seconds.append(spearmanr(seconds[is_here], trials.seconds[is_here]).statistic)
    return Fidelity(
        quality=float(np.mean(of_quality)),
        seconds=float(np.mean(of_seconds)),
        failure=float(roc_auc_score(trials.failed, chances)),
        right=float(((chances >= LIKELY) == trials.failed).mean()),
    )
