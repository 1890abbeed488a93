"""Is it good: where the winner is right, where it errs, and whether its confidence can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text, passage
from xautolm.report.page.classes import class_blocks, label_set_blocks
from xautolm.report.page.content import Answers, PageContent
from xautolm.report.page.figures import ACCENT, MUTED, figure
from xautolm.report.page.words import ERRORS, counted, numbers_apart
from xautolm.report.tables import number
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, Targets

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

NO_ANSWER = "no answer"
"""Stands for an empty text, which some questions have for their right answer."""
DRAWN_POINTS = 2_000
"""Of regressions; more of them make the page large and the picture no clearer."""


def quality_section(content: PageContent) -> Section:
    """Return what the winner's answers to unseen rows say."""
    blocks: list[Block] = []
    if content.winner is None:
        blocks.append(Text(text="There is no model to look at."))
    elif content.answers is None:
        text = (
            "The answers of the winner were not recorded: the run is of an earlier version, its search "
            "was ended early, or its winner could not be asked."
        )
        blocks.append(Text(text=text))
    else:
        blocks.append(Text(text=_which_rows(content.answers)))
        blocks.extend(_judged(content, content.answers))
    return Section(anchor="quality", title="Is it good?", blocks=blocks)


def _which_rows(answers: Answers) -> str:
    """Return on which rows the section is based."""
    rows = counted(answers.assessment.rows, "row")
    if answers.assessment.split is Split.TEST:
        return f"From the answers to {rows} of the test split, which no trial was trained or chosen on."
    return (
        f"From the answers to {rows} of the validation split. No trial was trained on them, but the winner "
        "was chosen by them."
    )


def _judged(content: PageContent, answers: Answers) -> list[Block]:
    """Return what suits the kind of answers that the task has."""
    # The run may be of a plug-in that this machine lacks.
    task = TASKS.things.get(content.info.task)
    if task is None:
        return [Text(text=f"The task {content.info.task} is not installed here.")]
    by_kind: dict[str, Callable[[pd.DataFrame], list[Block]]] = {
        Targets.CLASSES: class_blocks,
        Targets.INDICATORS: label_set_blocks,
        Targets.NUMBERS: _numbers,
    }
    judge = by_kind.get(task.problem_type, _texts)
    return judge(answers.rows)


def _numbers(rows: pd.DataFrame) -> list[Block]:
    """Return what is said of answers that are numbers."""
    targets = np.asarray(rows["target"], dtype=float)
    predictions = np.asarray(rows["prediction"], dtype=float)
    errors = predictions - targets
    # The median: one row that is far off would move a mean.
    typical = float(np.median(np.abs(errors)))
    bias = float(errors.mean())
    side = "above" if bias > 0 else "below"
    caption = (
        f"Half of the answers are within {number(typical)} of the right number; on average they lie "
        f"{number(abs(bias))} {side} it."
    )
    picture = _agreement(targets, predictions)
    title = "Answers against right numbers"
    chart = Chart(name="predicted", title=title, figure=picture, caption=caption)
    lines = []
    for row in np.argsort(-np.abs(errors), kind="stable")[:ERRORS]:
        text = passage(rows["text"].iloc[row])
        right, answered = numbers_apart(targets[row], predictions[row])
        lines.append(Row(cells=[text, right, answered]))
    table = Table(
        title="Worst errors",
        headings=("text", "right", "answered"),
        rows=lines,
        numbers=frozenset({"right", "answered"}),
        is_wide=True,
    )
    return [chart, table]


def _agreement(targets: np.ndarray, predictions: np.ndarray) -> go.Figure:
    """Return the answers over the right numbers, beside the line on which both are equal."""
    # Rows are in no order that matters: of many, every second or third is a fair sample.
    step = math.ceil(len(targets) / DRAWN_POINTS)
    low = float(min(targets.min(), predictions.min()))
    high = float(max(targets.max(), predictions.max()))
    ends = [low, high]
    picture = figure("right number", "answer")
    dotted = {"dash": "dot", "color": MUTED}
    picture.add_scatter(x=ends, y=ends, mode="lines", name="ideal", line=dotted)
    picture.add_scatter(
        x=targets[::step],
        y=predictions[::step],
        mode="markers",
        name="rows",
        # Where many rows lie, points cover each other: what is denser is darker.
        marker={"color": ACCENT, "size": 6, "opacity": 0.5},
    )
    return picture


def _texts(rows: pd.DataFrame) -> list[Block]:
    """Return samples of answers that are texts, beside what is right."""
    lines = []
    equal = 0
    columns = zip(rows["text"], rows["target"], rows["prediction"], strict=True)
    for position, (text, target, prediction) in enumerate(columns):
        references = _references(target)
        answer = str(prediction).strip()
        is_equal = answer in references or not (answer or references)
        equal += is_equal
        # The first ones, which are in no order of quality: a fair sample.
        if position >= ERRORS:
            continue
        right = " | ".join(references) or NO_ANSWER
        cells: list[Cell | str] = [passage(text), passage(right), passage(answer or NO_ANSWER)]
        cells.append("yes" if is_equal else "no")
        lines.append(Row(cells=cells))
    sentence = f"{equal / len(rows):.1%} of the answers are a reference, word for word."
    headings = ("text", "reference", "answer", "equal")
    table = Table(title="Samples", headings=headings, rows=lines, visible=ERRORS, is_wide=True)
    return [Text(text=sentence), table]


def _references(target: object) -> list[str]:
    """Return the texts that are right."""
    if isinstance(target, str):
        return [target.strip()]
    if isinstance(target, Sequence):
        return [str(reference).strip() for reference in target]
    return [str(target)]
