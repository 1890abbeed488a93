"""What experience did: which past tasks the search followed, how far, and where each proposal came from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import compress
from typing import Any

from xautolm.records import Experience
from xautolm.report.forecasts import forecast_section
from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.content import PageContent
from xautolm.report.page.figures import ACCENT, figure
from xautolm.report.page.words import anchor_of, counted, listed, method_name

NEAREST = 8
"""Tasks that are shown."""
PROPOSAL_COLUMNS = ("trial", "origin", "trust", "risk of failure", "because of")
"""Of the table of proposals."""
LEAST_TRUSTS = 3
"""Points of a curve: of fewer, the table says as much."""


def learned_section(content: PageContent) -> Section:
    """Return what the store contributed."""
    blocks: list[Block] = [Text(text=_sentence(content))]
    nearest = _nearest(content.warm_start)
    if nearest is not None:
        blocks.append(nearest)
    trust = trust_chart(content.explanations)
    if trust is not None:
        blocks.append(trust)
    blocks.extend(_forecasts(content))
    if content.explanations:
        blocks.append(_proposals(content))
    else:
        blocks.append(
            Text(text="Where each proposal came from was not recorded by the version that ran.")
        )
    return Section(anchor="experience", title="What did experience do?", blocks=blocks)


def _influences(warm_start: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the past trials that shaped the prior; those that are damaged are left out."""
    # The file may have been edited, or be of another version: what is read here only becomes text.
    influences = warm_start.get("influences")
    if not isinstance(influences, list):
        return []
    return [
        influence
        for influence in influences
        if isinstance(influence, dict) and isinstance(influence.get("distance"), int | float)
    ]


def _sentence(content: PageContent) -> str:
    """Return in a few sentences what the store contributed."""
    influences = _influences(content.warm_start)
    if not influences:
        text = (
            "The store held no past trial that applies here: this search began from zero, with the "
            "defaults of each model."
        )
    else:
        # The file lists the strongest influences only, and counts them all.
        total = content.warm_start.get("experiences", len(influences))
        successes = content.warm_start.get("successes", 0)
        names = list(dict.fromkeys(str(influence.get("data")) for influence in influences))
        text = (
            f"{counted(int(total), 'past trial')} of {counted(len(names), 'task')} shaped where the search "
            f"began, {successes} of them successes."
        )
    origins = Counter(_origin(content, experience) for experience in content.experiences)
    parts = [f"{count} {origin}" for origin, count in origins.most_common()]
    text += f" Proposals by origin: {listed(parts)}."
    if content.best is not None:
        text += f" The winner's origin: {_origin(content, content.best)}."
    return text


def _origin(content: PageContent, experience: Experience) -> str:
    """Return where a proposal came from, in words."""
    explanation = content.explanations.get(experience.trial, {})
    origin = explanation.get("origin", experience.proposal)
    return str(origin) or "not recorded"


def _nearest(warm_start: Mapping[str, Any]) -> Table | None:
    """Return the nearest past tasks; None where none applies."""
    by_data: dict[str, list[Mapping[str, Any]]] = {}
    for influence in _influences(warm_start):
        by_data.setdefault(str(influence.get("data")), []).append(influence)
    if not by_data:
        return None

    def distance(name: str) -> float:
        return min(float(influence["distance"]) for influence in by_data[name])

    rows = []
    for name in sorted(by_data, key=distance)[:NEAREST]:
        influences = by_data[name]
        # Failures have rates below zero: what is followed most is the success with the highest.
        successes = sum(influence.get("outcome") == "success" for influence in influences)
        leader = max(influences, key=lambda influence: _number(influence.get("rate")))
        example = f"{leader.get('model')}, {method_name(str(leader.get('method')))}"
        cells = [
            name,
            f"{distance(name):.2f}",
            str(successes),
            str(len(influences) - successes),
            example,
        ]
        rows.append(Row(cells=cells))
    return Table(
        title="Nearest past tasks",
        headings=("task", "distance", "successes", "failures", "most followed"),
        rows=rows,
        numbers=frozenset({"distance", "successes", "failures"}),
        note="Distance is of meta-features; the smaller, the more a task's trials count.",
    )


def _number(value: object) -> float:
    """Return a number of a file, or the least of all where it is none."""
    return float(value) if isinstance(value, int | float) else -math.inf


