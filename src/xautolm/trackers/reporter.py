"""Tells trackers of a search, in threads of their own.

Trackers are told by the process that conducts the search, and not by the Trainer's own integrations inside the
trials. Trials run without a network and within a memory limit, and they are killed: at their limits, when they are
hopeless, and when the search ends. A tracker's client in there would be denied its server, count as the model's memory,
and leave open runs behind. And what is no training (probes, untrained models, failures) has no Trainer to report it.

A server that answers slowly, or not at all, costs a search nothing: what happens waits in a queue. Trials that a
tracker has not taken to their end, those of a search that was killed among them, are told again when it goes on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from xautolm.callbacks import Callbacks, TrialEvaluated, TrialFinished, TrialStarted
from xautolm.errors import DamagedFileError, UsageError, XAutoLMError
from xautolm.objectives import Objective, lead_of, pareto_front, recorded_objectives
from xautolm.records import Experience
from xautolm.run_folder import RunFolder, RunInfo, Say, checked_spec
from xautolm.serialization import read_json, write_json
from xautolm.trackers.base import SearchEnded, TrackedRun, Tracker, Tracking, tracked_run
from xautolm.trial_folder import TrialFolder

logger = logging.getLogger(__name__)

OPENING_SECONDS = 15.0
"""For which the first trial waits for a tracker to open its run: a wrong address is told before any compute, and a slow
server costs little of a budget."""
MESSAGE_SECONDS = 300.0
"""The end of a search waits for a tracker as long as no message takes longer: one may be a model of gigabytes."""
HASTY_SECONDS = 5.0
"""For which the end of a search that was ended from outside waits for a tracker: whoever pressed Ctrl-C waits too."""
LOOK_SECONDS = 0.1
"""Between two looks at what a thread does at the end."""

Message = Callable[[Tracking], None]
"""Tells a tracker something."""


class TrackerError(XAutoLMError):
    """A tracker did not take what it was told."""


class Reporter:
    """Tells one tracker what a search tells its callbacks; itself such a callback.

    Args:
        tracker: Whom.
        run: The search.
        reported: File that says which trials the tracker has to their end.
    """

    def __init__(self, tracker: Tracker, run: TrackedRun, reported: Path) -> None:
        self.label = f"the tracker {tracker.name}"
        self.tracker = tracker
        self.run = run
        self.file = reported
        self.reported = _read_reported(reported)
        self.trouble: Exception | None = None
        """What the tracker answered last that was no success, until the search has been told."""
        self.messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.opened = threading.Event()
        self.busy_since = time.monotonic()
        """When the thread began what it does now, on the monotonic clock."""
        # A daemon, which does not hold up the end of the program if its server never answers.
        self.thread = threading.Thread(target=self._work, name=self.label, daemon=True)

    def open(self, say: Say) -> None:
        """Let the tracker open its run.

        Raises:
            UsageError: It refuses, within the time that a search waits for it.
        """
        self.thread.start()
        if not self.opened.wait(OPENING_SECONDS):
            say(f"{self.label} has not answered yet; what happens meanwhile is told to it later")
        if self.trouble is not None:
            raise UsageError(
                f"The tracker {self.tracker.name} cannot be used.",
                got=_in_words(self.trouble),
                fix="Mend that, or leave it out of --report-to.",
            ) from self.trouble

    def started(self, event: TrialStarted) -> None:
        """Tell that a trial begins."""
        self._put(lambda tracking: tracking.started(event))

    def evaluated(self, event: TrialEvaluated) -> None:
        """Tell that a trial was evaluated."""
        self._put(lambda tracking: tracking.evaluated(event))

    def finished(self, event: TrialFinished) -> None:
        """Tell that a trial has ended."""

        def finish(tracking: Tracking) -> None:
            tracking.finished(event)
            self.reported.add(event.trial)
            self.file.parent.mkdir(exist_ok=True)
            write_json(self.file, sorted(self.reported))

        self._put(finish)

    def end(self, event: SearchEnded, say: Say) -> None:
        """Tell that the search has ended, and wait until the tracker has taken everything, or takes too long."""
        self.messages.put(lambda tracking: tracking.ended(event))
        self.messages.put(None)
        begin = time.monotonic()
        while self.thread.is_alive():
            self.thread.join(LOOK_SECONDS)
            now = time.monotonic()
            is_late = now - self.busy_since > MESSAGE_SECONDS
            if is_late or (event.is_early and now - begin > HASTY_SECONDS):
                say(f"{self.label} has not taken everything; the same command tells it the rest")
                return
        if self.trouble is not None:
            say(f"{self.label} did not take everything: {_in_words(self.trouble)}")

    def _put(self, message: Message) -> None:
        """Let the thread tell something.

        Raises:
            TrackerError: The tracker refused what it was told before.
        """
        self.messages.put(message)
        # Here, in the thread of the search, so that it is told where every other callback's errors are.
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise TrackerError(_in_words(trouble)) from trouble

    def _work(self) -> None:
        """Open the tracker's run, then tell it one thing after the other."""
        tracking: Tracking | None = None
        try:
            import_module(self.tracker.module)
            tracking = self.tracker.begin(self.run)
        # Whatever a client raises: it is somebody else's code, which talks to a server.
        except Exception as error:
            logger.info("%s could not be opened", self.label, exc_info=True)
            self.trouble = error
        self.opened.set()
        while True:
            message = self.messages.get()
            if message is None:
                return
            if tracking is None:
                continue
            self.busy_since = time.monotonic()
            try:
                message(tracking)
            except Exception as error:
                logger.info("%s refused a message", self.label, exc_info=True)
                self.trouble = error


