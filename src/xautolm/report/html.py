"""A run as one self-contained HTML page: pictures, tables, and how to load the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.forecasts import ForecastCheck
from xautolm.objectives import Objective
from xautolm.records import Experience
from xautolm.report.forecasts import forecast_section
from xautolm.report.tables import (
    best_first,
    duration,
    failures_by_kind,
    leaderboard,
    pruning_account,
    score_text,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jinja2 import Template

LEADERS = 15
"""Rows of the table; the picture of learning curves has half as many."""
INK, ACCENT, MUTED, BAD = "#1f2933", "#0b7285", "#9aa5b1", "#c92a2a"
"""Colours of text, of what is on the front, of what is not, and of failures, in pictures and in the page's style."""


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
    check: ForecastCheck | None = None,
) -> str:
    """Return the page.

    Args:
        title: What the run is called.
        experiences: Its trials; at least one.
        front: Numbers of the Pareto-optimal trials.
        lead: The first quality among the objectives.
        winner: What is said of the best trial, if any gave a model.
        notes: What was done to the data.
        check: How forecasts compare with what happened, if any were kept.

    Everything that comes from data, models or errors is escaped by the template or, inside pictures, by Plotly's
    JSON; the page loads nothing from anywhere.
    """
    # Loaded here, as in the functions below: Plotly takes 0.3 s, and most commands draw nothing.
    from plotly.offline import get_plotlyjs

    pictures = [
        ("Quality against time", _front_picture(experiences, front, lead.name)),
        ("Best so far", _progress_picture(experiences, lead)),
        ("Failures by kind", _failure_picture(experiences)),
        ("Learning curves of the leaders", _curves_picture(experiences, lead)),
    ]
    drawn = []
    for index, (heading, figure) in enumerate(pictures):
        # A picture of nothing is left out: in a run of failures, there is no score to draw.
        if figure is not None:
            drawn.append((heading, _div(figure, index)))
    rows = leaderboard(experiences, lead, front)
    page: str = _template().render(
        title=title,
        # The whole library, 5 MB: the page opens without a network.
        plotly=get_plotlyjs(),
        pictures=drawn,
        rows=rows[:LEADERS],
        hidden=max(0, len(rows) - LEADERS),
        facts=_facts(experiences, front, lead, winner),
        metric=lead.name,
        winner=winner,
        notes=notes,
        forecasts=forecast_section(check),
        data=experiences[0].data,
        system=experiences[0].system,
        ink=INK,
        accent=ACCENT,
        bad=BAD,
    )
    return page


def _template() -> Template:
    """Return the page without its values."""
    from jinja2 import Environment, PackageLoader

    # Labels, notes and messages of errors come from outside: whatever is not marked as safe there is escaped.
    environment = Environment(loader=PackageLoader("xautolm.report"), autoescape=True)
    environment.filters["score"] = score_text
    return environment.get_template("report.html")


def _facts(
    experiences: Sequence[Experience], front: Sequence[int], lead: Objective, winner: Winner | None
) -> list[tuple[str, str]]:
    """Return what is said at the top of the page, as pairs of a name and a value."""
    metric = lead.name
    scored = [experience for experience in experiences if metric in experience.outcome.metrics]
    best = "none"
    if scored:
        leader = best_first(scored, lead)[0]
        best = score_text(leader.outcome.metrics[metric])
    seconds = sum(experience.outcome.wall_time for experience in experiences)
    failed = sum(failures_by_kind(experiences).values())
    pruned = pruning_account(experiences)

    facts = [(f"best {metric}", best)]
    if winner is not None and metric in winner.test:
        test = score_text(winner.test[metric])
        facts.append((f"test {metric}", test))
    facts += [
        ("trials", str(len(experiences))),
        ("failed", str(failed)),
        ("on the Pareto front", str(len(front))),
        ("time in trials", duration(seconds)),
    ]
    if pruned:
        facts.append(("pruning", pruned))
    return facts


def _front_picture(
    experiences: Sequence[Experience], front: Sequence[int], metric: str
) -> go.Figure | None:
    """Return the trials by evaluation time and score, the front as steps; None where no trial left a model."""
    dominated: list[Experience] = []
    optimal: list[Experience] = []
    for experience in experiences:
        outcome = experience.outcome
        # A trial that was stopped has spent less than its configuration takes, so it is no point of this picture.
        if not outcome.evaluation_time or not outcome.succeeded:
            continue
        members = optimal if experience.trial in front else dominated
        members.append(experience)
    if not dominated and not optimal:
        return None
    figure = _figure("evaluation time (s)", metric)
    _add_points(figure, dominated, metric, name="dominated", mode="markers", colour=MUTED)
    _add_points(figure, optimal, metric, name="Pareto front", mode="lines+markers", colour=ACCENT)
    return figure


