"""The contract of an executor, as tests that any executor must pass."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from xautolm.execution import Executor
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.testing.fakes import made_up_spec, success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus

ENTRY = "xautolm.testing.executors:play_in_folder"
"""What a trial of the contract runs, for executors whose trials are processes."""
ANSWER_SECONDS = 120.0
"""Until a trial of the contract must have ended: it computes nothing, but a new process may load a lot."""
SUCCEED, FAIL, WAIT = "succeed", "fail", "wait"
"""What a trial of the contract does, said by the hyperparameter `play` of its configuration."""


def play(spec: TrialSpec) -> TrialOutcome:
    """Do what a spec of the contract says: succeed at once, or raise an error."""
    if spec.configuration.values["play"] == FAIL:
        raise ValueError("this trial was to fail")
    return success(seconds=0.5, f1_macro=0.25)


def play_in_folder(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Do what a spec of the contract says, in a process of its own; there it can also wait to be stopped."""
    if spec.configuration.values["play"] == WAIT:
        time.sleep(ANSWER_SECONDS)
    return play(spec)


class ExecutorContract:
    """Check that an executor keeps its contract; a subclass whose name begins with `Test` says how it is made.

    Covered: the files of a trial, one outcome for each, failures as outcomes, stopping one trial and all of them.
    Not covered: limits of time and memory, which an executor may leave to whoever runs its trials.

    Example:
        >>> class TestFakeExecutor(ExecutorContract):
        ...     def make(self) -> Executor:
        ...         return FakeExecutor(play)
    """

    can_stop = True
    """Whether a trial can still be stopped after it was started; one that is played as a whole cannot."""

    def make(self) -> Executor:
        """Return an executor whose trials run `play`, or `ENTRY`."""
        raise NotImplementedError

    def test_a_trial_gets_its_order_and_leaves_its_outcome(self, tmp_path: Path) -> None:
        """Check that the order lies in the folder from the start on, the outcome when it is returned."""
        with closing(self.make()) as executor:
            spec, folder = started(executor, tmp_path, 7, SUCCEED)
            assert folder.read_spec() == spec
            assert executor.running() == {7: folder.root}
            outcome = outcomes(executor, 1)[7]
            assert outcome.status is TrialStatus.COMPLETE
            assert outcome.metrics == {"f1_macro": 0.25}
            assert folder.read_outcome() == outcome
            # Each outcome is returned once: a second call has nothing more to say.
            assert executor.running() == {}
            assert executor.finished(0.0) == []

    def test_a_failure_is_an_outcome(self, tmp_path: Path) -> None:
        """Check that an error in a trial is no error of the executor, and that other trials go on."""
        with closing(self.make()) as executor:
            _, folder = started(executor, tmp_path, 0, FAIL)
            # Behind the one that fails, so that it shows whether the executor goes on.
            started(executor, tmp_path, 1, SUCCEED)
            ended = outcomes(executor, 2)
            assert ended[0].failure is not None
            assert "this trial was to fail" in ended[0].failure.message
            assert folder.read_outcome() == ended[0]
            assert ended[1].succeeded

    def test_a_trial_can_be_stopped(self, tmp_path: Path) -> None:
        """Check that a stopped trial comes back once, as no success, and that the others are let alone."""

        if not self.can_stop:
            return
        with closing(self.make()) as executor:
            started(executor, tmp_path, 0, WAIT)
            started(executor, tmp_path, 1, SUCCEED)
            executor.cancel(0)
            ended = outcomes(executor, 2)
            assert not ended[0].succeeded
            assert ended[1].succeeded
            assert executor.running() == {}

    def test_closing_stops_everything_and_may_be_repeated(self, tmp_path: Path) -> None:
        """Check that nothing runs on after an executor was closed."""
        executor = self.make()
        started(executor, tmp_path, 0, WAIT if self.can_stop else SUCCEED)
        executor.close()

        executor.close()
        assert executor.running() == {}


def started(
    executor: Executor, root: Path, number: int, action: str
) -> tuple[TrialSpec, TrialFolder]:
    """Start a trial of the contract; return its order and its folder."""
    spec = made_up_spec(number, play=action)
    folder = TrialFolder(root / f"{number:04d}")
    # An executor may count on the folder: whoever starts a trial makes it.
    folder.root.mkdir()
    executor.start(spec, folder.root)
    return spec, folder


def outcomes(executor: Executor, count: int) -> dict[int, TrialOutcome]:
    """Return what so many trials end with, by number; each must come once.

    Raises:
        TimeoutError: They do not end.
    """
    ended: dict[int, TrialOutcome] = {}
    deadline = time.monotonic() + ANSWER_SECONDS
    while len(ended) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"of {count} trials, only {sorted(ended)} have ended after {ANSWER_SECONDS:.0f} s"
            )
        # Half a second at a time: an executor that never answers must not keep the deadline from being looked at.
        for number, outcome in executor.finished(0.5):
            assert number not in ended, f"trial {number} came twice"
            ended[number] = outcome
    return ended
