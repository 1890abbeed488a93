"""The page of a run in a real browser, while the run is searched in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import patience
from tests.report.test_browser import CUT, SHOTS, WEAK, browser
from xautolm.run_folder import RunFolder
from xautolm.trial_folder import TrialFolder
from xautolm.watching import WatchServer

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEEN_SECONDS = 2.0
"""Within which a trial's score is shown after its evaluation."""
SEARCH = """
import sys
import time
from xautolm import AutoLM
from xautolm.data.demo import support_tickets
from xautolm.report.screen import Quiet
from xautolm.testing import SteppingExecutor


class Slow(SteppingExecutor):
    def finished(self, timeout):
        time.sleep(float(sys.argv[2]))
        return super().finished(timeout)


def curve(spec):
    lines = []
    for epoch in range(1, 5):
        line = {"epoch": epoch, "step": 10 * epoch, "steps": 40, "seconds": 1.5 * epoch}
        score = 0.5 + 0.05 * epoch + 0.001 * spec.number
        lines.append({**line, **dict.fromkeys(spec.metrics, score)})
    return lines


auto = AutoLM(out=sys.argv[1], sampler="random", device="cpu", pruning=False, trials=5, parallel=2)
auto.fit(support_tickets(160, seed=1), screen=Quiet(), executor=Slow(curve))
"""
"""Searches with trials that are played, an evaluation at a time."""


@pytest.fixture
def search(tmp_path: Path) -> Iterator[RunFolder]:
    """Start a search in a process of its own; return its folder when its first trial has begun."""
    folder = RunFolder(tmp_path / "runs" / "live")
    program = subprocess.Popen([sys.executable, "-c", SEARCH, str(folder.root), "1.5"])
    deadline = time.monotonic() + patience(120)
    try:
        while not (folder.is_run() and folder.numbers()):
            assert program.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        yield folder
        assert program.wait(patience(120)) == 0
    finally:
        program.kill()


@pytest.fixture
def server(search: RunFolder) -> Iterator[WatchServer]:
    with WatchServer(search.root, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def open_page(browser: Any, address: str, width: int = 1280, theme: str = "light") -> Any:
    """Return an open page, and the list to which it adds what its console complains of."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.set_default_timeout(patience(60_000))
    complaints: list[str] = []

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    return page, complaints


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true on a page, whose policy forbids Playwright's own way to wait."""
    deadline = time.monotonic() + patience(60)
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def has_live(text: str) -> str:
    """Return an expression: whether the part of the page that follows the search says something."""
    return f"document.getElementById('live').textContent.includes('{text}')"


def next_evaluation(folder: RunFolder, seen: set[tuple[int, int]]) -> tuple[str, float]:
    """Wait for an evaluation of a running trial that is new; return its score as text, and when it was written."""
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        for number in folder.numbers():
            trial = TrialFolder(folder.trial(number))
            epoch = len(trial.progress_lines())
            if trial.result.exists() or epoch == 0 or (number, epoch) in seen:
                continue
            seen.add((number, epoch))
            score = 0.5 + 0.05 * epoch + 0.001 * number
            return f"{score:.4f}", trial.progress.stat().st_mtime
        time.sleep(0.02)
    raise TimeoutError(folder)


def test_a_search_is_watched_from_the_first_score_to_the_end(
    browser: Any, search: RunFolder, server: WatchServer
) -> None:
    page, complaints = open_page(browser, f"{server.address}/")
    delays = []
    seen: set[tuple[int, int]] = set()
    next_evaluation(search, seen)
    # Scores of the running trials appear by themselves, soon after they are written.
    for _ in range(4):
        score, written = next_evaluation(search, seen)
        until(page, has_live(score))
        delays.append(time.time() - written)
    print("seconds until a score was shown:", [f"{delay:.2f}" for delay in delays])
    assert max(delays) < patience(SEEN_SECONDS)
    until(page, "document.querySelector('#live b').textContent === 'over'")
    # The whole page comes by itself too, with its pictures.
    until(page, "document.querySelectorAll('#report tr.front').length > 0")
    until(page, "document.querySelectorAll('#report #answer').length > 0")
    page.locator("#chart-front").scroll_into_view_if_needed()
    until(page, "document.querySelector('#chart-front .main-svg') !== null")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert complaints == []
    if folder := os.environ.get(SHOTS):
        page.screenshot(path=Path(folder) / "watch-over.png", full_page=True)
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_overflows_while_it_runs(
    browser: Any, search: RunFolder, server: WatchServer, width: int, theme: str
) -> None:
    page, complaints = open_page(browser, f"{server.address}/", width, theme)
    until(page, has_live("→"))
    if folder := os.environ.get(SHOTS):
        page.screenshot(path=Path(folder) / f"watch-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    assert page.evaluate(WEAK) == []
    assert complaints == []
    page.close()


def test_the_server_that_goes_away_is_told(
    browser: Any, search: RunFolder, server: WatchServer
) -> None:
    page, _ = open_page(browser, f"{server.address}/")
    until(page, has_live("running"))
    assert not page.locator("#connection").is_visible()
    server.shutdown()
    server.server_close()
    page.wait_for_selector("#connection", state="visible")
    page.close()
