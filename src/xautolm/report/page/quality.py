"""Is it good: where the winner is right, where it errs, and whether its confidence can be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.classes import class_blocks, label_set_blocks
from xautolm.report.page.content import Answers, PageContent
from xautolm.report.page.figures import ACCENT, MUTED, figure
from xautolm.report.page.words import ERRORS, LONGEST_TEXT, counted, cut
from xautolm.report.tables import number
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, Targets

if TYPE_CHECKING:
    import pandas as pd

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
    typical = float(np.median(np.abs(errors)))
    bias = float(errors.mean())
    side = "above" if bias > 0 else "below"
    sentence = (
        f"Half of the answers are within {number(typical)} of the right number; on average they lie "
        f"{number(abs(bias))} {side} it."
    )
    step = max(1, len(targets) // DRAWN_POINTS)
    low = float(min(targets.min(), predictions.min()))
    high = float(max(targets.max(), predictions.max()))
    picture = figure("right number", "answer")
    picture.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        name="ideal",
        line={"dash": "dot", "color": MUTED},
    )
    picture.add_scatter(
        x=targets[::step],
        y=predictions[::step],
        mode="markers",
        name="rows",
        marker={"color": ACCENT, "size": 6, "opacity": 0.5},
    )
    chart = Chart(
        name="predicted", title="Answers against right numbers", figure=picture, caption=sentence
    )
    lines = []
    for row in np.argsort(-np.abs(errors), kind="stable")[:ERRORS]:
        text = Cell(text=cut(str(rows["text"].iloc[row]), LONGEST_TEXT), is_long=True)
        lines.append(Row(cells=[text, number(targets[row]), number(predictions[row])]))
    table = Table(
        title="Worst errors",
        headings=("text", "right", "answered"),
        rows=lines,
        numbers=frozenset({"right", "answered"}),
        is_wide=True,
    )
    return [chart, table]


def _texts(rows: pd.DataFrame) -> list[Block]:
    """Return samples of answers that are texts, beside what is right."""
    lines = []
    equal = 0
    columns = zip(rows["text"], rows["target"], rows["prediction"], strict=True)
    for position, (text, target, prediction) in enumerate(columns):
        references = _references(target)
        answer = str(prediction)
        is_equal = answer.strip() in references
        equal += is_equal
        # The first ones, which are in no order of quality: a fair sample.
        if position >= ERRORS:
            continue
        right = " | ".join(references) or "no answer"
        cells: list[Cell | str] = []
        for words in (str(text), right, answer or "no answer"):
            cells.append(Cell(text=cut(words, LONGEST_TEXT), is_long=True))
        cells.append("yes" if is_equal else "no")
        lines.append(Row(cells=cells))
    sentence = f"{equal / len(rows):.1%} of the answers are a reference, word for word."
    table = Table(
        title="Samples",
        headings=("text", "reference", "answer", "equal"),
        rows=lines,
        visible=ERRORS,
        is_wide=True,
    )
    return [Text(text=sentence), table]


def _references(target: object) -> list[str]:
    """Return the texts that are right."""
    if isinstance(target, str):
        return [target.strip()]
    if isinstance(target, Sequence | np.ndarray):
        return [str(reference).strip() for reference in target]
    return [str(target)]
