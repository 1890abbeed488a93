"""What next: what more searching would bring, and the commands to go on, to measure, and to use the model."""

from __future__ import annotations

import shlex

from xautolm.options import lacks_data
from xautolm.report.page.blocks import Block, Code, Section, Text
from xautolm.report.page.content import PageContent
from xautolm.report.tables import duration, score_text

LATE_SHARE = 0.5
"""Of the time in trials: what its later half brought says what as much time again might."""


def next_section(content: PageContent) -> Section:
    """Return what a reader can do now."""
    blocks: list[Block] = [Text(text=outlook(content))]
    blocks.append(
        Code(
            title="Go on searching",
            lines=_go_on(content),
            note="For as much time again; the trials so far are kept.",
        )
    )
    winner = content.winner
    if winner is not None:
        run = shlex.quote(content.root)
        lines = f"{content.predict}\nxautolm evaluate {run} new_data.csv"
        blocks.append(Code(title="Ask the model, and score it on other data", lines=lines))
        blocks.append(Code(title="Load the model in Python", lines=winner.usage, note=winner.kind))
    return Section(anchor="next", title="What next?", blocks=blocks)


def outlook(content: PageContent) -> str:
    """Return what more searching may bring, judged by what the later half of this one did."""
    total = sum(experience.outcome.wall_time for experience in content.experiences)
    early, late = _early_and_late(content, LATE_SHARE * total)
    if late is None:
        return "No trial gave a model yet; more time, smaller models or other methods may."
    if early is None:
        return (
            f"The first model came in the later half of the {duration(total)} in trials, so the search has hardly "
            "begun: more time is likely to help."
        )
    gain = abs(late - early)
    if gain == 0:
        return (
            f"The later half of the {duration(total)} in trials brought nothing better than {score_text(late)} "
            f"validation {content.metric}: as much time again may well bring nothing either."
        )
    text = (
        f"The later half of the {duration(total)} in trials improved validation {content.metric} by {score_text(gain)} "
        f"(from {score_text(early)} to {score_text(late)})."
    )
    noise = _noise(content)
    # Learning curves flatten and the best of more trials grows ever slower: what came last is the most to hope for.
    if gain < noise:
        text += (
            f" That is less than the score's own uncertainty (±{noise:.3f}): as much time again would hardly "
            "be noticed; more data may help more."
        )
    else:
        text += f" Another {duration(total / 2)} may bring as much, more likely less."
    return text


def _early_and_late(content: PageContent, middle: float) -> tuple[float | None, float | None]:
    """Return the best score by the middle of the time in trials, and by its end; None where there was no model.

    Args:
        content: Of the page.
        middle: Seconds in trials.
    """
    early: float | None = None
    late: float | None = None
    spent = 0.0
    # In the order of their ends, which several trials at once do not have in that of their numbers.
    for experience in sorted(content.experiences, key=lambda trial: (trial.created, trial.trial)):
        outcome = experience.outcome
        spent += outcome.wall_time
        score = outcome.metrics.get(content.lead.name)
        # A stopped trial has a score and no model.
        if score is None or not outcome.succeeded:
            continue
        if late is None or content.lead.oriented(score) > content.lead.oriented(late):
            late = score
        if spent <= middle:
            early = late
    return early, late


def _noise(content: PageContent) -> float:
    """Return half the width of the score's interval, 0 where none was had."""
    if content.answers is None or content.answers.assessment.interval is None:
        return 0.0
    low, high = content.answers.assessment.interval
    return (high - low) / 2


def _go_on(content: PageContent) -> str:
    """Return the command that goes on with the search."""
    run = shlex.quote(content.root)
    budget = _twice_the_budget(content)
    if content.options and not lacks_data(content.options):
        config = shlex.quote(f"{content.root}/fit.yaml")
        return f"xautolm fit --config {config} --out {run} {budget}"
    # Of what was in memory nothing was kept that could be given again, and by earlier versions no options at all.
    return f"xautolm fit DATA --out {run} {budget}  # with the options of the first start"


def _twice_the_budget(content: PageContent) -> str:
    """Return options for as much again: budgets count from the first start on."""
    budgets = [mark.budget for mark in content.marks if mark.budget is not None]
    if not budgets:
        return "--budget 1h"
    parts = []
    if budgets[-1].seconds is not None:
        parts.append(f"--budget {2 * budgets[-1].seconds:.0f}s")
    if budgets[-1].trials is not None:
        parts.append(f"--trials {2 * budgets[-1].trials}")
    return " ".join(parts)
