"""The page of the experience store in a real browser: its map is drawn, its form filters, nothing overflows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.store_size import fill
from benchmarks.synthetic import related_tasks
from tests.conftest import patience
from tests.report.test_browser import CUT, SHOTS, WEAK, browser
from tests.report.test_watch_browser import open_page, until
from tests.test_store_page import run
from tests.test_watching import serving
from xautolm.watching import WatchServer

__all__ = ["browser", "run"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DATA_SETS = 14
EXPERIENCES = 700
MAP_IS_DRAWN = "document.querySelector('#chart-map .main-svg') !== null"


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Iterator[WatchServer]:
    """Serve the page of a store of made-up tasks."""
    location = str(tmp_path / "own.db")
    fill(location, EXPERIENCES, related_tasks(DATA_SETS, 0), np.random.default_rng(0))
    with serving(run, location) as server:
        yield server


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (768, "light"), (1280, "light")])
def test_the_map_is_drawn_and_nothing_overflows(
    browser: Any, server: WatchServer, width: int, theme: str
) -> None:
    page, complaints = open_page(browser, f"{server.address}/store", width, theme)
    until(page, MAP_IS_DRAWN)
    assert page.locator("#chart-map .scatterlayer path.point").count() == DATA_SETS
    if folder := os.environ.get(SHOTS):
        page.screenshot(path=Path(folder) / f"store-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    assert page.evaluate(WEAK) == []
    assert complaints == []
    page.close()


def test_the_form_and_the_links_filter(browser: Any, server: WatchServer) -> None:
    page, complaints = open_page(browser, f"{server.address}/")
    page.click("text=Experience store")
    page.wait_for_url("**/store")
    page.select_option("select[name=status]", "failed")
    page.fill("input[name=text]", "out_of")
    page.click("text=Show")
    until(page, "location.search.includes('status=failed')")
    count = int(page.inner_text(".facts b").replace(",", ""))
    assert 0 < count < EXPERIENCES
    failures = page.inner_text("#failures tbody tr td:nth-child(2)")
    assert int(failures.replace(",", "")) == count
    # What was asked for stays in the form, and a data set's name asks for that one as well.
    assert page.input_value("input[name=text]") == "out_of"
    name = page.inner_text("#tasks tbody a >> nth=0")
    page.click("#tasks tbody a >> nth=0")
    until(page, "location.search.includes('data=')")
    assert page.input_value("select[name=data]") == name
    assert int(page.inner_text(".facts b")) < count
    page.set_default_timeout(patience(10_000))
    assert complaints == []
    page.close()
