"""MLflow over its own database, and over a real server of its own on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import patience
from tests.trackers.searches import EPOCHS, FAILING, fit, score
from xautolm.errors import UsageError
from xautolm.trackers import reporter

# Its client loads for seconds, and it makes its database by some dozens of migrations.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.timeout(600),
]
pytest.importorskip("mlflow")

SERVER_VARIABLE = "XAUTOLM_TEST_MLFLOW"
"""Environment variable: the program `mlflow` of an environment that can serve, which the client's package cannot."""
START_SECONDS = 120.0
"""Until the server must answer."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "OPENING_SECONDS", patience(60.0))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import mlflow

    address = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    yield address
    # What it has cached of this test is of no use for the next one.
    mlflow.set_tracking_uri(None)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    program = os.environ.get(SERVER_VARIABLE)
    if program is None or shutil.which(program) is None:
        pytest.skip(f"{SERVER_VARIABLE} names no program that can serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{tmp_path}/server.db"
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", store, "--artifacts-destination", str(tmp_path / "artifacts")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [*command, *places], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        log.close()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers.

    Raises:
        TimeoutError: It does not, in time.
    """
    deadline = time.monotonic() + patience(START_SECONDS)
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


def runs_of(address: str) -> tuple[Any, dict[int, Any], Any]:
    """Return a client, the runs of the trials by number, and that of the search."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("xautolm")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    trials = {
        int(run.data.tags["xautolm.trial"]): run for run in runs if "xautolm.trial" in run.data.tags
    }
    searches = [run for run in runs if "xautolm.trial" not in run.data.tags]
    assert len(searches) == 1 and len(runs) == len(trials) + 1
    return client, trials, searches[0]


def check(address: str, auto: Any) -> None:
    """Check that MLflow has everything of a search."""
    client, trials, search = runs_of(address)
    assert sorted(trials) == [experience.trial for experience in auto.experiences_]
    parents = {run.data.tags["mlflow.parentRunId"] for run in trials.values()}
    assert parents == {search.info.run_id}
    assert search.data.params["task"] == "text-classification"
    assert search.info.status == "FINISHED"
    tables = {file.path for file in client.list_artifacts(search.info.run_id)}
    assert {"leaderboard.csv", "pareto.json", "results.json"} <= tables
    best = client.get_metric_history(search.info.run_id, "best_f1_macro")
    assert [point.step for point in best] == list(range(1, len(trials) + 1))
    assert best[-1].value == pytest.approx(auto.best_.outcome.metrics["f1_macro"])

    front = {experience.trial for experience in auto.pareto_front_}
    for experience in auto.experiences_:
        run = trials[experience.trial]
        assert run.data.params["model"] == experience.configuration.model
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"spec.json", "result.json"} <= files
        is_on_front = experience.trial in front
        assert "model" in files or not is_on_front
        assert (run.data.tags.get("xautolm.front") == "true") == is_on_front
        if experience.trial == FAILING:
            assert run.info.status == "FAILED"
            assert run.data.tags["xautolm.failure"] == "out_of_memory"
            continue
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "f1_macro")
        points = [(point.step, point.value) for point in history]
        steps = range(1, EPOCHS + 1)
        trial = experience.trial
        assert points == [(10 * step, pytest.approx(score(trial, step))) for step in steps]


def test_a_search_over_its_database(database: str, tmp_path: Path, tickets: pd.DataFrame) -> None:
    check(database, fit(tmp_path / "run", tickets, "mlflow"))
    # The same search goes on in the same runs, and no trial is there twice.
    auto = fit(tmp_path / "run", tickets, "mlflow", trials=4)
    check(database, auto)
    auto.run_.reported("mlflow").unlink()
    fit(tmp_path / "run", tickets, "mlflow", trials=4)
    _, trials, search = runs_of(database)
    assert len(trials) == 4 and search.info.status == "FINISHED"


def test_a_run_that_was_moved_goes_on_in_its_own_run(
    database: str, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    fit(tmp_path / "run", tickets, "mlflow", trials=1)
    (tmp_path / "run").rename(tmp_path / "moved")
    fit(tmp_path / "moved", tickets, "mlflow", trials=2)
    _, trials, search = runs_of(database)
    assert sorted(trials) == [0, 1]
    # As it was told first: a parameter of MLflow's does not change.
    assert search.data.params["folder"] == str(tmp_path / "run")


def test_a_search_over_a_real_server(server: str, tmp_path: Path, tickets: pd.DataFrame) -> None:
    check(server, fit(tmp_path / "run", tickets, "mlflow"))


def test_a_server_that_is_not_there(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UsageError, match="The tracker mlflow cannot be used"):
        fit(tmp_path / "run", tickets, "mlflow")
