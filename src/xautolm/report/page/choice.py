"""Why this one: what was tried, how it compares, and which hyperparameters mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xautolm.objectives import Objective
from xautolm.records import Experience, TrialOutcome
from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.content import PageContent
from xautolm.report.page.costs import shown_cost
from xautolm.report.page.figures import ACCENT, MUTED, SERIES, escaped, figure
from xautolm.report.page.parameters import importance_chart, parallel_chart
from xautolm.report.page.words import (
    anchor_of,
    configuration_name,
    counted,
    hyperparameter_pairs,
    in_bytes,
    method_name,
    short_time,
    trial_name,
)
from xautolm.report.tables import best_first, ending, number, score_text
from xautolm.vocabulary import TrialStatus

if TYPE_CHECKING:
    import plotly.graph_objects as go

DRAWN_CURVES = 6
"""Learning curves, of the best trials: more of them cover each other, and on a phone their names fill the picture."""
MOST_EPOCH_TICKS = 12
"""Whole epochs that stand beside each other on a phone."""
LONGEST_WORD = 20
"""Characters of a cell that is not wrapped."""
VISIBLE_TRIALS = 15
"""Rows of the table of trials that are shown at once."""


def choice_section(content: PageContent) -> Section:
    """Return what speaks for the winner."""
    blocks: list[Block] = [Text(text=_reason(content))]
    charts = (
        front_chart(content),
        curves_chart(content),
        importance_chart(content.scored, content.lead),
        parallel_chart(content.scored, content.lead),
    )
    front, *others = charts
    if front is not None:
        blocks.append(front)
    if content.scored:
        blocks.append(_grid(content))
    for chart in others:
        if chart is not None:
            blocks.append(chart)
    blocks.append(_trials(content))
    return Section(anchor="choice", title="Why this one?", blocks=blocks)


def _reason(content: PageContent) -> str:
    """Return in a few sentences how the winner compares with the others."""
    tried = counted(len(content.experiences), "trial")
    models = {experience.configuration.model for experience in content.experiences}
    methods = {experience.configuration.method for experience in content.experiences}
    text = f"{tried} of {counted(len(models), 'model')} and {counted(len(methods), 'method')}."
    best = content.best
    if best is None:
        return text
    metric = content.lead.name
    score = best.outcome.metrics[metric]
    name = trial_name(best)
    text += f" {name[0].upper()}{name[1:]} has the best validation {content.metric}, {score_text(score)}"
    rival = _rival(content, best)
    if rival is not None:
        rival_score = rival.outcome.metrics[metric]
        text += f"; next is {trial_name(rival)} with {score_text(rival_score)}"
        gap = score_text(abs(score - rival_score))
        # Of equally good trials the fastest wins.
        text += ", as good and no faster" if score == rival_score else f", {gap} behind"
    text += "."
    return text + _trade(content, best)


def _trade(content: PageContent, best: Experience) -> str:
    """Return in a sentence what the cheapest trial of the front costs and reaches; nothing where it is the winner."""
    cost = shown_cost(content.info.objectives)
    costs = {}
    for experience in content.scored:
        value = cost.of(experience.outcome)
        if experience.trial in content.front and value is not None:
            costs[experience.trial] = (value, experience)
    # The winner's own cost may not have been measured.
    if best.trial not in costs:
        return ""
    lowest, cheapest = min(costs.values(), key=lambda pair: pair[0])
    if cheapest.trial == best.trial:
        return ""
    own, _ = costs[best.trial]
    return (
        f" The {cost.lowest} on the Pareto front, {trial_name(cheapest)}, takes {cost.text(lowest)} instead of "
        f"{cost.text(own)} and reaches {score_text(cheapest.outcome.metrics[content.lead.name])}."
    )


def _rival(content: PageContent, best: Experience) -> Experience | None:
    """Return the best trial besides the winner that left a model."""
    for experience in content.scored:
        if experience.trial != best.trial and experience.outcome.succeeded:
            return experience
    return None


def front_chart(content: PageContent) -> Chart | None:
    """Return the trials by cost and score, the front as steps; None where no trial left a model with such a cost."""
    cost = shown_cost(content.info.objectives)
    dominated: list[Experience] = []
    optimal: list[Experience] = []
    for experience in content.experiences:
        outcome = experience.outcome
        # A trial that was stopped has spent less than its configuration takes, so it is no point of this picture.
        if cost.of(outcome) is None or not outcome.succeeded:
            continue
        members = optimal if experience.trial in content.front else dominated
        members.append(experience)
    trials = [*dominated, *optimal]
    if not trials:
        return None
    picture = figure(cost.axis, content.metric)
    _add_trials(picture, content, dominated, "dominated", "markers", MUTED)
    _add_trials(picture, content, optimal, "Pareto front", "lines+markers", ACCENT)
    costs = [cost.of(trial.outcome) or 1.0 for trial in trials]
    # Probes take seconds and trainings minutes: on an even axis all but the slowest would be one heap.
    if max(costs) > 10 * min(costs):
        picture.update_xaxes(type="log", tickvals=round_values(min(costs), max(costs)))
    names = ", ".join(str(number) for number in content.front)
    caption = (
        f"On the front, where nothing is both better and {cost.lower}: trial {names}. Each point shows its "
        "hyperparameters; a click goes to its row."
    )
    return Chart(name="front", title=cost.title, figure=picture, caption=caption, height=360)


def round_values(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten within a range: Plotly writes such ticks without their zeros."""
    first = math.floor(math.log10(low))
    last = math.ceil(math.log10(high))
    values = []
    for exponent in range(first, last + 1):
        for digit in (1, 2, 5):
            value = digit * 10.0**exponent
            if low / 2 <= value <= high * 2:
                values.append(value)
    return values


