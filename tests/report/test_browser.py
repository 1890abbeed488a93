"""The page in a real browser: nothing overflows, nothing fails, in both themes, from a phone to a desk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import patience
from tests.report.pages import made_up_run
from xautolm.report import html_report

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""Of an installed browser; playwright's own is used where there is none."""
SHOTS = "XAUTOLM_SCREENSHOTS"
"""Environment variable: a folder in which a person finds what the tests saw."""
OPENING_SECONDS = 2.0
"""Processor time of the page's own thread until it can be read and its first pictures are drawn."""

WAIT_FOR_PLOTLY = (
    "(async () => { while (!window.Plotly) await new Promise((go) => setTimeout(go, 50)); })()"
)
DRAW_ALL = """async () => {
  dispatchEvent(new Event("beforeprint"));
  const plots = [...document.querySelectorAll(".plot")];
  while (plots.some((plot) => !plot.querySelector(".main-svg"))) await new Promise((go) => setTimeout(go, 50));
  return plots.length;
}"""
CUT = """() => [...document.querySelectorAll(".blocks > *, .plot .main-svg")].filter((element) => {
  const { left, right } = element.getBoundingClientRect();
  const frame = element.closest(".scroll");
  const scrolls = frame !== null && frame.scrollWidth > frame.clientWidth;
  return !scrolls && (left < -1 || right > innerWidth + 1);
}).map((element) => element.outerHTML.slice(0, 120))"""
"""What is cut at the left or right; what scrolls inside a frame of its own is not."""
WEAK = """() => {
  const light = (text) => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const weak = [];
  const texts = "h1, h2, h3, p:not(.warning), nav a, td:not(.shaded), th, figcaption, summary";
  for (const element of document.querySelectorAll(texts)) {
    const ink = light(getComputedStyle(element).color);
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) weak.push(`${element.tagName} ${contrast.toFixed(1)}`);
  }
  return weak;
}"""
"""Text whose contrast with the paper is below 4.5, the least that WCAG 2 asks at level AA."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start a browser without a window, or skip where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as session:
        try:
            # A container's root may not make the namespaces of Chromium's sandbox; it opens nothing but our own page.
            opened = session.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no browser: {str(error).partition(chr(10))[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html_report(made_up_run()), encoding="utf-8")
    return path


def opened(browser: Any, path: Path, width: int, theme: str) -> tuple[Any, list[str]]:
    """Return an open page, and the list to which it adds what its console complains of."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.set_default_timeout(patience(60_000))
    complaints: list[str] = []

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: complaints.append(request.url) if request.url.startswith("http") else None,
    )
    page.goto(path.as_uri())
    page.evaluate(WAIT_FOR_PLOTLY)
    return page, complaints


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_overflows_and_nothing_fails(
    browser: Any, page_file: Path, width: int, theme: str
) -> None:
    page, complaints = opened(browser, page_file, width, theme)
    charts = page.evaluate(DRAW_ALL)
    assert charts == html_report(made_up_run()).count('class="plot"') >= 7
    if folder := os.environ.get(SHOTS):
        page.screenshot(path=Path(folder) / f"report-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    assert page.evaluate(WEAK) == []
    assert complaints == []
    page.close()


def test_a_point_leads_to_its_row(browser: Any, page_file: Path) -> None:
    page, complaints = opened(browser, page_file, 1280, "light")
    page.evaluate(DRAW_ALL)
    point = page.locator("#chart-front .scatterlayer .trace").first.locator(".point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 1, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#chart-front .hoverlayer .hovertext")
    assert "learning rate" in page.locator("#chart-front .hoverlayer").text_content()
    page.mouse.click(x, y)
    page.wait_for_function("location.hash.startsWith('#trial-')")
    row = page.locator("tr:target")
    page.wait_for_timeout(1_000)
    assert 0 <= row.bounding_box()["y"] < 900
    assert complaints == []
    page.close()


def test_pictures_follow_when_the_evening_comes(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 768, "light")
    page.evaluate(DRAW_ALL)
    colour = "getComputedStyle(document.querySelector('#chart-front .xtick text')).fill"
    by_day = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{colour} !== {by_day!r}")
    page.close()


def test_five_hundred_trials_open_at_once(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(html_report(made_up_run(500)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    meter = page.context.new_cdp_session(page)
    # The thread's own time, which other programs on the machine do not lengthen.
    meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri())
    page.evaluate(WAIT_FOR_PLOTLY)
    metrics = meter.send("Performance.getMetrics")["metrics"]
    (seconds,) = [metric["value"] for metric in metrics if metric["name"] == "TaskDuration"]
    assert seconds < patience(OPENING_SECONDS)
    page.close()