class Reporters:
    """Tell all trackers that a search reports to.

    Args:
        trackers: Whom.
        info: What the run is about.
        folder: The run's.
        say: Takes what a person should know.
    """

    def __init__(
        self, trackers: Sequence[Tracker], info: RunInfo, folder: RunFolder, say: Say
    ) -> None:
        run = tracked_run(info, folder)
        self.info = info
        self.folder = folder
        self.say = say
        self.reporters = [
            Reporter(tracker, run, folder.reported(tracker.name)) for tracker in trackers
        ]

    def open(self, experiences: Sequence[Experience]) -> None:
        """Let the trackers open their runs, and tell them the trials of earlier sessions that they do not have.

        Args:
            experiences: The trials of earlier sessions.

        Raises:
            UsageError: A tracker refuses.
        """
        for reporter in self.reporters:
            reporter.open(self.say)
        for reporter in self.reporters:
            self._tell_earlier(reporter, experiences)

    def end(self, experiences: Sequence[Experience], *, is_early: bool) -> None:
        """Tell the trackers that the search has ended, and wait for them.

        Args:
            experiences: All trials of the run.
            is_early: Whether it was ended from outside.
        """
        objectives = recorded_objectives(self.info)
        models: dict[int, Path] = {}
        if not is_early:
            outcomes = {experience.trial: experience.outcome for experience in experiences}
            for number in pareto_front(outcomes, objectives):
                path = self.folder.model(number)
                if path.is_dir():
                    models[number] = path
        tables = (
            self.folder.leaderboard,
            self.folder.front,
            self.folder.results,
            self.folder.options,
        )
        event = SearchEnded(
            best=_best_of(experiences, lead_of(objectives)),
            models=models,
            files=tuple(path for path in tables if path.exists()),
            is_early=is_early,
        )
        for reporter in self.reporters:
            reporter.end(event, self.say)

    def _tell_earlier(self, reporter: Reporter, experiences: Sequence[Experience]) -> None:
        """Tell a tracker the trials of earlier sessions that it has not to their end, from their folders."""
        objectives = recorded_objectives(self.info)
        teller = Callbacks([reporter], self.say)
        for position, experience in enumerate(experiences):
            if experience.trial in reporter.reported:
                continue
            path = self.folder.trial(experience.trial)
            try:
                spec = checked_spec(TrialFolder(path), experience.trial)
            except DamagedFileError:
                # Its order cannot be read any more; the run's page says so.
                continue
            earlier = experiences[: position + 1]
            outcomes = {entry.trial: entry.outcome for entry in earlier}
            front = pareto_front(outcomes, objectives)
            teller.started(spec, path, forecast=None)
            best = _best_of(earlier, lead_of(objectives))
            teller.finished(experience, path, best, front, len(earlier))


def _best_of(experiences: Sequence[Experience], lead: Objective) -> Experience | None:
    """Return the success that leads; the first of those that are equal."""
    successes = [experience for experience in experiences if experience.outcome.succeeded]
    return max(
        successes,
        key=lambda experience: lead.standing(experience.outcome.metrics),
        default=None,
    )


def _read_reported(path: Path) -> set[int]:
    """Return the trials that a tracker has to their end; none where nobody noted any."""
    try:
        numbers = read_json(path)
    except DamagedFileError:
        return set()
    if not isinstance(numbers, list):
        return set()
    return {number for number in numbers if isinstance(number, int)}


def _in_words(error: Exception) -> str:
    """Return an error in one line: clients of servers answer with pages, and our own errors have few lines."""
    if isinstance(error, XAutoLMError):
        return " ".join(str(error).split())
    first_line, _, _ = str(error).strip().partition("\n")
    return f"{type(error).__name__}: {first_line}"[:300]
