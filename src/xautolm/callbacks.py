"""What a search tells to objects of a person's own while it runs: trials that start, are evaluated, and end.

The process that conducts the search calls them; trials are other processes, which only write files. So a callback may
hold whatever it likes (a connection, a chart, a lock), needs no pickling, and no limit of a trial's counts for it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from xautolm.errors import UsageError
from xautolm.records import Configuration, Evaluation, Experience, Forecast, TrialSpec
from xautolm.trial_folder import TrialFolder, evaluation_of, is_evaluation

logger = logging.getLogger(__name__)

Event = TypeVar("Event")
"""What a method of a callback is told."""

EVENTS = ("started", "evaluated", "finished")
"""Names of the methods, of which a callback has at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A trial begins."""

    trial: int
    """Its number in the run, from 0."""
    configuration: Configuration
    """Model, method and hyperparameters."""
    proposal: str
    """Where the configuration came from: a sampler's name, `default` and the like."""
    folder: Path
    """Of the trial: `spec.json`, logs, later `result.json` and `model/`."""
    forecast: Forecast | None = None
    """What is predicted of it; None for a trial of an earlier session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEvaluated:
    """A running trial has looked at the validation split: after each epoch, and by quick looks inside the first."""

    trial: int
    configuration: Configuration
    evaluation: Evaluation
    """Epoch, seconds since training began, and losses and metrics by name."""
    step: int
    """Optimizer steps so far; where a trial takes none (a linear probe), the evaluation's number from 1."""
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFinished:
    """A trial has ended, in whatever way."""

    trial: int
    experience: Experience
    """Configuration and outcome: status, metrics of the best evaluation, times, memory, and a failure's kind."""
    best: Experience | None
    """The trial that leads in the first quality now; None before the first success."""
    front: tuple[int, ...]
    """Numbers of the trials that no other dominates now."""
    ended: int
    """How many trials of the run have ended by now, those of earlier sessions and this one among them."""
    folder: Path


@runtime_checkable
class HearsStarted(Protocol):
    """A callback that is told when a trial begins."""

    def started(self, event: TrialStarted) -> object:
        """Take the news; what is returned is not looked at."""


@runtime_checkable
class HearsEvaluated(Protocol):
    """A callback that is told when a running trial was evaluated, within about a second."""

    def evaluated(self, event: TrialEvaluated) -> object:
        """Take the news; what is returned is not looked at."""


@runtime_checkable
class HearsFinished(Protocol):
    """A callback that is told when a trial has ended."""

    def finished(self, event: TrialFinished) -> object:
        """Take the news; what is returned is not looked at."""


Callback: TypeAlias = HearsStarted | HearsEvaluated | HearsFinished
"""An object with any of the methods `started`, `evaluated` and `finished`."""


def checked_callbacks(callbacks: object) -> tuple[Callback, ...]:
    """Return callbacks, each of which can be told something.

    Raises:
        UsageError: There is no list, or in it an object with none of the methods, such as a class or a plain function,
            or one whose method would not run when it is called.
    """
    if not isinstance(callbacks, Iterable):
        raise UsageError(
            "Callbacks are given as a list.", got=repr(callbacks), fix="Write callbacks=[...]."
        )
    checked = []
    # Once, for a generator gives its objects a single time.
    for callback in callbacks:
        methods = [getattr(callback, name) for name in EVENTS if hasattr(callback, name)]
        # A class has them as well, but nobody has made an object of it.
        if isinstance(callback, type) or not any(callable(method) for method in methods):
            raise UsageError(
                "What is given as a callback hears nothing.",
                got=repr(callback),
                fix=f"Give an object with any of the methods {', '.join(EVENTS)}, each of one argument.",
            )
        for method in methods:
            _check_method(callback, method)
        checked.append(callback)
    return tuple(checked)


def _check_method(callback: object, method: object) -> None:
    """Refuse what would pass over an event without a word.

    Raises:
        UsageError: The method is `async`, or a generator, or no method at all.
    """
    # A call only makes an object of these, which nobody awaits or iterates over.
    is_deferred = (
        inspect.iscoroutinefunction(method)
        or inspect.isasyncgenfunction(method)
        or inspect.isgeneratorfunction(method)
    )
    if is_deferred or not callable(method):
        raise UsageError(
            "A method of a callback would not run when it is called.",
            got=f"{getattr(method, '__name__', method)} of {callback!r}",
            fix="Define it by a plain def, without async and yield.",
        )


