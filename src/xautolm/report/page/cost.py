"""What it cost: where the time went, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise, zip_longest

from xautolm.records import Experience, Mark
from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.content import PageContent
from xautolm.report.page.figures import ACCENT, BAD, GOOD, MUTED, WARM, escaped, figure
from xautolm.report.page.words import anchor_of, counted, trains, trial_name
from xautolm.report.tables import duration, failures_by_kind, pruning_account
from xautolm.vocabulary import Stage, TrialStatus


class Spent(StrEnum):
    """What a stretch of a search's time was spent on."""

    START_UP = "start-up"
    PROBES = "probes"
    TRAININGS = "trainings"
    STOPPED = "stopped trials"
    FAILED = "failed trials"
    WAITING = "between trials"
    REFIT = "the winner on all rows"
    SCORING = "scoring the winner"


COLOURS = {
    Spent.START_UP: MUTED,
    Spent.PROBES: GOOD,
    Spent.TRAININGS: ACCENT,
    Spent.STOPPED: "#c79a00",
    Spent.FAILED: BAD,
    Spent.WAITING: "#adb5bd",
    Spent.REFIT: "#7048a8",
    Spent.SCORING: WARM,
}
"""Of the bars, and in this order."""
SPENT_IN_STAGE = {
    Stage.START_UP: Spent.START_UP,
    Stage.REFIT: Spent.REFIT,
    Stage.SCORING: Spent.SCORING,
}
"""Stages in which no trial runs."""
LEAST_WAIT = 2.0
"""Seconds between two trials that are told: a trial's end is known to the second."""
SESSION_GAP = timedelta(minutes=5)
"""A break between two invocations that is longer is left out of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a search's time."""

    spent: Spent
    begin: datetime
    end: datetime
    text: str
    trial: int | None = None
    """Its number; None of a stage."""

    @property
    def seconds(self) -> float:
        """Return how long it was."""
        return max(0.0, (self.end - self.begin).total_seconds())


def cost_section(content: PageContent) -> Section:
    """Return what the search took."""
    stretches = stretches_of(content)
    blocks: list[Block] = [Text(text=_sentence(content, stretches))]
    chart = timeline_chart(stretches)
    if chart is not None:
        blocks.append(chart)
    blocks.append(_account(stretches))
    progress = progress_chart(content)
    if progress is not None:
        blocks.append(progress)
    failures = _failures(content.experiences)
    if failures is not None:
        blocks.append(failures)
    return Section(anchor="cost", title="What did it cost?", blocks=blocks)


def stretches_of(content: PageContent) -> list[Stretch]:
    """Return the parts of the search's time, in their order."""
    stretches = []
    for experience in content.experiences:
        stretches.append(_stretch(experience))
    # Those of a stage end where the next stage begins.
    for mark, following in pairwise(content.marks):
        stage = SPENT_IN_STAGE.get(mark.stage)
        # After a kill the next mark is of another invocation, which may have begun days later.
        if stage is None or following.stage is Stage.START_UP:
            continue
        begin, end = _time(mark), _time(following)
        stretches.append(Stretch(spent=stage, begin=begin, end=end, text=stage.value))
    stretches.extend(_waiting(content.marks, stretches))
    return sorted(stretches, key=lambda stretch: stretch.begin)


