"""Now: how a search stands at this moment, for the page of a run that is watched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xautolm.objectives import Objective
from xautolm.records import Experience
from xautolm.report.page.blocks import Block, Cell, Fact, Facts, Row, Section, Table, Text
from xautolm.report.page.content import spoken_metric
from xautolm.report.page.words import (
    configuration_name,
    counted,
    cut,
    hyperparameter_pairs,
    trial_name,
)
from xautolm.report.screen import Standing
from xautolm.report.tables import duration, ending, failures_in_words, score_text, time_text
from xautolm.trial_folder import TrialFolder

NEWEST = 12
"""Trials that ended last, as many as stand beside the running ones on a screen."""
SCORES = 6
"""Evaluations of a running trial that are shown, the newest."""
HYPERPARAMETERS = 160
"""Characters of the hyperparameters of a running trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a search does, in a word and a sentence."""

    word: str
    detail: str
    is_over: bool = False
    """Whether nothing will change any more."""


def now_section(standing: Standing, state: State, metrics: Sequence[str]) -> Section:
    """Return the section.

    Args:
        standing: The search, as the folders of its trials say.
        state: What it does.
        metrics: Names of those that every evaluation has.
    """
    blocks: list[Block] = [Facts(facts=_facts(standing, state))]
    if standing.running:
        blocks.append(_running(standing, metrics))
    if standing.experiences:
        blocks.append(_newest(standing))
    else:
        blocks.append(Text(text="No trial has ended yet."))
    return Section(anchor="now", title="Now", blocks=blocks)


def _facts(standing: Standing, state: State) -> list[Fact]:
    """Return the numbers at the top."""
    facts = [Fact(name="the search", value=state.word, detail=state.detail)]
    share = standing.share_used
    used = f"{duration(standing.used)} used"
    if share is None:
        facts.append(Fact(name="time", value=duration(standing.used), detail="without a budget"))
    elif state.is_over:
        facts.append(Fact(name="budget", value=f"{share:.0%}", detail=used))
    else:
        seconds = standing.seconds_left
        forecast = "nothing says yet when it ends"
        if math.isfinite(seconds):
            forecast = f"ends in about {duration(max(0.0, seconds))}"
        facts.append(Fact(name="budget", value=f"{share:.0%}", detail=f"{used}, {forecast}"))
    metric = spoken_metric(standing.lead.name)
    best = standing.best
    if best is None:
        facts.append(Fact(name=f"best {metric}", value="none yet"))
    else:
        score = score_text(best.outcome.metrics[standing.lead.name])
        facts.append(Fact(name=f"best {metric}", value=score, detail=trial_name(best)))
    failures = failures_in_words(standing.experiences)
    detail = f"{failures} failed" if failures else "none failed"
    if standing.running:
        detail += f"; {counted(len(standing.running), 'trial')} running"
    facts.append(
        Fact(name="trials that ended", value=str(len(standing.experiences)), detail=detail)
    )
    return facts


def _running(standing: Standing, metrics: Sequence[str]) -> Table:
    """Return the running trials, each with its scores so far."""
    rows = []
    for number, spec in sorted(standing.running.items()):
        folder = TrialFolder(standing.folder.trial(number))
        curve = folder.curve(metrics)
        state = "loading"
        scores = []
        if curve is not None:
            state = f"epoch {curve.epoch:.1f} of {curve.planned_epochs:.1f}"
            for evaluation in curve.evaluations[-SCORES:]:
                score = score_text(evaluation.values[standing.lead.name])
                # A quick look at a part of the rows is an estimate.
                scores.append(score if evaluation.rows is None else f"about {score}")
        values = hyperparameter_pairs(spec.configuration.values)
        words = ", ".join(f"{name} {value}" for name, value in values)
        cells = (
            str(number),
            configuration_name(spec.configuration),
            state,
            Cell(text=" → ".join(scores) or "none yet", is_long=True),
            Cell(text=cut(words, HYPERPARAMETERS), is_long=True),
        )
        rows.append(Row(cells=cells))
    scores_heading = f"{spoken_metric(standing.lead.name)} by evaluation"
    return Table(
        title="Running",
        headings=("trial", "what", "how far", scores_heading, "hyperparameters"),
        rows=rows,
        numbers=frozenset({"trial"}),
        is_wide=True,
    )


def _newest(standing: Standing) -> Table:
    """Return the trials that ended last, the newest first."""
    metric = spoken_metric(standing.lead.name)
    newest = sorted(standing.experiences, key=_end, reverse=True)[:NEWEST]
    rows = []
    for experience in newest:
        mark = "front" if experience.trial in standing.front else ""
        if experience.outcome.failed:
            mark = "failed"
        cells = (
            str(experience.trial),
            configuration_name(experience.configuration),
            _score(experience, standing.lead),
            time_text(experience.outcome.evaluation_time),
            Cell(text=_ending(experience), is_long=True),
        )
        rows.append(Row(cells=cells, mark=mark))
    return Table(
        title="Ended last",
        headings=("trial", "what", metric, "time", "how it ended"),
        rows=rows,
        numbers=frozenset({"trial", metric, "time"}),
        note="A line at the left marks trials that no other dominates.",
        is_wide=True,
    )


def _ending(experience: Experience) -> str:
    """Return how a trial ended; of a failure the kind and the first line of its message."""
    failure = experience.outcome.failure
    return ending(experience.outcome) if failure is None else failure.headline


def _end(experience: Experience) -> tuple[str, int]:
    """Return when a trial ended; of those of the same second, the later number is the later."""
    return experience.created, experience.trial


def _score(experience: Experience, lead: Objective) -> str:
    """Return a trial's score; empty where it has none."""
    score = experience.outcome.metrics.get(lead.name)
    return "" if score is None else score_text(score)
