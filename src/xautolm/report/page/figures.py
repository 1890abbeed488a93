"""What the page's pictures have in common; their colours of text and lines are given by the page, light or dark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

ACCENT, MUTED, BAD, GOOD, WARM = "#1098ad", "#868e96", "#e8590c", "#37a34a", "#ae6fd0"
"""What leads, what does not, what failed, what is right, what is apart; told apart on white and on black."""
SERIES = (ACCENT, BAD, GOOD, WARM, "#c79a00", "#4c6ef5", "#d6336c", MUTED)
"""Colours of things that have no order."""


def figure(x_title: str, y_title: str) -> go.Figure:
    """Return an empty picture in the style of the page."""
    import plotly.graph_objects as go

    picture = go.Figure()
    style(picture)
    # A metric of somebody's own may be called anything.
    picture.update_xaxes(title_text=escaped(x_title))
    picture.update_yaxes(title_text=escaped(y_title))
    return picture


def style(picture: go.Figure) -> None:
    """Give a picture the style of the page."""
    picture.update_layout(
        # Colours of text, paper and grid come from the page when it is drawn.
        template="none",
        title=None,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0.0},
        hoverlabel={"align": "left"},
        # On a phone a finger that scrolls the page would draw a zoom box instead.
        dragmode=False,
    )
    picture.update_xaxes(automargin=True, title_standoff=8, zeroline=False)
    picture.update_yaxes(automargin=True, title_standoff=8, zeroline=False)


def escaped(text: str) -> str:
    """Return a text in which Plotly finds no tags: it shows a small set of them, and nothing of ours may be one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def json_of(picture: go.Figure) -> str:
    """Return a picture as JSON that may stand in a script element, whatever texts are in it."""
    # A single curve needs no legend.
    if picture.layout.showlegend is None:
        picture.update_layout(showlegend=len(picture.data) > 1)
    value = json.loads(str(picture.to_json()))
    # Signs as they are: the template takes out those that a page may not show, which it would not know as escapes.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Nothing in it can then end the element or begin a comment.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
