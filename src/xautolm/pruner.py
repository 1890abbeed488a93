"""The watch over the running trials of a search: which of them are hopeless, told from their learning curves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from xautolm.execution import Executor
from xautolm.metrics import constant_scores
from xautolm.objectives import Objective, lead_of, objective_values
from xautolm.records import Experience, LearningCurve, TrialOutcome, TrialSpec
from xautolm.run_folder import RunFolder, Say
from xautolm.search.pruning import Rivals, reason_to_stop
from xautolm.space.shares import rung_share
from xautolm.tasks import Task
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split, TargetKind

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at the files of the running trials."""
LARGEST_PAST = 200
"""Curves of past experiences that are looked at, the newest."""


class Pruner:
    """Read learning curves from the folders of a run's trials; what is decided by them is in `search.pruning`.

    Args:
        folder: The run's.
        task: Its task.
        labels: Names of the classes.
        metrics: Names of the metrics that evaluations have.
        objectives: Names, directions and ranges.
        validation_rows: Size of the validation split.
        say: Told which trial is stopped, and why.
        past: Trials on other data.
        now: A clock in seconds.
    """

    def __init__(
        self,
        folder: RunFolder,
        task: Task,
        labels: Sequence[str],
        metrics: Sequence[str],
        objectives: Sequence[Objective],
        validation_rows: int,
        say: Say,
        past: Iterable[Experience] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.task = task
        self.labels = labels
        self.metrics = metrics
        self.objectives = objectives
        self.validation_rows = validation_rows
        self.say = say
        self.past = past_curves(past)
        self.now = now
        self.next_look = now()
        # Numbers of trials that were stopped: an executor may take a while to end one.
        self.stopped: set[int] = set()
        # By number: the curve of a trial that has ended does not change any more.
        self.ended_curves: dict[int, LearningCurve | None] = {}

    def stop_hopeless(
        self,
        executor: Executor,
        running: Mapping[int, TrialSpec],
        experiences: Sequence[Experience],
    ) -> None:
        """Cancel the running trials that are hopeless, and say why; they end as pruned.

        Args:
            executor: Runs them.
            running: Their orders, by number.
            experiences: The run's trials that have ended.
        """
        reasons = self.hopeless(running, experiences)
        for number, reason in reasons.items():
            executor.cancel(number)
            self.say(f"trial {number} is stopped: {reason}")

    def hopeless(
        self, running: Mapping[int, TrialSpec], experiences: Sequence[Experience]
    ) -> dict[int, str]:
        """Return the running trials that are to be stopped, each with the reason; at most one look a second.

        Args:
            running: The orders of the running trials, by number.
            experiences: The run's trials that have ended.
        """
        waiting = [number for number in running if number not in self.stopped]
        now = self.now()
        if not waiting or now < self.next_look:
            return {}
        self.next_look = now + LOOK_SECONDS
        reasons = {}
        for number in waiting:
            share = rung_share(running[number].configuration.values)
            rivals = self._rivals(experiences, share)
            if rivals is None:
                continue
            curve = self._read_curve(number)
            if curve is None:
                continue
            reason = reason_to_stop(curve, rivals, self.objectives)
            if reason:
                self.stopped.add(number)
                reasons[number] = reason
        return reasons

    def _rivals(self, experiences: Sequence[Experience], share: float) -> Rivals | None:
        """Return what a running trial has to stand up to; None as long as no other was trained to its end.

        A trial on a part of the rows shows what its configuration may become, so what others reached with more rows is
        not held against it.

        Args:
            experiences: The run's trials that have ended.
            share: Of the training rows that the trial is trained on.
        """
        front = []
        trained = []
        for experience in experiences:
            if rung_share(experience.configuration.values) > share:
                continue
            outcome = experience.outcome
            values = objective_values(outcome, self.objectives)
            if values is None:
                continue
            front.append(values)
            curve = self._curve_of(experience)
            # A training that was cut does not show how a curve goes on to its end.
            if curve is not None and not outcome.is_censored:
                trained.append(curve)
        if not trained:
            return None
        return Rivals(
            front=front,
            trained=trained,
            past=self.past,
            lead=lead_of(self.objectives),
            constant=self.constant,
            validation_rows=self.validation_rows,
        )

    def _curve_of(self, experience: Experience) -> LearningCurve | None:
        """Return the curve of a trial that has ended, read once; None for one that has no steps, such as a probe."""
        number = experience.trial
        if number not in self.ended_curves:
            self.ended_curves[number] = self._read_curve(number)
        return self.ended_curves[number]

    def _read_curve(self, number: int) -> LearningCurve | None:
        """Return the curve that a trial's folder holds by now; None where it has not said anything yet."""
        return TrialFolder(self.folder.trial(number)).curve(self.metrics)

    @cached_property
    def constant(self) -> Mapping[str, float]:
        """Return the scores of a constant answer, by metric; nothing for texts: none is right for the most rows."""
        if self.task.target_kind == TargetKind.TEXTS:
            return {}
        targets: dict[str, np.ndarray] = {}
        try:
            for split in (Split.TRAIN, Split.VALIDATION):
                table = pd.read_parquet(self.folder.split(split), columns=[self.task.target])
                labels = list(table[self.task.target])
                targets[split] = np.asarray(self.task.encode(labels, self.labels))
        except (OSError, ValueError, KeyError) as error:
            # A split that was damaged meanwhile is no reason to end a search: curves are judged all the same.
            logger.warning("what a constant answer scores cannot be said: %s", error)
            return {}
        return constant_scores(self.metrics, targets[Split.TRAIN], targets[Split.VALIDATION])


def past_curves(experiences: Iterable[Experience]) -> list[LearningCurve]:
    """Return the learning curves of past trials that ran to their end and were evaluated more than once."""
    curves: list[LearningCurve] = []
    for experience in experiences:
        outcome = experience.outcome
        is_whole = outcome.succeeded and not outcome.is_censored
        if is_whole and len(outcome.history) > 1:
            curves.append(curve_of(outcome))
        # The store gives the newest experiences first.
        if len(curves) == LARGEST_PAST:
            break
    return curves


def curve_of(outcome: TrialOutcome) -> LearningCurve:
    """Return the curve of a trial that has ended, as its outcome tells it: with whole evaluations only."""
    evaluations = outcome.evaluations
    last = evaluations[-1]
    return LearningCurve(
        evaluations=evaluations,
        epoch=last.epoch,
        seconds=last.seconds,
        planned_epochs=last.epoch,
    )