def _add_trials(
    picture: go.Figure,
    content: PageContent,
    trials: Sequence[Experience],
    name: str,
    mode: str,
    colour: str,
) -> None:
    """Add trials to the picture of the front, in the order of their cost.

    Args:
        picture: Of Plotly's.
        content: Of the page.
        trials: Those that left a model.
        name: Of the trials together, in the legend.
        mode: Plotly's: `markers`, or `lines+markers` for a curve of steps.
        colour: Of points and lines.
    """
    if not trials:
        return
    cost = shown_cost(content.info.objectives)
    by_cost = sorted(trials, key=lambda trial: cost.of(trial.outcome) or 0.0)
    costs = [cost.of(trial.outcome) for trial in by_cost]
    scores = [trial.outcome.metrics[content.lead.name] for trial in by_cost]
    texts = [_hover(trial) for trial in by_cost]
    anchors = [anchor_of(trial.trial) for trial in by_cost]
    picture.add_scatter(
        x=costs,
        y=scores,
        text=texts,
        customdata=anchors,
        hovertemplate="%{text}<extra></extra>",
        mode=mode,
        # Steps, horizontal first: between two points of a front, the cheaper one is the best that there is.
        line={"shape": "hv", "color": colour},
        marker={"size": 9, "color": colour},
        name=name,
    )


def _hover(trial: Experience) -> str:
    """Return what a point says, as the small HTML that Plotly knows."""
    lines = [f"<b>{escaped(trial_name(trial))}</b>"]
    for metric, score in trial.outcome.metrics.items():
        lines.append(f"{escaped(metric)}: {score_text(score)}")
    if trial.outcome.latency is not None:
        lines.append(f"latency: {short_time(trial.outcome.latency)}")
    for name, value in hyperparameter_pairs(trial.configuration.values):
        lines.append(f"{escaped(name)}: {escaped(value)}")
    return "<br>".join(lines)


def curves_chart(content: PageContent) -> Chart | None:
    """Return the learning curves of the best trials; None where no trial was scored more than once."""
    metric = content.lead.name
    trained = []
    for experience in content.scored:
        points = [point for point in experience.outcome.history if metric in point]
        # A single point, such as a probe's, is no curve.
        if len(points) > 1:
            trained.append((experience, points))
    if not trained:
        return None
    picture = figure("epoch", content.metric)
    drawn = trained[:DRAWN_CURVES]
    for place, (experience, points) in enumerate(drawn):
        colour = SERIES[place % len(SERIES)]
        _add_curve(picture, content.lead, experience, points, colour)
    # Left to itself, Plotly counts short trainings by half epochs.
    if 2 <= max(points[-1]["epoch"] for _, points in drawn) <= MOST_EPOCH_TICKS:
        picture.update_xaxes(dtick=1)
    # Also of a single curve: the legend says whose it is.
    picture.update_layout(showlegend=True)
    caption = "A star marks the epoch whose weights were kept; stopped trials are dashed."
    if len(drawn) < len(trained):
        caption += f" The best {len(drawn)} of {len(trained)} are shown."
    # On a phone each name in the legend has a line of its own.
    height = 310 + 22 * len(drawn)
    return Chart(
        name="curves", title="Learning curves", figure=picture, caption=caption, height=height
    )


