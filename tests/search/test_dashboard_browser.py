"""optuna-dashboard on the study of a finished run, in a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import patience
from tests.report.test_browser import SHOTS, browser
from xautolm import AutoLM
from xautolm.data.demo import support_tickets
from xautolm.records import TrialSpec
from xautolm.report.screen import Quiet
from xautolm.testing import SteppingExecutor

__all__ = ["browser"]

pytest.importorskip("optuna_dashboard")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OBJECTIVES = {"one": "f1_macro", "two": "f1_macro,evaluation_time"}
HEADINGS = {
    # The dashboard draws curves of studies with one objective only; of others it lists them trial by trial.
    "one": ("History", "Hyperparameter Importance", "Intermediate values", "f1_macro"),
    "two": ("Pareto Front", "Hyperparameter Importance", "evaluation_time", "f1_macro"),
}


def curve(spec: TrialSpec) -> list[dict[str, float]]:
    """Return the progress of a played trial: four epochs."""
    lines = []
    for epoch in range(1, 5):
        line = {"epoch": epoch, "step": 10 * epoch, "steps": 40, "seconds": 1.5 * epoch}
        score = 0.5 + 0.05 * epoch + 0.001 * spec.number
        lines.append({**line, **dict.fromkeys(spec.metrics, score)})
    return lines


def free_port() -> int:
    """Return a port of this machine that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=OBJECTIVES)
def objectives(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def auto(tmp_path: Path, objectives: str) -> AutoLM:
    """Search with played trials, to the end."""
    auto = AutoLM(
        out=str(tmp_path / "run"),
        sampler="random",
        device="cpu",
        pruning=False,
        trials=8,
        parallel=2,
        objectives=OBJECTIVES[objectives],
    )
    auto.fit(support_tickets(160, seed=1), screen=Quiet(), executor=SteppingExecutor(curve))
    return auto


@pytest.fixture
def dashboard(auto: AutoLM, tmp_path: Path) -> Iterator[str]:
    """Open the dashboard by the command of the docs; return its address."""
    port = free_port()
    command = Path(sys.executable).with_name("optuna-dashboard")
    url = f"sqlite:///{tmp_path / 'run' / 'study.db'}"
    program = subprocess.Popen([command, "--port", str(port), url])
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + patience(60)
    try:
        while True:
            assert program.poll() is None and time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"{address}/api/studies")
                break
            except urllib.error.URLError:
                time.sleep(0.2)
        yield address
    finally:
        program.kill()
        program.wait()


def until_shown(page: Any, *texts: str) -> None:
    """Wait until a page says some texts; that they are somewhere in it is not enough, since its menu is folded in."""
    deadline = time.monotonic() + patience(30)
    while True:
        said = page.inner_text("body")
        missing = [text for text in texts if text not in said]
        if not missing:
            return
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)


def test_the_dashboard_shows_a_finished_run(
    dashboard: str, auto: AutoLM, browser: Any, objectives: str
) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1100})
    page.set_default_timeout(patience(60_000))
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{dashboard}/dashboard/")
    until_shown(page, auto.info_.study_name)
    page.goto(f"{dashboard}/dashboard/studies/1")
    # Of the importances: one line for a name, whatever its ranges in the branches.
    until_shown(page, "learning_rate", *HEADINGS[objectives])
    assert "learning_rate[" not in page.inner_text("body")
    if os.environ.get(SHOTS):
        page.wait_for_timeout(2000)
        shot = Path(os.environ[SHOTS]) / f"dashboard-{objectives}.png"
        page.screenshot(path=shot, full_page=True)

    page.goto(f"{dashboard}/dashboard/studies/1/trials?numbers=5")
    until_shown(page, "Intermediate Values")
    text = page.inner_text("body")
    assert "8 Trials" in text and "400 0.705" in text
    assert f"learning_rate {auto.experiences_[5].configuration.values['learning_rate']}" in text
    assert complaints == []
