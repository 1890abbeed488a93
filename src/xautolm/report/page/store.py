"""The page of the experience store: tasks on a map, failures by kind, and experiences to filter and to search."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

from xautolm.report.page.blocks import Block, Cell, Chart, Fact, Facts, Row, Section, Table, Text
from xautolm.report.page.figures import ACCENT, BAD, escaped, figure
from xautolm.report.page.words import counted, cut, method_name
from xautolm.report.tables import score_text

STORE_ADDRESS = "/store"
"""Of the page, on its server."""
LONGEST_NAME = 40
"""Characters of a data set's name on the map and in tables."""
LISTED = 500
"""Data sets in the table, and values of a field of the form: a browser takes seconds to lay out many thousands."""
NAMED = 15
"""Data sets whose names stand on the map, those with the most trials: more would lie over each other."""
LARGEST_MARKER = 30.0
"""Pixels across, of the data set with the most trials."""
SMALLEST_MARKER = 8.0
LEAST_ON_MAP = 3
"""Data sets; between two there is one distance, which needs no picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFilter:
    """Which experiences are shown; an empty field asks nothing."""

    task: str = ""
    data: str = ""
    model: str = ""
    method: str = ""
    status: str = ""
    failure: str = ""
    text: str = ""
    """What the name of data, model, method or failure contains."""

    @property
    def address(self) -> str:
        """Return the address of the page so filtered."""
        asked = {name: value for name, value in self.columns.items() if value}
        if self.text:
            asked["text"] = self.text
        return f"{STORE_ADDRESS}?{urlencode(asked, errors='replace')}" if asked else STORE_ADDRESS

    @property
    def columns(self) -> dict[str, str]:
        """Return what is asked of single columns, by their names."""
        names = [field.name for field in fields(self) if field.name != "text"]
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the form above the page."""

    name: str
    value: str
    options: Sequence[str] = ()
    """To choose from; without any, a text is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCount:
    """What the store has of a data set."""

    task: str
    data: str
    fingerprint: str
    trials: int
    failed: int
    models: int
    newest: str
    """When the newest trial ended, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How often trials failed of something."""

    kind: str
    trials: int
    where: Counter[tuple[str, str]]
    """How many by model and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedData:
    """A data set on the map."""

    data: DataCount
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreMap:
    """Data sets of one task, near each other as far as they are alike."""

    task: str
    places: Sequence[MappedData]
    share: float
    """Of the squared distances, as much as the plane shows."""
    left_out: int
    """Data sets of the task that are not on it: they have no meta-features in common with these, or few trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrial:
    """An experience in the list."""

    id: str
    created: str
    run: str
    trial: int
    task: str
    data: str
    model: str
    method: str
    ending: str
    """The kind of its failure, else its status."""
    metric: str
    """Name of its first objective that is a quality and was measured; empty without one."""
    score: float | None
    is_damaged: bool
    """Whether its record cannot be read, which has the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContent:
    """What the page shows of a store."""

    name: str
    """Where the store is, without a password."""
    total: int
    """Experiences of the whole store."""
    asked: StoreFilter
    matching: int
    """Experiences of which everything holds that is asked."""
    data: Sequence[DataCount]
    """Those with the most trials first."""
    failures: Sequence[FailureCount]
    map: StoreMap | None
    trials: Sequence[ShownTrial]
    """The newest that match."""
    options: Mapping[str, Sequence[str]]
    """What fields of the form offer, by name."""


def store_fields(content: StoreContent) -> list[Field]:
    """Return the form by which the page is filtered."""
    form = []
    for name, value in content.asked.columns.items():
        options = list(content.options.get(name, ()))[:LISTED]
        # What was asked for stays chosen, also where the store has no such thing.
        if value and value not in options:
            options.append(value)
        form.append(Field(name=name, value=value, options=("", *options)))
    form.append(Field(name="text", value=content.asked.text))
    return form


def store_sections(content: StoreContent) -> list[Section]:
    """Return the sections of the page."""
    if not content.total:
        empty = Text(text=f"{content.name} is empty: each search adds its trials as they end.")
        return [Section(anchor="store", title="The store", blocks=[empty])]
    head: list[Block] = [_facts(content), Text(text=f"All of it lies in {content.name}.")]
    sections = [Section(anchor="store", title="The store", blocks=head)]
    if not content.matching:
        head.append(Text(text="No experience matches. The form above says what is asked for."))
        return sections
    sections.append(Section(anchor="tasks", title="Tasks", blocks=_tasks(content)))
    sections.append(Section(anchor="failures", title="Failures", blocks=[_failures(content)]))
    sections.append(Section(anchor="experiences", title="Experiences", blocks=[_trials(content)]))
    return sections


def _facts(content: StoreContent) -> Facts:
    """Return the numbers at the top."""
    failed = sum(data.failed for data in content.data)
    newest = max((data.newest for data in content.data), default="")
    matching = "all of them" if content.matching == content.total else f"of {content.total:,}"
    facts = [
        Fact(name="experiences", value=f"{content.matching:,}", detail=matching),
        Fact(name="data sets", value=f"{len(content.data):,}"),
        Fact(name="failed", value=f"{failed:,}", detail=_percent(failed, content.matching)),
        Fact(name="newest", value=newest[:10] or "none", detail=newest[11:16]),
    ]
    return Facts(facts=facts)


