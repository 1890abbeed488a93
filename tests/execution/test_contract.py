"""Every executor that comes with xautolm keeps the contract of executors."""

from __future__ import annotations

from xautolm.execution import Executor, ForkServerLauncher, LocalExecutor, SpawnLauncher
from xautolm.testing import ExecutorContract, FakeExecutor
from xautolm.testing.executors import ENTRY, play


class TestFakeExecutor(ExecutorContract):
    can_stop = False

    def make(self) -> Executor:
        return FakeExecutor(play)


class TestForkServer(ExecutorContract):
    def make(self) -> Executor:
        return LocalExecutor(ForkServerLauncher(["xautolm.testing.executors"], 1), ENTRY)


class TestNewInterpreters(ExecutorContract):
    def make(self) -> Executor:
        return LocalExecutor(SpawnLauncher(1), ENTRY)
