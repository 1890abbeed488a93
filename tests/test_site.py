"""The site is built, and neither building nor reading it fetches anything."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs.tools.site import REPOSITORY, pages, place_of

pytest.importorskip("material", reason="the extra `docs` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ASSETS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that make a browser fetch something, with the attribute that says from where."""


class Fetched(HTMLParser):
    """Collect what a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        address = dict(attributes).get(ASSETS.get(tag, ""))
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    for page in pages():
        place = place_of(page).removesuffix(".md").removesuffix("index")
        assert (site / place / "index.html").is_file(), page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    addresses: list[str] = []
    for page in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        addresses += parser.addresses
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        addresses += re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", text)
    assert len(addresses) > 100
    external = [address for address in addresses if re.match(r"(https?:)?//", address)]
    assert external == []
