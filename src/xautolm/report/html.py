"""A run as one self-contained HTML page: pictures, tables, and how to load the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xautolm.objectives import Objective
from xautolm.records import Experience
from xautolm.report.tables import best_first, duration, failures_by_kind, leaderboard, pruning_account

if TYPE_CHECKING:
    import plotly.graph_objects as go

LEADERS = 15
"""Rows of the table and curves of the picture."""
INK, ACCENT, MUTED, BAD = "#1f2933", "#0b7285", "#9aa5b1", "#c92a2a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """What the page says of the best trial."""

    usage: str
    """Python that asks its model."""
    validation: Mapping[str, float]
    """Scores on the validation split."""
    test: Mapping[str, float]
    """Scores on the test split; empty where there is none."""
    kind: str = ""
    """Which library loads its folder."""


def html_report(
    title: str,
    experiences: Sequence[Experience],
    front: Sequence[int],
    lead: Objective,
    winner: Winner | None,
    notes: Sequence[str],
) -> str:
    """Return the page.

    Args:
        title: What the run is called.
        experiences: Its trials; at least one.
        front: Numbers of the Pareto-optimal trials.
        lead: The first quality among the objectives.
        winner: What is said of the best trial, if any gave a model.
        notes: What was done to the data.

    Everything that comes from data, models or errors is escaped by the template or, inside pictures, by Plotly's
    JSON; the page loads nothing from anywhere.
    """
    from jinja2 import Environment, PackageLoader
    from plotly.offline import get_plotlyjs

    pictures = [
        ("Quality against time", _front_picture(experiences, front, lead.name)),
        ("Best so far", _progress_picture(experiences, lead)),
        ("Failures by kind", _failure_picture(experiences)),
        ("Learning curves of the leaders", _curves_picture(experiences, lead)),
    ]
    rows = leaderboard(experiences, lead, front)
    template = Environment(loader=PackageLoader("xautolm.report"), autoescape=True).get_template("report.html")
    page: str = template.render(
        title=title,
        plotly=get_plotlyjs(),
        pictures=[
            (heading, _div(figure, index)) for index, (heading, figure) in enumerate(pictures) if figure is not None
        ],
        rows=rows[:LEADERS],
        hidden=max(0, len(rows) - LEADERS),
        facts=_facts(experiences, front, lead, winner),
        metric=lead.name,
        winner=winner,
        notes=notes,
        data=experiences[0].data,
        system=experiences[0].system,
    )
    return page


def _facts(
    experiences: Sequence[Experience], front: Sequence[int], lead: Objective, winner: Winner | None
) -> list[tuple[str, str]]:
    """Return what is said at the top of the page, as pairs of a name and a value."""
    metric = lead.name
    scored = [experience for experience in experiences if metric in experience.outcome.metrics]
    best = f"{best_first(scored, lead)[0].outcome.metrics[metric]:.4f}" if scored else "none"
    failed = sum(failures_by_kind(experiences).values())
    pruned = pruning_account(experiences)
    tested = []
    if winner is not None and metric in winner.test:
        tested.append((f"test {metric}", f"{winner.test[metric]:.4f}"))
    return [
        (f"best {metric}", best),
        *tested,
        ("trials", str(len(experiences))),
        ("failed", str(failed)),
        ("on the Pareto front", str(len(front))),
        ("time in trials", duration(sum(one.outcome.wall_time for one in experiences))),
        *([("pruning", pruned)] if pruned else []),
    ]


def _front_picture(experiences: Sequence[Experience], front: Sequence[int], metric: str) -> go.Figure | None:
    import plotly.graph_objects as go

    # A trial that was stopped has spent less than its configuration takes, so it is no point of this picture.
    scored = [one for one in experiences if one.outcome.evaluation_time and one.outcome.succeeded]
    if not scored:
        return None
    figure = _figure("evaluation time (s)", metric)
    for members, name, colour in (
        ([one for one in scored if one.trial not in front], "dominated", MUTED),
        ([one for one in scored if one.trial in front], "Pareto front", ACCENT),
    ):
        members = sorted(members, key=lambda one: one.outcome.evaluation_time or 0)
        figure.add_trace(
            go.Scatter(
                x=[one.outcome.evaluation_time for one in members],
                y=[one.outcome.metrics[metric] for one in members],
                text=[
                    _escaped(f"trial {one.trial}: {one.configuration.model}, {one.configuration.method}")
                    for one in members
                ],
                mode="lines+markers" if colour == ACCENT else "markers",
                line={"shape": "hv"},
                marker={"size": 9},
                line_color=colour,
                name=name,
            )
        )
    return figure


def _progress_picture(experiences: Sequence[Experience], lead: Objective) -> go.Figure | None:
    """Return the best value so far over the seconds spent in trials; None where no trial has a value."""
    import plotly.graph_objects as go

    times = []
    scores = []
    best = float("-inf")
    spent = 0.0
    for experience in sorted(experiences, key=lambda experience: (experience.created, experience.trial)):
        outcome = experience.outcome
        spent += outcome.wall_time
        standing = lead.standing(outcome.metrics)
        if standing > best:
            best = standing
            times.append(spent)
            scores.append(outcome.metrics[lead.name])
    if not times:
        return None
    figure = _figure("seconds spent in trials", f"best {lead.name}")
    # The last value holds until the last trial's end.
    curve = {"x": [*times, spent], "y": [*scores, scores[-1]]}
    figure.add_trace(go.Scatter(**curve, mode="lines+markers", line={"shape": "hv"}, line_color=ACCENT))
    return figure


def _failure_picture(experiences: Sequence[Experience]) -> go.Figure | None:
    import plotly.graph_objects as go

    kinds = failures_by_kind(experiences)
    if not kinds:
        return None
    figure = _figure("trials", "")
    figure.add_trace(go.Bar(x=list(kinds.values()), y=list(kinds), orientation="h", marker_color=BAD))
    return figure


def _curves_picture(experiences: Sequence[Experience], lead: Objective) -> go.Figure | None:
    """Return the learning curves of the best trials; None where no trial has a value."""
    import plotly.graph_objects as go

    scored = [experience for experience in experiences if lead.name in experience.outcome.metrics]
    if not scored:
        return None
    figure = _figure("epoch", lead.name)
    for experience in best_first(scored, lead)[: LEADERS // 2]:
        history = experience.outcome.history
        figure.add_trace(
            go.Scatter(
                x=[point["epoch"] for point in history],
                y=[point[lead.name] for point in history],
                mode="lines+markers",
                name=_escaped(f"{experience.trial}: {experience.configuration.model}"),
            )
        )
    return figure


def _figure(x: str, y: str) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        font={"color": INK, "size": 13},
        margin={"l": 56, "r": 12, "t": 12, "b": 48},
        height=360,
        legend={"orientation": "h", "yanchor": "top", "y": -0.2},
        xaxis_title=x,
        yaxis_title=y,
    )
    return figure


def _div(figure: Any, index: int) -> str:
    from plotly.io import to_html

    figure.update_layout(showlegend=len(figure.data) > 1)
    options = {"responsive": True, "displayModeBar": False}
    return str(to_html(figure, full_html=False, include_plotlyjs=False, config=options, div_id=f"picture-{index}"))


def _escaped(text: str) -> str:
    """Plotly shows a small set of tags in text; nothing of ours may be one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