def _tasks(content: StoreContent) -> list[Block]:
    """Return the map and the table of data sets."""
    blocks: list[Block] = []
    if content.map is not None:
        if len(content.map.places) >= LEAST_ON_MAP:
            blocks.append(_map(content.map))
        else:
            blocks.append(
                Text(
                    text="A map needs three data sets of a task with meta-features; "
                    f"{content.map.task} has {len(content.map.places)}."
                )
            )
    rows = []
    for data in content.data[:LISTED]:
        # What is asked for already stays: within the failures of a model, the name leads to those on this data.
        address = replace(content.asked, task=data.task, data=data.data).address
        cells = (
            Cell(text=cut(data.data, LONGEST_NAME), address=address),
            data.task,
            f"{data.trials:,}",
            f"{data.failed:,}",
            f"{data.models:,}",
            data.newest[:10],
        )
        rows.append(Row(cells=cells))
    note = ""
    if len(content.data) > LISTED:
        hidden = len(content.data) - LISTED
        note = f"And {hidden:,} more with fewer trials; a text in the form above looks for them."
    blocks.append(
        Table(
            title=f"Experiences by data set ({len(content.data):,})",
            headings=("data", "task", "trials", "failed", "models", "newest"),
            rows=rows,
            numbers=frozenset({"trials", "failed", "models"}),
            note=note,
            is_wide=True,
        )
    )
    return blocks


def _map(store_map: StoreMap) -> Chart:
    """Return the map of data sets."""
    picture = figure("", "")
    largest = max(place.data.trials for place in store_map.places)
    by_trials = sorted(store_map.places, key=lambda place: -place.data.trials)
    sizes = []
    texts = []
    hovers = []
    colors = []
    for position, place in enumerate(by_trials):
        data = place.data
        # By area, so that four times the trials look like four times as much.
        size = LARGEST_MARKER * math.sqrt(data.trials / largest)
        sizes.append(max(SMALLEST_MARKER, size))
        name = escaped(cut(data.data, LONGEST_NAME))
        texts.append(name if position < NAMED else "")
        failed = _percent(data.failed, data.trials)
        hovers.append(f"{name}<br>{data.trials:,} trials, {failed} failed")
        # Red where more trials failed than not: what a search learns there is what to avoid.
        colors.append(BAD if 2 * data.failed > data.trials else ACCENT)
    picture.add_scatter(
        x=[place.x for place in by_trials],
        y=[place.y for place in by_trials],
        mode="markers+text",
        text=texts,
        textposition="top center",
        hovertext=hovers,
        hoverinfo="text",
        marker={"size": sizes, "color": colors, "opacity": 0.75},
        cliponaxis=False,
    )
    # One unit is as long on both axes: it is distance that the map is about.
    picture.update_yaxes(scaleanchor="x", scaleratio=1)
    picture.update_layout(margin={"l": 8, "r": 8, "t": 24, "b": 8})
    left_out = ""
    if store_map.left_out:
        left_out = (
            f" {counted(store_map.left_out, 'data set')} of the task cannot be compared with these, "
            "or has fewer trials, and is not on it."
        )
    return Chart(
        name="map",
        title=f"Data sets of {store_map.task} by distance",
        figure=picture,
        caption="Near each other is what a search takes to be alike, by the distances of the warm start; the plane "
        f"holds {store_map.share:.0%} of their squares. The larger, the more trials; red where most "
        f"failed.{left_out}",
        height=440,
        is_wide=True,
    )


def _failures(content: StoreContent) -> Block:
    """Return what trials failed of."""
    if not content.failures:
        return Text(text="No trial failed.")
    failed = sum(failure.trials for failure in content.failures)
    rows = []
    for failure in content.failures:
        address = replace(content.asked, status="failed", failure=failure.kind).address
        (model, method), count = failure.where.most_common(1)[0]
        cells = (
            Cell(text=failure.kind or "not recorded", address=address),
            f"{failure.trials:,}",
            _percent(failure.trials, failed),
            f"{cut(model, LONGEST_NAME)}, {method_name(method)} ({count:,})",
        )
        rows.append(Row(cells=cells))
    return Table(
        title=f"Failures by kind ({failed:,})",
        headings=("kind", "trials", "share", "most often"),
        rows=rows,
        numbers=frozenset({"trials", "share"}),
        is_wide=True,
    )


def _trials(content: StoreContent) -> Table:
    """Return the newest experiences that match."""
    rows = []
    for trial in content.trials:
        asked = content.asked
        cells = (
            trial.id[:12],
            trial.created[:16].replace("T", " "),
            Cell(
                text=cut(trial.data, LONGEST_NAME),
                address=replace(asked, task=trial.task, data=trial.data).address,
            ),
            Cell(
                text=cut(trial.model, LONGEST_NAME),
                address=replace(asked, model=trial.model).address,
            ),
            Cell(
                text=method_name(trial.method),
                address=replace(asked, method=trial.method).address,
            ),
            trial.ending,
            _score(trial),
            f"{trial.run[:12]} {trial.trial}",
        )
        rows.append(Row(cells=cells))
    shown = len(rows)
    note = "xautolm experience show ID prints one with everything that is known of it."
    if shown < content.matching:
        note = f"The newest {shown} of {content.matching:,}. {note}"
    return Table(
        title="The newest",
        headings=("id", "ended", "data", "model", "method", "how", "score", "run and trial"),
        rows=rows,
        visible=50,
        note=note,
        is_wide=True,
    )


def _score(trial: ShownTrial) -> str:
    """Return a trial's score with what it is of."""
    if trial.is_damaged:
        return "damaged record"
    if trial.score is None:
        return ""
    return f"{score_text(trial.score)} {trial.metric}"


def _percent(part: int, whole: int) -> str:
    """Return a share of a count."""
    return f"{part / whole:.0%}" if whole else "0%"