def _waiting(marks: Sequence[Mark], stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the parts of the search in which no trial ran: something was measured, or the sampler thought."""
    waiting = []
    for mark, following in pairwise(marks):
        # A search that was killed has no end from which its last wait could be told.
        if mark.stage is not Stage.SEARCH or following.stage is Stage.START_UP:
            continue
        idle_since, end = _time(mark), _time(following)
        trials = [trial for trial in stretches if idle_since <= trial.end <= end]
        for trial in sorted(trials, key=lambda trial: trial.begin):
            if (trial.begin - idle_since).total_seconds() >= LEAST_WAIT:
                waiting.append(_wait(idle_since, trial.begin))
            idle_since = max(idle_since, trial.end)
        if (end - idle_since).total_seconds() >= LEAST_WAIT:
            waiting.append(_wait(idle_since, end))
    return waiting


def _wait(begin: datetime, end: datetime) -> Stretch:
    """Return a time in which no trial ran."""
    return Stretch(spent=Spent.WAITING, begin=begin, end=end, text=Spent.WAITING.value)


def _stretch(experience: Experience) -> Stretch:
    """Return the time of a trial."""
    outcome = experience.outcome
    spent = Spent.TRAININGS
    if not trains(experience.configuration.method):
        spent = Spent.PROBES
    if outcome.status is TrialStatus.PRUNED:
        spent = Spent.STOPPED
    if outcome.failed:
        spent = Spent.FAILED
    end = datetime.fromisoformat(experience.created)
    begin = end - timedelta(seconds=outcome.wall_time)
    name = trial_name(experience)
    return Stretch(spent=spent, begin=begin, end=end, text=name, trial=experience.trial)


def _time(mark: Mark) -> datetime:
    """Return when a stage began."""
    return datetime.fromisoformat(mark.time)


def _sentence(content: PageContent, stretches: Sequence[Stretch]) -> str:
    """Return what the whole took."""
    budget = next((mark.budget for mark in reversed(content.marks) if mark.budget), None)
    in_trials = sum(experience.outcome.wall_time for experience in content.experiences)
    text = f"{duration(in_trials)} in {counted(len(content.experiences), 'trial')}"
    if _all_marked(content):
        total = _elapsed(content.marks, stretches)
        text = f"{duration(total)} in all, {text}"
    else:
        text += "; when start-up and scoring began was not recorded by the version that ran"
    if budget is not None and budget.seconds is not None:
        text += f". The budget was {duration(budget.seconds)}"
    if budget is not None and budget.trials is not None:
        text += f", at most {counted(budget.trials, 'trial')}"
    failed = sum(failures_by_kind(content.experiences).values())
    text += f". {counted(failed, 'trial')} failed" if failed else ". No trial failed"
    pruned = pruning_account(content.experiences)
    if pruned:
        text += f"; {pruned}"
    return f"{text}. Energy was not measured."


def _all_marked(content: PageContent) -> bool:
    """Return whether the stages of all invocations are known; one of an earlier version has left its trials only."""
    if not content.marks:
        return False
    first = _time(content.marks[0])
    ends = [datetime.fromisoformat(experience.created) for experience in content.experiences]
    return min(ends) >= first


def _elapsed(marks: Sequence[Mark], stretches: Sequence[Stretch]) -> float:
    """Return the seconds of all invocations together; one that still runs or was killed lasts to its last stretch."""
    seconds = 0.0
    begins = [_time(mark) for mark in marks if mark.stage is Stage.START_UP]
    for begin, following in zip_longest(begins, begins[1:]):
        ends = [_time(mark) for mark in marks if mark.stage is Stage.END]
        if not _between(ends, begin, following):
            ends = [stretch.end for stretch in stretches]
        end = max(_between(ends, begin, following), default=begin)
        seconds += (end - begin).total_seconds()
    return seconds


def _between(
    times: Sequence[datetime], begin: datetime, following: datetime | None
) -> list[datetime]:
    """Return the times of one invocation.

    Args:
        times: Of all.
        begin: When the invocation began.
        following: When the next one began; None where there is none.
    """
    return [time for time in times if begin <= time and (following is None or time < following)]


def timeline_chart(stretches: Sequence[Stretch]) -> Chart | None:
    """Return the stretches as bars over the time; None where there are none of any length."""
    if not any(stretch.seconds for stretch in stretches):
        return None
    places = _places(stretches)
    picture = figure("minutes since the start", "")
    for spent, colour in COLOURS.items():
        bases, widths, names, texts, anchors = [], [], [], [], []
        for stretch in stretches:
            if stretch.spent is not spent:
                continue
            bases.append(places[stretch] / 60)
            widths.append(stretch.seconds / 60)
            names.append(spent.value)
            texts.append(f"{escaped(stretch.text)}: {duration(stretch.seconds)}")
            # Stages have no row to go to.
            anchors.append("" if stretch.trial is None else anchor_of(stretch.trial))
        if bases:
            picture.add_bar(
                base=bases,
                x=widths,
                y=names,
                text=texts,
                textposition="none",
                customdata=anchors,
                hovertemplate="%{text}<extra></extra>",
                orientation="h",
                marker={"color": colour, "line": {"width": 1, "color": "rgba(127,127,127,.6)"}},
                name=spent.value,
            )
    # Rows of the same height, however many there are.
    kinds = {stretch.spent for stretch in stretches}
    # The first kind at the top.
    picture.update_yaxes(autorange="reversed")
    picture.update_layout(barmode="overlay", showlegend=False)
    picture.update_xaxes(rangemode="tozero")
    return Chart(
        name="timeline",
        title="Where the time went",
        figure=picture,
        caption="Each bar is a trial or a stage; breaks between two invocations are left out.",
        height=90 + 38 * len(kinds),
    )


def _places(stretches: Sequence[Stretch]) -> dict[Stretch, float]:
    """Return the seconds from the start to each stretch, long breaks between invocations left out."""
    places = {}
    left_out = timedelta()
    first = stretches[0].begin
    latest = first
    for stretch in stretches:
        gap = stretch.begin - latest
        if gap > SESSION_GAP:
            left_out += gap
        places[stretch] = (stretch.begin - first - left_out).total_seconds()
        latest = max(latest, stretch.end)
    return places


def _account(stretches: Sequence[Stretch]) -> Table:
    """Return the seconds by what they were spent on."""
    seconds: Counter[Spent] = Counter()
    counts: Counter[Spent] = Counter()
    for stretch in stretches:
        seconds[stretch.spent] += stretch.seconds  # type: ignore[assignment]  # a Counter of floats
        counts[stretch.spent] += 1
    total = sum(seconds.values()) or 1.0
    rows = []
    for spent in COLOURS:
        if spent not in counts:
            continue
        share = f"{seconds[spent] / total:.0%}"
        rows.append(Row(cells=[spent.value, str(counts[spent]), duration(seconds[spent]), share]))
    return Table(
        title="Account of the time",
        headings=("spent on", "times", "time", "share"),
        rows=rows,
        numbers=frozenset({"times", "time", "share"}),
        note="Trials that run at once count each.",
    )


def progress_chart(content: PageContent) -> Chart | None:
    """Return the best score so far over the time in trials; None where no trial has a value."""
    times = []
    scores = []
    best = float("-inf")
    spent = 0.0
    # In the order in which they ended, which several trials at once do in another order than they begin.
    ended = sorted(
        content.experiences, key=lambda experience: (experience.created, experience.trial)
    )
    for experience in ended:
        outcome = experience.outcome
        spent += outcome.wall_time
        standing = content.lead.standing(outcome.metrics)
        # What was stopped left no model that could be the best.
        if standing > best and outcome.succeeded:
            best = standing
            times.append(spent / 60)
            scores.append(outcome.metrics[content.lead.name])
    # One point is no progress.
    if len(times) < 2:
        return None
    picture = figure("minutes in trials", f"best validation {content.metric}")
    # The last value holds until the last trial's end.
    times.append(spent / 60)
    scores.append(scores[-1])
    picture.add_scatter(
        x=times, y=scores, mode="lines+markers", line={"shape": "hv", "color": ACCENT}
    )
    caption = (
        f"The first answer came after {duration(60 * times[0])} in trials, the last improvement after "
        f"{duration(60 * times[-2])} of {duration(spent)}."
    )
    return Chart(name="progress", title="Best so far", figure=picture, caption=caption, height=280)


def _failures(experiences: Sequence[Experience]) -> Table | None:
    """Return what failed, by kind; None where nothing did."""
    rows = []
    # One example of each kind: the others are in the table of all trials.
    for kind, count in failures_by_kind(experiences).most_common():
        for experience in experiences:
            failure = experience.outcome.failure
            if failure is not None and failure.kind.value == kind:
                break
        assert failure is not None
        example = Cell(text=failure.message.partition("\n")[0], is_long=True)
        link = anchor_of(experience.trial)
        name = Cell(text=trial_name(experience), is_long=True, link=link)
        rows.append(Row(cells=[kind.replace("_", " "), str(count), name, example]))
    if not rows:
        return None
    return Table(
        title="Failures by kind",
        headings=("kind", "trials", "for example", "what it said"),
        rows=rows,
        numbers=frozenset({"trials"}),
    )
