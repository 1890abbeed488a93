"""The contract of an executor, as tests that any executor must pass."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from unittest import SkipTest

from xautolm.execution import Executor
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.testing.fakes import made_up_spec
from xautolm.testing.outcomes import success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, TrialStatus

ENTRY = "xautolm.testing.executors:play_in_folder"
"""What a trial of the contract runs, for executors whose trials are processes."""
ANSWER_SECONDS = 120.0
"""Until a trial of the contract must have ended: it computes nothing, but a new process may load a lot."""
BEAT_SECONDS = 0.05
"""Between two evaluations of a trial that waits."""
SILENCE_SECONDS = 1.0
"""A trial that has written nothing for so long, twenty times as long as between two evaluations, has ended."""
SCORE = 0.25
"""What every trial of the contract scores."""
SUCCEED, FAIL, WAIT = "succeed", "fail", "wait"
"""What a trial of the contract does, said by the hyperparameter `play` of its configuration."""


def play(spec: TrialSpec) -> TrialOutcome:
    """Do what a spec of the contract says: succeed at once, or raise an error."""
    if spec.configuration.values["play"] == FAIL:
        raise ValueError("this trial was to fail")
    return success(seconds=0.5, f1_macro=SCORE)


def play_in_folder(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Do what a spec of the contract says, in a process of its own; there it can also wait to be stopped.

    While it waits it writes evaluations as a training does, which show that it still runs.
    """
    if spec.configuration.values["play"] == WAIT:
        trial = TrialFolder(folder)
        beats = int(ANSWER_SECONDS / BEAT_SECONDS)
        for beat in range(1, beats + 1):
            line = {"epoch": beat, "step": beat, "steps": beats, "seconds": beat * BEAT_SECONDS}
            trial.add_progress({**line, "f1_macro": SCORE})
            time.sleep(BEAT_SECONDS)
    return play(spec)