@dataclass(slots=True, kw_only=True)
class Followed:
    """Hold how far the progress of a running trial was told."""

    spec: TrialSpec
    folder: TrialFolder
    position: int = 0
    """In its file, in bytes."""
    evaluations: int = 0
    """How many were told."""


@dataclass(slots=True)
class Callbacks:
    """Tell callbacks what happens; one that raises an error is told of once, and does not end the search.

    Every trial that is started is finished once, and every success is evaluated at least once before.
    """

    callbacks: Sequence[Callback]
    say: Callable[[str], None]
    """Takes what a person should know of callbacks that fail."""
    running: dict[int, Followed] = field(default_factory=dict)
    """By number."""
    failed: set[int] = field(default_factory=set)
    """Positions of the callbacks of which an error was told."""

    def started(self, spec: TrialSpec, folder: Path, forecast: Forecast | None) -> None:
        """Tell that a trial begins."""
        if not self.callbacks:
            return
        self.running[spec.number] = Followed(spec=spec, folder=TrialFolder(folder))
        event = TrialStarted(
            trial=spec.number,
            configuration=spec.configuration,
            proposal=spec.proposal,
            folder=folder,
            forecast=forecast,
        )
        for position, callback in enumerate(self.callbacks):
            if isinstance(callback, HearsStarted):
                self._tell(position, callback.started, event)

    def look(self) -> None:
        """Tell what the running trials have written of themselves since the last look."""
        for followed in self.running.values():
            self._follow(followed)

    def finished(
        self,
        experience: Experience,
        folder: Path,
        best: Experience | None,
        front: Sequence[int],
        ended: int,
    ) -> None:
        """Tell that a trial has ended; of one that was never told to have started, nothing."""
        followed = self.running.pop(experience.trial, None)
        if followed is None:
            return
        # The last evaluation may have been written just before the end.
        self._follow(followed)
        # Probes write no progress, and neither do trials of some executors: their outcome tells the evaluations.
        if followed.evaluations == 0:
            for evaluation in experience.outcome.evaluations:
                self._evaluated(followed, evaluation, followed.evaluations + 1)
        event = TrialFinished(
            trial=experience.trial,
            experience=experience,
            best=best,
            front=tuple(front),
            ended=ended,
            folder=folder,
        )
        for position, callback in enumerate(self.callbacks):
            if isinstance(callback, HearsFinished):
                self._tell(position, callback.finished, event)

    def _follow(self, followed: Followed) -> None:
        """Tell the evaluations in what was written since the last look."""
        lines, followed.position = followed.folder.progress_since(followed.position)
        for line in lines:
            if is_evaluation(line, followed.spec.metrics):
                step = int(line.get("step", followed.evaluations + 1))
                self._evaluated(followed, evaluation_of(line), step)

    def _evaluated(self, followed: Followed, evaluation: Evaluation, step: int) -> None:
        """Tell an evaluation."""
        followed.evaluations += 1
        event = TrialEvaluated(
            trial=followed.spec.number,
            configuration=followed.spec.configuration,
            evaluation=evaluation,
            step=step,
            folder=followed.folder.root,
        )
        for position, callback in enumerate(self.callbacks):
            if isinstance(callback, HearsEvaluated):
                self._tell(position, callback.evaluated, event)

    def _tell(self, position: int, method: Callable[[Event], object], event: Event) -> None:
        """Call a method of a callback, whatever becomes of it."""
        try:
            method(event)
        # Code of somebody else's: a search of hours must not end by it.
        except Exception as error:
            logger.info("a callback failed", exc_info=True)
            if position in self.failed:
                return
            self.failed.add(position)
            name = name_of(self.callbacks[position])
            reason = f"{type(error).__name__}: {error}"
            self.say(
                f"{name} failed: {reason}; the search goes on, and further errors of it are not told"
            )


def name_of(callback: object) -> str:
    """Return what a callback is called in a message: by its own `label`, else by its class."""
    label = getattr(callback, "label", "")
    if isinstance(label, str) and label:
        return label
    return f"the callback {type(callback).__name__}"
