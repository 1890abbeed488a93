"""What a section of the page is made of; the template has one file for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from xautolm.report.page.words import cut

if TYPE_CHECKING:
    import plotly.graph_objects as go


LONGEST_TEXT = 400
"""Characters of a text that are shown: enough to see what it is about, and ten of them on two screens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    is_wide: ClassVar[bool] = True
    text: str
    is_warning: bool = False
    """Whether a reader would draw a wrong conclusion without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number at the top of the page."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Numbers side by side."""

    kind: ClassVar[str] = "facts"
    is_wide: ClassVar[bool] = True
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table that is more than its text."""

    text: str
    shade: float | None = None
    """How strongly it is coloured, 0 to 1: what is large in a matrix is seen before it is read."""
    is_long: bool = False
    """Whether it holds sentences, which need width, rather than a word."""
    link: str = ""
    """Anchor on the page."""
    address: str = ""
    """Of another page of the same server."""


def passage(text: object) -> Cell:
    """Return a text of the data, or of a model, in a cell: its first `LONGEST_TEXT` characters."""
    return Cell(text=cut(str(text), LONGEST_TEXT), is_long=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table."""

    cells: Sequence[Cell | str]
    anchor: str = ""
    mark: str = ""
    """`front` or `failed`, which the style knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, which scrolls by itself where it is wider than the screen."""

    kind: ClassVar[str] = "table"
    title: str
    headings: Sequence[str]
    rows: Sequence[Row]
    numbers: frozenset[str] = frozenset()
    """Headings of columns that are aligned at the right."""
    visible: int = 20
    """Rows that are shown at once; the others unfold."""
    note: str = ""
    is_wide: bool = False
    """Whether it takes the whole width of a large screen rather than half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture, and in words what it shows: for those who do not see it, and where no script runs."""

    kind: ClassVar[str] = "chart"
    name: str
    """Of its element; unique on the page."""
    title: str
    figure: go.Figure
    caption: str
    height: int = 320
    """Pixels."""
    is_wide: bool = False
    """Whether it takes the whole width of a large screen rather than half of it."""
    least_width: int = 0
    """Pixels below which it scrolls instead of shrinking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines to copy."""

    kind: ClassVar[str] = "code"
    is_wide: ClassVar[bool] = False
    title: str
    lines: str
    note: str = ""


Block: TypeAlias = Text | Facts | Table | Chart | Code
"""Anything that stands in a section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A question that a reader has, and its answer."""

    anchor: str
    title: str
    blocks: Sequence[Block]