def _add_points(
    figure: go.Figure,
    trials: Sequence[Experience],
    metric: str,
    *,
    name: str,
    mode: str,
    colour: str,
) -> None:
    """Add trials to the picture of the front, in the order of their evaluation time.

    Args:
        figure: The picture.
        trials: Those that left a model.
        metric: What is drawn upwards.
        name: Of the trials together, in the legend.
        mode: Plotly's: `markers`, or `lines+markers` for a curve of steps.
        colour: Of points and lines.
    """
    import plotly.graph_objects as go

    times = []
    scores = []
    texts = []
    for trial in sorted(trials, key=lambda trial: trial.outcome.evaluation_time or 0.0):
        configuration = trial.configuration
        times.append(trial.outcome.evaluation_time)
        scores.append(trial.outcome.metrics[metric])
        texts.append(
            _escaped(f"trial {trial.trial}: {configuration.model}, {configuration.method}")
        )
    points = go.Scatter(
        x=times,
        y=scores,
        text=texts,
        mode=mode,
        # Steps, horizontal first: between two points of a front, the faster one is the best that there is.
        line={"shape": "hv"},
        marker={"size": 9},
        line_color=colour,
        name=name,
    )
    figure.add_trace(points)


def _progress_picture(experiences: Sequence[Experience], lead: Objective) -> go.Figure | None:
    """Return the best value so far over the seconds spent in trials; None where no trial has a value."""
    import plotly.graph_objects as go

    times = []
    scores = []
    best = float("-inf")
    spent = 0.0
    # In the order in which they ended, which several trials at once do in another order than they begin.
    ended = sorted(experiences, key=lambda experience: (experience.created, experience.trial))
    for experience in ended:
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
    times.append(spent)
    scores.append(scores[-1])
    curve = go.Scatter(
        x=times, y=scores, mode="lines+markers", line={"shape": "hv"}, line_color=ACCENT
    )
    figure.add_trace(curve)
    return figure


def _failure_picture(experiences: Sequence[Experience]) -> go.Figure | None:
    """Return how many trials failed, as a bar for each kind; None where none failed."""
    import plotly.graph_objects as go

    kinds = failures_by_kind(experiences)
    if not kinds:
        return None
    figure = _figure("trials", "")
    bars = go.Bar(x=list(kinds.values()), y=list(kinds), orientation="h", marker_color=BAD)
    figure.add_trace(bars)
    return figure


def _curves_picture(experiences: Sequence[Experience], lead: Objective) -> go.Figure | None:
    """Return the learning curves of the best trials; None where no trial has a value."""
    import plotly.graph_objects as go

    scored = [experience for experience in experiences if lead.name in experience.outcome.metrics]
    if not scored:
        return None
    figure = _figure("epoch", lead.name)
    leaders = best_first(scored, lead)[: LEADERS // 2]
    for experience in leaders:
        history = experience.outcome.history
        curve = go.Scatter(
            x=[point["epoch"] for point in history],
            y=[point[lead.name] for point in history],
            mode="lines+markers",
            name=_escaped(f"{experience.trial}: {experience.configuration.model}"),
        )
        figure.add_trace(curve)
    return figure


def _figure(x_title: str, y_title: str) -> go.Figure:
    """Return an empty picture in the style of the page."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        font={"color": INK, "size": 13},
        margin={"l": 56, "r": 12, "t": 12, "b": 48},
        height=360,
        legend={"orientation": "h", "yanchor": "top", "y": -0.2},
        xaxis_title=x_title,
        yaxis_title=y_title,
    )
    return figure


def _div(figure: go.Figure, index: int) -> str:
    """Return the HTML of a picture; the page holds Plotly's library once, for all of them."""
    from plotly.io import to_html

    # A single curve needs no legend.
    figure.update_layout(showlegend=len(figure.data) > 1)
    options = {"responsive": True, "displayModeBar": False}
    # Left to itself, Plotly draws a random name for the element.
    html = to_html(
        figure, full_html=False, include_plotlyjs=False, config=options, div_id=f"picture-{index}"
    )
    return str(html)


def _escaped(text: str) -> str:
    """Return a text in which Plotly finds no tags: it shows a small set of them, and nothing of ours may be one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
