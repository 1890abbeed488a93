"""The site of the documentation: its links. MkDocs loads this file as a hook; `make site` builds the site.

The pages lie in the repository as GitHub shows them, and their links lead to other files of the repository by relative
paths. On the site, the README is the home page, `docs/X` is the page `X`, and whatever else the pages link to, in
however many steps, lies below `repository/`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "README.md"
DOCS = "docs/"
ELSEWHERE = "repository/"
"""Folder of the site for files that are in the repository, but not in `docs/`."""

CODE_OR_LINK = re.compile(
    r"""
    (?P<code>
        ^\ *(?P<fence>`{3,}).*?^\ *(?P=fence)`*\ *$      # a block of code
        | (?P<ticks>`+)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)  # code within a paragraph
    )
    | (?<=\]\()(?P<target>[^()\s]+)(?=\))
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
"""A link's target; code stands first, because nothing in it is a link."""
FENCE = re.compile(r"^ *(`{3,}).*?^ *\1`* *$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a page to a file of the repository."""

    target: str
    """As the page has it."""
    path: str
    """The file or folder from the root of the repository; empty parts and `..` are resolved."""
    anchor: str
    """The heading on that page; empty for the page itself."""


def links_of(page: str) -> list[Link]:
    """Return the links of a page that lead nowhere else than into the repository.

    Args:
        page: Its path from the root of the repository.
    """
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    links = []
    for match in CODE_OR_LINK.finditer(text):
        target = match["target"]
        if target is not None and is_of_repository(target):
            links.append(resolved(page, target))
    return links


def is_of_repository(target: str) -> bool:
    """Return whether a link leads to a file of the repository, or to a heading of its own page."""
    return re.match(r"[a-z]+:", target) is None


def resolved(page: str, target: str) -> Link:
    """Return where a link of a page leads."""
    path, _, anchor = target.partition("#")
    if not path:
        return Link(target, page, anchor)
    joined = posixpath.join(posixpath.dirname(page), path)
    return Link(target, posixpath.normpath(joined), anchor)


def anchors_of(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site name them."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    anchors: set[str] = set()
    # A comment of a script begins as a heading does.
    without_code = FENCE.sub("", text)
    for heading in HEADING.findall(without_code):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        anchors.add(words.replace(" ", "-"))
    return anchors


def pages() -> list[str]:
    """Return the pages that people start from: the README and all of `docs/`."""
    paths = [HOME]
    for page in sorted((REPOSITORY / DOCS).rglob("*.md")):
        path = page.relative_to(REPOSITORY)
        paths.append(path.as_posix())
    return paths


def linked_from_elsewhere() -> Iterator[str]:
    """Yield the files outside of `docs/` that the pages link to, directly or through each other."""
    waiting = pages()
    visited = set(waiting)
    while waiting:
        page = waiting.pop()
        for link in links_of(page):
            path = link.path
            is_file = (REPOSITORY / path).is_file()
            if path in visited or not is_file:
                continue
            visited.add(path)
            if path.endswith(".md"):
                waiting.append(path)
            # MkDocs lists what lies in `docs/` itself.
            if not path.startswith(DOCS):
                yield path


def place_of(path: str) -> str:
    """Return where a file of the repository lies on the site."""
    if path == HOME:
        return "index.md"
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return ELSEWHERE + path


def path_at(place: str) -> str:
    """Return which file of the repository lies at a place of the site: `place_of` the other way round."""
    if place == "index.md":
        return HOME
    if place.startswith(ELSEWHERE):
        return place.removeprefix(ELSEWHERE)
    return DOCS + place


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside of `docs/` to the site; MkDocs calls this when it has listed those inside."""
    from mkdocs.structure.files import File

    for path in [HOME, *linked_from_elsewhere()]:
        place = place_of(path)
        source = REPOSITORY / path
        file = File.generated(config, place, abs_src_path=str(source))
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **context: object) -> str:
    """Return a page's text with links as the site has its files; MkDocs calls this before it renders a page."""
    own_place = page.file.src_uri
    own_path = path_at(own_place)
    own_folder = posixpath.dirname(own_place)

    def moved(match: re.Match[str]) -> str:
        target = match["target"]
        is_code = target is None
        if is_code or target.startswith("#") or not is_of_repository(target):
            return match[0]
        link = resolved(own_path, target)
        place = place_of(link.path)
        # `posixpath.relpath` takes an empty folder for an error.
        moved_target = posixpath.relpath(place, own_folder or ".")
        if link.anchor:
            moved_target += f"#{link.anchor}"
        return moved_target

    return CODE_OR_LINK.sub(moved, markdown)
