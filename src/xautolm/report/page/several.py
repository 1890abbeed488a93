"""Several runs: the list of those in a folder, and two beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xautolm.objectives import Objective
from xautolm.records import Experience
from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.content import spoken_metric
from xautolm.report.page.figures import SERIES, escaped, figure
from xautolm.report.page.now import State
from xautolm.report.page.words import configuration_name, counted
from xautolm.report.screen import Standing
from xautolm.report.tables import duration, failures_in_words, score_text
from xautolm.run_folder import RunInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGlance:
    """A run among others."""

    name: str
    """Of its folder."""
    info: RunInfo
    standing: Standing
    state: State
    address: str
    """Of its page."""


def overview(runs: Sequence[RunGlance], troubles: Sequence[str]) -> Section:
    """Return the list of the runs in a folder.

    Args:
        runs: In the order in which they are shown.
        troubles: What is said of runs that cannot be read, a sentence each.
    """
    blocks: list[Block] = [Text(text=trouble, is_warning=True) for trouble in troubles]
    rows = []
    for run in runs:
        pairs = _pairs(run)
        cells = (
            Cell(text=run.name, address=run.address),
            pairs["state"],
            pairs["best score on validation"],
            pairs["trials that ended"],
            pairs["time"],
            pairs["data"],
            pairs["task"],
            run.info.created,
        )
        rows.append(Row(cells=cells))
    headings = ("run", "state", "best", "trials", "time", "data", "task", "begun")
    blocks.append(
        Table(
            title=counted(len(runs), "run"),
            headings=headings,
            rows=rows,
            numbers=frozenset({"trials", "time"}),
            visible=50,
            is_wide=True,
        )
    )
    return Section(anchor="runs", title="Runs", blocks=blocks)


def comparison(runs: Sequence[RunGlance]) -> Section:
    """Return runs beside each other, a column for each."""
    blocks: list[Block] = []
    for warning in _warnings(runs):
        blocks.append(Text(text=warning, is_warning=True))
    rows = []
    # Each run's pairs once: its best trial and its failures are told from all of its trials.
    pairs_by_run = [_pairs(run) for run in runs]
    for name in pairs_by_run[0]:
        values = [pairs[name] for pairs in pairs_by_run]
        rows.append(Row(cells=[name, *values]))
    headings = ("what", *_columns(runs))
    blocks.append(Table(title="Beside each other", headings=headings, rows=rows, is_wide=True))
    leads = {run.standing.lead.name for run in runs}
    if len(leads) == 1 and any(run.standing.best for run in runs):
        blocks.append(_chart(runs))
    title = " and ".join(run.name for run in runs)
    return Section(anchor="comparison", title=title, blocks=blocks)


def _columns(runs: Sequence[RunGlance]) -> list[str]:
    """Return a heading for each run; a table's headings are told apart by their texts."""
    names = [run.name for run in runs]
    return [
        f"{name} ({position})" if names.count(name) > 1 else name
        for position, name in enumerate(names, 1)
    ]


def _warnings(runs: Sequence[RunGlance]) -> list[str]:
    """Return what makes the scores of runs mean different things."""
    warnings = []
    if len({run.info.data.fingerprint for run in runs}) > 1:
        warnings.append(
            "The runs have different data, or split it differently: their scores cannot be compared."
        )
    if len({run.standing.lead.name for run in runs}) > 1:
        warnings.append(
            "The runs are led by different metrics, so their best scores cannot be compared."
        )
    return warnings


def _pairs(run: RunGlance) -> dict[str, str]:
    """Return what a run is and has reached, by what it is called."""
    info, standing = run.info, run.standing
    best = standing.best
    score, winner = "none yet", "none yet"
    if best is not None:
        score = score_text(best.outcome.metrics[standing.lead.name])
        winner = f"trial {best.trial}: {configuration_name(best.configuration)}"
    return {
        "state": run.state.word,
        "task": info.task,
        "data": f"{info.data.name}, {info.data.train_examples:,} training rows",
        "objectives": ", ".join(spoken_metric(name) for name in info.objectives),
        "best score on validation": f"{score} ({spoken_metric(standing.lead.name)})",
        "best trial": winner,
        "trials that ended": str(len(standing.experiences)),
        "failures": failures_in_words(standing.experiences) or "none",
        "time": duration(standing.used),
        "sampler": str(info.settings.get("sampler", "not recorded")),
        "warm start": str(info.settings.get("warm_start", "not recorded")),
        "models in the space": counted(len(info.models), "model"),
        "seed": str(info.seed),
    }


def _chart(runs: Sequence[RunGlance]) -> Chart:
    """Return the best score of each run over its trials."""
    lead = runs[0].standing.lead
    metric = spoken_metric(lead.name)
    picture = figure("trials that ended", f"best {metric}")
    for position, run in enumerate(runs):
        scores = best_so_far(run.standing.experiences, lead)
        picture.add_scatter(
            x=[number for number, _ in scores],
            y=[score for _, score in scores],
            mode="lines+markers",
            line={"shape": "hv", "color": SERIES[position % len(SERIES)]},
            name=escaped(_columns(runs)[position]),
        )
    return Chart(
        name="comparison",
        title="Who was ahead",
        figure=picture,
        caption=f"The best {metric} on validation after each trial.",
        is_wide=True,
    )


def best_so_far(experiences: Sequence[Experience], lead: Objective) -> list[tuple[int, float]]:
    """Return the best score after each trial, from the first success on, with how many trials had ended."""
    points: list[tuple[int, float]] = []
    ordered = sorted(experiences, key=lambda experience: (experience.created, experience.trial))
    for count, experience in enumerate(ordered, 1):
        best = points[-1][1] if points else None
        score = experience.outcome.metrics.get(lead.name)
        if score is not None and experience.outcome.succeeded:
            is_better = best is None or lead.oriented(score) > lead.oriented(best)
            best = score if is_better else best
        if best is not None:
            points.append((count, best))
    return points
