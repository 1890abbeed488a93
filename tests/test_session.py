"""What is opened before a search, and closed again where there is none."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from xautolm.errors import UsageError
from xautolm.execution import ServerLauncher
from xautolm.options import FitOptions
from xautolm.report.screen import Quiet
from xautolm.session import open_session
from xautolm.testing import FakeExecutor, success

OPTIONS = {"models": "minilm-l2", "device": "cpu", "trials": 1, "sampler": "random"}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[ServerLauncher]:
    """Note the servers that begin; they load nothing heavy."""
    begun: list[ServerLauncher] = []
    begin = ServerLauncher.begin

    def note(launcher: ServerLauncher) -> None:
        launcher.modules = ("xautolm.execution.worker",)
        begun.append(launcher)
        begin(launcher)

    monkeypatch.setattr(ServerLauncher, "begin", note)
    return begun


def test_the_server_of_trials_begins_before_data_is_read(
    servers: list[ServerLauncher],
    tickets: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from xautolm import scenario

    begun_by_then: list[int] = []
    read_data = scenario.read_data

    def watched(*arguments: object) -> object:
        begun_by_then.append(len(servers))
        return read_data(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scenario, "read_data", watched)
    session = open_session(
        tickets, FitOptions.parse({**OPTIONS, "out": str(tmp_path / "run")}), Quiet()
    )
    session.close()
    assert begun_by_then == [1]
    assert servers[0].server is None, "it was not closed"


def test_a_check_that_fails_later_leaves_no_server(
    servers: list[ServerLauncher], tickets: pd.DataFrame, tmp_path: Path
) -> None:
    before = set(psutil.Process().children(recursive=True))
    options = FitOptions.parse({**OPTIONS, "out": str(tmp_path / "run"), "label": "no_such_column"})
    with pytest.raises(UsageError):
        open_session(tickets, options, Quiet())
    assert len(servers) == 1
    assert set(psutil.Process().children(recursive=True)) <= before


def test_no_server_begins_where_the_caller_gives_an_executor(
    servers: list[ServerLauncher], tickets: pd.DataFrame, tmp_path: Path
) -> None:
    executor = FakeExecutor(lambda spec: success(f1_macro=0.5))
    session = open_session(
        tickets, FitOptions.parse({**OPTIONS, "out": str(tmp_path / "run")}), Quiet(), executor
    )
    session.close()
    assert servers == []


def test_the_clock_counts_from_the_command_but_for_downloads(
    tickets: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xautolm import session as module

    fetch = module.with_weights

    def slow_fetch(*arguments: object) -> object:
        time.sleep(0.5)
        return fetch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "with_weights", slow_fetch)
    options = FitOptions.parse(
        {**OPTIONS, "trials": None, "budget": 10_000, "out": str(tmp_path / "run")}
    )
    executor = FakeExecutor(lambda spec: success(f1_macro=0.5))
    started = time.monotonic() - 100.0
    session = open_session(tickets, options, Quiet(), executor, started)
    session.close()
    assert session.clock.used > 100.0
    assert session.clock.started >= started + 0.5


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"executor": "ray"}, "Ray is not installed(.|\n)*pip install 'xautolm"),
        ({"address": "head:6379"}, "Only a cluster has an address(.|\n)*--executor ray"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_refused_before_data_is_read(
    options: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.session.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=problem):
        open_session("no-such-file.csv", FitOptions.parse({**OPTIONS, **options}), Quiet())
