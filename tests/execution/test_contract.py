"""Every executor that comes with xautolm keeps the contract of executors, and the contract finds those that do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

import pytest

from tests.conftest import patience
from xautolm.execution import Executor, ForkServerLauncher, LocalExecutor, SpawnLauncher
from xautolm.processes import kill_group
from xautolm.records import TrialOutcome
from xautolm.testing import ExecutorContract, FakeExecutor, success
from xautolm.testing.executors import ENTRY, play
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus

STOPPED = "test_a_trial_can_be_stopped"
STOPPED_AT_ONCE = "test_a_trial_can_be_stopped_at_once"
CLOSED = "test_closing_stops_everything_and_may_be_repeated"
IN_TIME = "test_asking_what_has_ended_does_not_wait_longer_than_told"
OUTCOME = "test_a_trial_gets_its_order_and_leaves_its_outcome"
FAILURE = "test_a_failure_is_an_outcome"


class TestFakeExecutor(ExecutorContract):
    can_stop = False

    def make(self) -> Executor:
        return FakeExecutor(play)


class TestForkServer(ExecutorContract):
    prompt_seconds = patience(5.0)

    def make(self) -> Executor:
        return LocalExecutor(ForkServerLauncher(["xautolm.testing.executors"], 1), ENTRY)


class TestNewInterpreters(ExecutorContract):
    prompt_seconds = patience(5.0)

    def make(self) -> Executor:
        return LocalExecutor(SpawnLauncher(1), ENTRY)


class Leaking(LocalExecutor):
    """Forgets trials and lets their processes run on."""

    def __init__(self) -> None:
        super().__init__(SpawnLauncher(1), ENTRY)
        self.cancelled: list[tuple[int, TrialOutcome]] = []

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Return what was cancelled as if it had ended."""
        ended = super().finished(timeout) + self.cancelled
        self.cancelled = []
        return ended

    def cancel(self, number: int) -> None:
        """Say of a trial that it was pruned."""
        folder = self.running()[number]
        del self.trials[folder]
        pruned = TrialOutcome(status=TrialStatus.PRUNED, metrics={"f1_macro": 0.25})
        TrialFolder(folder).write_outcome(pruned)
        self.cancelled.append((number, pruned))

    def close(self) -> None:
        """Forget all."""
        self.trials.clear()


class Sleeping(LocalExecutor):
    """Looks at its trials every two seconds."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Wait longer than told."""
        return super().finished(timeout + 2.0)


class Killing(LocalExecutor):
    """Kills what is cancelled and does not remember why."""

    def cancel(self, number: int) -> None:
        """Kill a trial, as soon as it has written something: before, its process may not be a group yet."""
        trial = self.trials[self.running()[number]]
        while not TrialFolder(trial.folder).progress.exists():
            time.sleep(0.05)
        kill_group(trial.pid)


class Repeating(FakeExecutor):
    """Returns each trial twice."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Return all of it again."""
        ended = super().finished(timeout)
        return ended + ended


class Silent(FakeExecutor):
    """Leaves nothing in the folder."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Remove what was written."""
        folders = list(self.running().values())
        ended = super().finished(timeout)
        for folder in folders:
            TrialFolder(folder).result.unlink()
        return ended


def leaking() -> Leaking:
    return Leaking()


def sleeping() -> Sleeping:
    return Sleeping(SpawnLauncher(1), ENTRY)


def killing() -> Killing:
    return Killing(SpawnLauncher(1), ENTRY)


def repeating() -> Repeating:
    return Repeating(play)


def silent() -> Silent:
    return Silent(play)


def never_waiting() -> FakeExecutor:
    return FakeExecutor(play)


def never_failing() -> FakeExecutor:
    return FakeExecutor(lambda spec: success(f1_macro=0.25))


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Make an executor that breaks a promise, and end what it leaves running."""
    executor = request.param()
    yield executor
    if isinstance(executor, LocalExecutor):
        executor.launcher.close()


@pytest.mark.parametrize(
    ("broken", "check", "promise"),
    [
        (leaking, CLOSED, "after `close` a trial runs no more; it still writes"),
        (leaking, STOPPED, "after `cancel` a trial runs no more; it still writes"),
        (sleeping, IN_TIME, r"`finished\(0\.0\)` does not wait for a running trial; it took 2"),
        (killing, STOPPED, "comes back as pruned; got .*killed by the system"),
        (killing, STOPPED_AT_ONCE, "as pruned, or as interrupted; got .*killed by the system"),
        (repeating, OUTCOME, "returns each trial once; trial 7 came again"),
        (silent, OUTCOME, "lies in the folder when it is returned; .* is missing"),
        (never_waiting, STOPPED, "waits to be stopped; it ended"),
        (never_failing, FAILURE, "raises an error comes back with a failure; got .*COMPLETE"),
    ],
    indirect=["broken"],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_contract_finds_what_breaks_a_promise(
    broken: Executor, check: str, promise: str, tmp_path: Path
) -> None:
    class Contract(ExecutorContract):
        # What is broken here stays so however long the contract waits.
        prompt_seconds = 1.5

        def make(self) -> Executor:
            return broken

    with pytest.raises(AssertionError, match=promise):
        getattr(Contract(), check)(tmp_path)


def test_what_cannot_be_stopped_is_skipped_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(SkipTest, match="cannot be stopped"):
        TestFakeExecutor().test_a_trial_can_be_stopped(tmp_path)