def trust_chart(explanations: Mapping[int, Mapping[str, Any]]) -> Chart | None:
    """Return how far the store was trusted over the trials; None where nothing says it twice."""
    trials = []
    trusts = []
    for trial in sorted(explanations):
        trust = explanations[trial].get("trust")
        # Defaults, and draws from the prior before there are three trials, ask no model whether to trust the store.
        if isinstance(trust, int | float):
            trials.append(trial)
            trusts.append(float(trust))
    if len(trials) < LEAST_TRUSTS:
        return None
    picture = figure("trial", "trust in the store")
    picture.add_scatter(x=trials, y=trusts, mode="lines+markers", line={"color": ACCENT})
    picture.update_xaxes(dtick=max(1, (trials[-1] - trials[0]) // 8))
    picture.update_yaxes(tickformat=".0%", rangemode="tozero")
    change = "rose" if trusts[-1] > trusts[0] else "fell"
    caption = f"Trust {change} from {trusts[0]:.0%} at trial {trials[0]} to {trusts[-1]:.0%} at trial {trials[-1]}."
    if trusts[0] == trusts[-1]:
        caption = f"Trust was {trusts[0]:.0%} at the first and at the last proposal."
    return Chart(
        name="trust",
        title="How far past trials were trusted",
        figure=picture,
        caption=caption,
        height=260,
    )


def _forecasts(content: PageContent) -> list[Block]:
    """Return how forecasts compare with what happened; nothing where that cannot be said."""
    section = forecast_section(content.forecasts)
    if section is None:
        return []
    comparisons = []
    for sentence in section.sentences:
        # Such as "Wall time: 9 of 10 trials inside their intervals".
        amount, _, comparison = sentence.partition(": ")
        comparisons.append(Row(cells=[amount, Cell(text=comparison, is_long=True)]))
    blocks: list[Block] = [
        Table(
            title="Forecasts against what happened",
            headings=("forecast of", "how it compares"),
            rows=comparisons,
            is_wide=True,
        )
    ]
    rows = []
    for group in section.bins:
        predicted, failed = f"{group.predicted:.0%}", f"{group.failed:.0%}"
        rows.append(
            Row(
                cells=[f"{group.low:.0%} to {group.high:.0%}", str(group.trials), predicted, failed]
            )
        )
    if rows:
        headings = ("predicted chance of failure", "trials", "mean prediction", "failed")
        numbers = frozenset(headings[1:])
        blocks.append(
            Table(
                title="Failures, predicted and real", headings=headings, rows=rows, numbers=numbers
            )
        )
    return blocks


def _proposals(content: PageContent) -> Table:
    """Return where each proposal came from."""
    lines: list[list[Cell | str]] = []
    for experience in content.experiences:
        explanation = content.explanations.get(experience.trial, {})
        reasons = _reasons(explanation.get("because"))
        cells: list[Cell | str] = [
            Cell(text=str(experience.trial), link=anchor_of(experience.trial)),
            _origin(content, experience),
            _percent(explanation.get("trust")),
            _percent(explanation.get("failure")),
            Cell(text=reasons, is_long=True) if reasons else "",
        ]
        lines.append(cells)
    # Samplers that follow no models explain nothing, and columns without a word say less than none.
    used = [any(line[place] for line in lines) for place in range(len(PROPOSAL_COLUMNS))]
    rows = [Row(cells=list(compress(line, used))) for line in lines]
    note = "A default is the usual configuration of a model; the prior is what trials of near tasks suggest."
    if used[-1]:
        note += (
            " Past trials that a proposal is most like are named as data/trial, model and score."
        )
    return Table(
        title="Where the proposals came from",
        headings=tuple(compress(PROPOSAL_COLUMNS, used)),
        rows=rows,
        numbers=frozenset({"trial", "trust", "risk of failure"}),
        visible=10,
        is_wide=used[-1],
        note=note,
    )


def _reasons(because: object) -> str:
    """Return the past trials that a proposal is most like; nothing where a file names none."""
    if not isinstance(because, list):
        return ""
    return "; ".join(str(reason) for reason in because)


def _percent(value: object) -> str:
    """Return a share as percent; nothing where it is none."""
    return f"{value:.0%}" if isinstance(value, int | float) else ""