class ExecutorContract:
    """Check that an executor keeps its contract; a subclass whose name begins with `Test` says how it is made.

    Covered: the files of a trial, one outcome for each, failures as outcomes, how long `finished` waits, stopping one
    trial and all of them, and that what was stopped writes nothing more.
    Not covered: limits of time and memory, which an executor may leave to whoever runs its trials; what a trial has
    started in processes of its own.

    Example:
        >>> class TestFakeExecutor(ExecutorContract):
        ...     can_stop = False
        ...
        ...     def make(self) -> Executor:
        ...         return FakeExecutor(play)
    """

    can_stop = True
    """Whether a trial can still be stopped after it was started; one that is played as a whole cannot."""
    prompt_seconds = 5.0
    """Until an executor must have done what it does at once; more on a slow or busy machine."""

    def make(self) -> Executor:
        """Return an executor whose trials run `ENTRY`, or `play` where they cannot be stopped."""
        raise NotImplementedError

    def test_a_trial_gets_its_order_and_leaves_its_outcome(self, tmp_path: Path) -> None:
        """Check that the order lies in the folder from the start on, the outcome when it is returned."""
        with closing(self.make()) as executor:
            spec, folder = started(executor, tmp_path, 7, SUCCEED)
            order = folder.read_spec()
            assert order == spec, f"a started trial has its order in its folder; there is {order}"
            running = executor.running()
            assert running == {7: folder.root}, (
                f"`running` returns started trials with their folders, {{7: {folder.root}}}; got {running}"
            )

            outcome = outcomes(executor, 1)[7]
            assert outcome.status is TrialStatus.COMPLETE, (
                f"a trial that succeeds comes back as complete; got {outcome}"
            )
            assert outcome.metrics == {"f1_macro": SCORE}, (
                f"an outcome has the metrics that the trial returned; got {outcome.metrics}"
            )
            check_left(folder, outcome)

            check_nothing_runs(executor, "after its only trial has ended")
            ended = executor.finished(0.0)
            assert ended == [], f"`finished` returns each outcome once; a second call got {ended}"

    def test_a_failure_is_an_outcome(self, tmp_path: Path) -> None:
        """Check that an error in a trial is no error of the executor, and that other trials go on."""
        with closing(self.make()) as executor:
            _, folder = started(executor, tmp_path, 0, FAIL)
            # Behind the one that fails, so that it shows whether the executor goes on.
            started(executor, tmp_path, 1, SUCCEED)
            ended = outcomes(executor, 2)
            failure = ended[0].failure
            assert failure is not None, (
                f"a trial that raises an error comes back with a failure; got {ended[0]}"
            )
            assert "this trial was to fail" in failure.message, (
                f"a failure says what the error said, `this trial was to fail`; got {failure.message!r}"
            )
            check_left(folder, ended[0])
            assert ended[1].succeeded, f"a trial goes on where another fails; got {ended[1]}"

    def test_asking_what_has_ended_does_not_wait_longer_than_told(self, tmp_path: Path) -> None:
        """Check that `finished` returns in time while a trial runs: pruning and Ctrl-C wait for that."""
        self.skip_where_nothing_can_be_stopped()
        with closing(self.make()) as executor:
            _, folder = started(executor, tmp_path, 0, WAIT)
            wait_for_evaluation(executor, folder)
            begin = time.monotonic()
            ended = executor.finished(0.0)
            seconds = time.monotonic() - begin
            assert ended == [], f"`finished` returns trials that have ended only; got {ended}"
            assert seconds <= self.prompt_seconds, (
                f"`finished(0.0)` does not wait for a running trial; it took {seconds:.1f} s"
            )

    def test_a_trial_can_be_stopped(self, tmp_path: Path) -> None:
        """Check that a stopped trial ends, comes back once, as pruned, and that the others are let alone."""
        self.skip_where_nothing_can_be_stopped()
        with closing(self.make()) as executor:
            _, folder = started(executor, tmp_path, 0, WAIT)
            wait_for_evaluation(executor, folder)
            started(executor, tmp_path, 1, SUCCEED)
            executor.cancel(0)
            ended = outcomes(executor, 2)
            assert ended[0].status is TrialStatus.PRUNED, (
                f"a trial that is cancelled after an evaluation comes back as pruned; got {ended[0]}"
            )
            assert ended[0].metrics == {"f1_macro": SCORE}, (
                f"a pruned trial has the metrics of its best evaluation; got {ended[0].metrics}"
            )
            assert ended[1].succeeded, f"a trial goes on where another is cancelled; got {ended[1]}"
            check_left(folder, ended[0])
            check_nothing_runs(executor, "after one trial was cancelled and the other has ended")
            self.check_silence(folder, "cancel")

    def test_a_trial_can_be_stopped_at_once(self, tmp_path: Path) -> None:
        """Check that a trial without a score, when it is stopped, is no failure of its configuration."""
        self.skip_where_nothing_can_be_stopped()
        with closing(self.make()) as executor:
            started(executor, tmp_path, 0, WAIT)
            executor.cancel(0)
            outcome = outcomes(executor, 1)[0]
            # It may have been fast enough to write an evaluation.
            is_pruned = outcome.status is TrialStatus.PRUNED
            failure = outcome.failure
            is_interrupted = failure is not None and failure.kind is FailureKind.INTERRUPTED
            assert is_pruned or is_interrupted, (
                f"a trial that is cancelled comes back as pruned, or as interrupted; got {outcome}"
            )

    def test_closing_stops_everything_and_may_be_repeated(self, tmp_path: Path) -> None:
        """Check that no trial runs on after an executor was closed."""
        executor = self.make()
        with closing(executor):
            action = WAIT if self.can_stop else SUCCEED
            _, folder = started(executor, tmp_path, 0, action)
            if self.can_stop:
                wait_for_evaluation(executor, folder)
        executor.close()
        check_nothing_runs(executor, "after `close`")
        self.check_silence(folder, "close")

    def skip_where_nothing_can_be_stopped(self) -> None:
        """Skip a test of trials that are stopped, for an executor that cannot do it.

        Raises:
            SkipTest: It cannot. pytest knows this error, and need not be installed where trials run.
        """
        if not self.can_stop:
            raise SkipTest("trials of this executor cannot be stopped: `can_stop` is false")

    def check_silence(self, folder: TrialFolder, stopped_by: str) -> None:
        """Check that a trial that was stopped writes nothing more, after a moment that killing it may take."""
        deadline = time.monotonic() + self.prompt_seconds
        is_silent = False
        while not is_silent and time.monotonic() < deadline:
            before = written(folder)
            time.sleep(SILENCE_SECONDS)
            is_silent = written(folder) == before
        assert is_silent, (
            f"after `{stopped_by}` a trial runs no more; it still writes to {folder.progress}"
        )


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
            assert number not in ended, (
                f"`finished` returns each trial once; trial {number} came again, as {outcome}"
            )
            ended[number] = outcome
    return ended


def wait_for_evaluation(executor: Executor, folder: TrialFolder) -> None:
    """Wait until a trial that waits to be stopped has written its first evaluation.

    Raises:
        TimeoutError: It writes none.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while not folder.progress_lines():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no line in {folder.progress} after {ANSWER_SECONDS:.0f} s")
        # An executor may have to be asked before it starts what it was given.
        ended = executor.finished(BEAT_SECONDS)
        assert ended == [], f"a trial that runs `{ENTRY}` waits to be stopped; it ended, {ended}"


def written(folder: TrialFolder) -> int:
    """Return how many bytes the evaluations of a trial have."""
    return folder.progress.stat().st_size if folder.progress.exists() else 0


def check_left(folder: TrialFolder, outcome: TrialOutcome) -> None:
    """Check that the outcome that was returned lies in the trial's folder."""
    assert folder.result.exists(), (
        f"an outcome lies in the folder when it is returned; {folder.result} is missing"
    )
    left = folder.read_outcome()
    assert left == outcome, f"the outcome in the folder is the one returned, {outcome}; got {left}"


def check_nothing_runs(executor: Executor, when: str) -> None:
    """Check that an executor names no running trial."""
    running = executor.running()
    assert running == {}, f"`running` is empty {when}; got {running}"
