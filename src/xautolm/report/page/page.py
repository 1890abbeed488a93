"""A run as one self-contained HTML page: the answer first, then what it rests on."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from xautolm.printable import CONTROLS
from xautolm.report.page.answer import answer_section
from xautolm.report.page.blocks import Block, Chart, Section
from xautolm.report.page.choice import choice_section
from xautolm.report.page.content import PageContent
from xautolm.report.page.cost import cost_section
from xautolm.report.page.figures import json_of
from xautolm.report.page.learned import learned_section
from xautolm.report.page.next_steps import next_section
from xautolm.report.page.provenance import provenance_section
from xautolm.report.page.quality import quality_section
from xautolm.report.page.store import STORE_ADDRESS, Field

if TYPE_CHECKING:
    from jinja2 import Template

SECTIONS: Sequence[Callable[[PageContent], Section]] = (
    answer_section,
    quality_section,
    choice_section,
    cost_section,
    learned_section,
    next_section,
    provenance_section,
)
"""In the order in which a reader asks."""


def html_report(content: PageContent) -> str:
    """Return the page.

    Everything that comes from data, models or errors is escaped by the template or, inside pictures, as JSON; the page
    loads nothing from anywhere.
    """
    sections = [section(content) for section in SECTIONS]
    has_charts = False
    wide: set[int] = set()
    for section in sections:
        has_charts = has_charts or any(isinstance(block, Chart) for block in section.blocks)
        wide |= wide_blocks(section.blocks)
    plotly = packed_plotly() if has_charts else ""
    page: str = _template("report.html").render(
        title=content.title, sections=sections, wide=wide, plotly=plotly
    )
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link at the top of a page that a server gives."""

    text: str
    address: str


def html_sections(sections: Sequence[Section]) -> str:
    """Return sections for a place in a page that is there already."""
    wide: set[int] = set()
    for section in sections:
        wide |= wide_blocks(section.blocks)
    html: str = _template("sections.html").render(sections=sections, wide=wide)
    return html


def notebook_answer(content: PageContent) -> str:
    """Return the answer alone, for the output of a cell of a notebook, whose own style holds besides a few lines."""
    html: str = _template("notebook.html").render(
        title=content.title, answer=html_sections([answer_section(content)])
    )
    return html


def report_sections(content: PageContent) -> str:
    """Return all sections of the page of a run."""
    return html_sections([section(content) for section in SECTIONS])


def live_page(
    title: str,
    sections: Sequence[Section],
    *,
    links: Sequence[Link] = (),
    address: str = "",
    form: Sequence[str] = (),
    fields: Sequence[Field] = (),
) -> str:
    """Return a page for a browser that a server of ours goes on telling of changes.

    Args:
        title: Of the page.
        sections: What is there at once.
        links: To other pages of the server.
        address: Of the run that is watched, ends with a slash; none for a page that stays as it is.
        form: Names of runs of which two can be chosen.
        fields: By which the store's page is filtered.
    """
    page: str = _template("live.html").render(
        title=title,
        live=html_sections(sections),
        links=links,
        address=address,
        form=form,
        fields=fields,
        store=STORE_ADDRESS,
    )
    return page


def wide_blocks(blocks: Sequence[Block]) -> set[int]:
    """Return the ids of the blocks that take the whole width of a large screen, where two stand side by side.

    Besides those that need it, these are the last of narrow ones that are odd in number: beside it nothing would stand.
    """
    wide: set[int] = set()
    pending: Block | None = None
    for block in blocks:
        if block.is_wide:
            wide.add(id(block))
            if pending is not None:
                wide.add(id(pending))
            pending = None
        elif pending is None:
            pending = block
        else:
            pending = None
    if pending is not None:
        wide.add(id(pending))
    return wide


@cache
def packed_plotly() -> str:
    """Return Plotly's library, compressed, as base64: 2.0 MB instead of 4.8; the page unpacks it."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().encode("utf-8")
    # Without the time, so that the page of a run is the same each time.
    packed = gzip.compress(library, compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _without_controls(value: object) -> object:
    """Return what a template shows, without signs by which a page would show something else than what is there."""
    if not isinstance(value, str):
        return value
    text = CONTROLS.sub("", value)
    # What is marked as safe stays so.
    return value if text == value else type(value)(text)


@cache
def _template(name: str) -> Template:
    """Return a template; it is read and compiled once."""
    from jinja2 import Environment, PackageLoader

    # Labels, notes and messages of errors come from outside: whatever is not marked as safe there is escaped.
    environment = Environment(
        loader=PackageLoader("xautolm.report"),
        autoescape=True,
        finalize=_without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure_json"] = json_of
    environment.filters["id"] = id
    return environment.get_template(name)