def _add_curve(
    picture: go.Figure,
    lead: Objective,
    experience: Experience,
    points: Sequence[Mapping[str, float]],
    colour: str,
) -> None:
    """Add a trial's evaluations, and a star where the weights were kept."""
    # What was stopped kept no weights.
    is_stopped = experience.outcome.status is TrialStatus.PRUNED
    dash = "dash" if is_stopped else "solid"
    name = f"{experience.trial}: {configuration_name(experience.configuration)}"
    picture.add_scatter(
        x=[point["epoch"] for point in points],
        y=[point[lead.name] for point in points],
        mode="lines+markers",
        name=escaped(name),
        line={"color": colour, "dash": dash},
        marker={"size": 5},
        # A click in the legend hides the curve together with its star.
        legendgroup=name,
    )
    if is_stopped:
        return
    # As a trial chooses: the epoch that scores best gives the model.
    kept = max(points, key=lead.standing)
    picture.add_scatter(
        x=[kept["epoch"]],
        y=[kept[lead.name]],
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": colour},
        hovertemplate=f"kept: epoch %{{x:.2f}}, %{{y:.4f}}<extra>{experience.trial}</extra>",
        legendgroup=name,
        showlegend=False,
    )


def _grid(content: PageContent) -> Table:
    """Return the best score of each model with each method."""
    metric = content.lead.name
    models = sorted({experience.configuration.model for experience in content.experiences})
    methods = sorted({experience.configuration.method for experience in content.experiences})
    scores = [experience.outcome.metrics[metric] for experience in content.scored]
    low = min(scores)
    # All alike, they are all shaded alike.
    spread = max(scores) - low or 1.0
    rows = []
    for model in models:
        cells: list[Cell | str] = [model]
        for method in methods:
            cells.append(_grid_cell(content, model, method, low, spread))
        rows.append(Row(cells=cells))
    names = [method_name(method) for method in methods]
    return Table(
        title=f"Best {content.metric} by model and method",
        headings=("model", *names),
        rows=rows,
        numbers=frozenset(names),
        is_wide=len(methods) > 4,
        note="In brackets how many trials there were; empty where none was.",
    )


def _grid_cell(content: PageContent, model: str, method: str, low: float, spread: float) -> Cell:
    """Return the best score of a model with a method."""
    trials = [
        experience
        for experience in content.experiences
        if (experience.configuration.model, experience.configuration.method) == (model, method)
    ]
    if not trials:
        return Cell(text="")
    leader = best_first(trials, content.lead)[0]
    score = leader.outcome.metrics.get(content.lead.name)
    if score is None:
        return Cell(text=f"failed ({len(trials)})", link=anchor_of(leader.trial))
    shade = (score - low) / spread
    if not content.lead.maximize:
        shade = 1 - shade
    return Cell(
        text=f"{score_text(score)} ({len(trials)})", shade=shade, link=anchor_of(leader.trial)
    )


def _trials(content: PageContent) -> Table:
    """Return all trials, the best first."""
    rows = []
    for experience in best_first(content.experiences, content.lead):
        outcome = experience.outcome
        configuration = experience.configuration
        score = outcome.metrics.get(content.lead.name)
        memory = outcome.peak_gpu_memory or outcome.peak_memory
        values = [f"{name} {value}" for name, value in hyperparameter_pairs(configuration.values)]
        end = _end(outcome)
        mark = ""
        if experience.trial in content.front:
            mark = "front"
        if outcome.failed:
            mark = "failed"
        cells: list[Cell | str] = [
            str(experience.trial),
            configuration.model,
            method_name(configuration.method),
            "" if score is None else score_text(score),
            "" if outcome.evaluation_time is None else number(outcome.evaluation_time),
            "" if not memory else in_bytes(memory),
            Cell(text=end, is_long=len(end) > LONGEST_WORD),
            Cell(text=", ".join(values), is_long=True),
        ]
        rows.append(Row(cells=cells, anchor=anchor_of(experience.trial), mark=mark))
    headings = (
        "trial",
        "model",
        "method",
        content.metric,
        "seconds",
        "memory",
        "end",
        "hyperparameters",
    )
    return Table(
        title="All trials",
        headings=headings,
        rows=rows,
        numbers=frozenset({"trial", content.metric, "seconds", "memory"}),
        visible=VISIBLE_TRIALS,
        is_wide=True,
        note="A bar at the left marks the Pareto front. leaderboard.csv has a column for each hyperparameter.",
    )


def _end(outcome: TrialOutcome) -> str:
    """Return how a trial ended, and what was changed to keep it within limits."""
    text = ending(outcome).replace("_", " ")
    if outcome.status is TrialStatus.PRUNED:
        text = "stopped as hopeless"
    if outcome.failure is not None:
        message, _, _ = outcome.failure.message.partition("\n")
        text = f"{text}: {message}"
    if outcome.adjustments:
        text += f" ({'; '.join(outcome.adjustments)})"
    return text
