"""Is it good: where the winner is right, where it errs, and whether its confidence can be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm.report.page.blocks import Block, Cell, Chart, Row, Section, Table, Text
from xautolm.report.page.content import Answers, PageContent
from xautolm.report.page.figures import ACCENT, MUTED, figure
from xautolm.report.page.words import counted, cut
from xautolm.report.tables import number
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split, Targets

if TYPE_CHECKING:
    import pandas as pd

LARGEST_MATRIX = 14
"""Classes of which all pairs are shown; of more, the pairs that are confused most."""
ERRORS = 10
"""Rows of the worst errors, of samples, and of confused pairs."""
LONGEST_TEXT = 400
"""Characters of a text that are shown."""
DRAWN_POINTS = 2_000
"""Of regressions; more of them make the page large and the picture no clearer."""
MOST_BINS, LEAST_BINS = 10, 3
"""Of the reliability curve, with equally many rows each."""
ROWS_OF_BIN = 30
"""At least: the share of right ones among fewer is off by more than 9 points as often as not."""
LONGEST_LABEL = 40
"""Characters of a class name that are shown beside others."""


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
        Targets.CLASSES: _classes,
        Targets.INDICATORS: _label_sets,
        Targets.NUMBERS: _numbers,
    }
    judge = by_kind.get(task.problem_type, _texts)
    return judge(answers.rows)


def _classes(rows: pd.DataFrame) -> list[Block]:
    """Return what is said of answers that are one class each."""
    targets = [str(target) for target in rows["target"]]
    predictions = [str(prediction) for prediction in rows["prediction"]]
    names = sorted({*targets, *predictions})
    pairs = Counter(zip(targets, predictions, strict=True))
    blocks: list[Block] = [Text(text=_weakest_class(targets, predictions, names, pairs))]
    blocks.append(_class_table(targets, predictions, names))
    if len(names) <= LARGEST_MATRIX:
        blocks.append(_matrix(targets, predictions, names))
    else:
        blocks.append(_confusions(pairs, Counter(targets)))
    chart = _reliability(rows)
    if chart is not None:
        blocks.append(chart)
    blocks.append(_worst_errors(rows))
    return blocks


def _class_scores(
    targets: Sequence[object], predictions: Sequence[object], names: Sequence[str] | None
) -> np.ndarray:
    """Return precision, recall, F1 and rows for each class, shape (4, classes)."""
    from sklearn.metrics import precision_recall_fscore_support

    return np.array(
        precision_recall_fscore_support(
            targets, predictions, labels=names, average=None, zero_division=0.0
        )
    )


def _weakest_class(
    targets: Sequence[str],
    predictions: Sequence[str],
    names: Sequence[str],
    pairs: Counter[tuple[str, str]],
) -> str:
    """Return in a sentence or two which class fails most, and what it is taken for."""
    _, recalls, scores, rows = _class_scores(targets, predictions, names)
    right = sum(pairs[name, name] for name in names)
    text = f"{right / len(targets):.1%} of the rows are answered rightly."
    present = np.flatnonzero(rows > 0)
    weakest = present[np.argmin(scores[present])]
    name = names[weakest]
    mistaken = Counter(
        {answer: count for (target, answer), count in pairs.items() if target == name != answer}
    )
    text += (
        f" The weakest class is {name}: F1 {scores[weakest]:.3f}, of its "
        f"{counted(int(rows[weakest]), 'row')} {recalls[weakest]:.0%} are recognised"
    )
    if mistaken:
        answer, count = mistaken.most_common(1)[0]
        text += f"; it is taken most often for {answer} ({counted(count, 'time')})"
    return f"{text}."


def _class_table(targets: Sequence[str], predictions: Sequence[str], names: Sequence[str]) -> Table:
    """Return the scores of each class, the weakest first."""
    columns = _class_scores(targets, predictions, names)
    return _scores_by_class(names, columns)


def _scores_by_class(names: Sequence[str], columns: np.ndarray) -> Table:
    """Return a table of precision, recall, F1 and rows by class, the weakest first.

    Args:
        names: The classes.
        columns: Of shape (4, classes).
    """
    precisions, recalls, scores, counts = columns
    rows = []
    for position in np.argsort(scores, kind="stable"):
        cells = [
            names[position],
            f"{precisions[position]:.3f}",
            f"{recalls[position]:.3f}",
            f"{scores[position]:.3f}",
            f"{int(counts[position]):,}",
        ]
        rows.append(Row(cells=cells))
    headings = ("class", "precision", "recall", "F1", "rows")
    return Table(
        title="By class, the weakest first",
        headings=headings,
        rows=rows,
        numbers=frozenset(headings[1:]),
        visible=12,
    )


def _matrix(targets: Sequence[str], predictions: Sequence[str], names: Sequence[str]) -> Table:
    """Return the confusion matrix, each row shaded by the share of its class."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(targets, predictions, labels=list(names))
    rows = []
    for name, line in zip(names, counts, strict=True):
        total = max(1, int(line.sum()))
        cells: list[Cell | str] = [name]
        for count in line:
            cells.append(Cell(text=f"{int(count):,}", shade=float(count / total)))
        rows.append(Row(cells=cells))
    return Table(
        title="Confusion matrix",
        headings=("right ↓   answered →", *names),
        rows=rows,
        numbers=frozenset(names),
        note="Each row is a class as it is, each column what the model answered.",
        is_wide=len(names) > 6,
    )


def _confusions(pairs: Counter[tuple[str, str]], totals: Counter[str]) -> Table:
    """Return the pairs of classes that are confused most."""
    rows = []
    for (target, prediction), count in pairs.most_common():
        if target == prediction:
            continue
        share = f"{count / totals[target]:.0%}"
        labels = [cut(label, LONGEST_LABEL) for label in (target, prediction)]
        rows.append(Row(cells=[*labels, f"{count:,}", share]))
        if len(rows) == ERRORS:
            break
    return Table(
        title="Confused most often",
        headings=("right", "answered", "rows", "of the class"),
        rows=rows,
        numbers=frozenset({"rows", "of the class"}),
        note=f"The matrix of {len(totals)} classes would not fit on a screen.",
    )


def _reliability(rows: pd.DataFrame) -> Chart | None:
    """Return how often the model is right over how sure it is; None where its confidence is not known."""
    from sklearn.calibration import calibration_curve

    confidence = np.asarray(rows["confidence"], dtype=float)
    bins = min(MOST_BINS, len(rows) // ROWS_OF_BIN)
    if np.isnan(confidence).any() or bins < LEAST_BINS:
        return None
    is_right = np.asarray(rows["target"].astype(str) == rows["prediction"].astype(str))
    # Answers of one kind only, all right or all wrong, leave scikit-learn one class of two.
    if is_right.all() or not is_right.any():
        return None
    shares, means = calibration_curve(is_right, confidence, n_bins=bins, strategy="quantile")
    mean_confidence = float(confidence.mean())
    accuracy = float(is_right.mean())
    gap = mean_confidence - accuracy
    manner = "too sure of itself" if gap > 0 else "less sure than it could be"
    caption = f"On average it is {mean_confidence:.0%} sure and {accuracy:.0%} right"
    caption += "." if abs(gap) < 0.03 else f": it is {manner}."

    picture = figure("how sure the model is", "how often it is right")
    low = max(0.0, float(min(means.min(), shares.min())) - 0.05)
    picture.add_scatter(
        x=[low, 1], y=[low, 1], mode="lines", name="ideal", line={"dash": "dot", "color": MUTED}
    )
    picture.add_scatter(
        x=means, y=shares, mode="lines+markers", name="this model", line={"color": ACCENT}
    )
    picture.update_xaxes(tickformat=".0%", range=[low - 0.01, 1.02])
    picture.update_yaxes(tickformat=".0%")
    return Chart(
        name="reliability", title="Can its confidence be believed?", figure=picture, caption=caption
    )


def _worst_errors(rows: pd.DataFrame) -> Table:
    """Return the rows on which the model is wrong and most sure."""
    is_wrong = rows["target"].astype(str) != rows["prediction"].astype(str)
    wrong = rows[is_wrong].sort_values("confidence", ascending=False, kind="stable")
    lines = []
    for _, row in wrong.head(ERRORS).iterrows():
        confidence = float(row["confidence"])
        sure = "" if np.isnan(confidence) else f"{confidence:.0%}"
        text = Cell(text=cut(str(row["text"]), LONGEST_TEXT), is_long=True)
        labels = [cut(str(row[name]), LONGEST_LABEL) for name in ("target", "prediction")]
        lines.append(Row(cells=[text, *labels, sure]))
    return Table(
        title="Worst errors",
        headings=("text", "right", "answered", "sure"),
        rows=lines,
        numbers=frozenset({"sure"}),
        is_wide=True,
        note=f"{counted(len(wrong), 'row')} are wrong; those come first of which the model is most sure. "
        "Some of them may be labelled wrongly.",
    )


def _label_sets(rows: pd.DataFrame) -> list[Block]:
    """Return what is said of answers that are any number of labels each."""
    from sklearn.preprocessing import MultiLabelBinarizer

    targets = [frozenset(target) for target in rows["target"]]
    predictions = [frozenset(prediction) for prediction in rows["prediction"]]
    binarizer = MultiLabelBinarizer()
    binarizer.fit([*targets, *predictions])
    names = [str(name) for name in binarizer.classes_]
    columns = _class_scores(
        binarizer.transform(targets), binarizer.transform(predictions), names=None
    )
    exact = sum(
        target == prediction for target, prediction in zip(targets, predictions, strict=True)
    )
    misses = []
    for position, (target, prediction) in enumerate(zip(targets, predictions, strict=True)):
        misses.append((len(target ^ prediction), -position))
    lines = []
    for count, position in sorted(misses, reverse=True)[:ERRORS]:
        if not count:
            break
        row = -position
        text = Cell(text=cut(str(rows["text"].iloc[row]), LONGEST_TEXT), is_long=True)
        missed = ", ".join(sorted(targets[row] - predictions[row]))
        added = ", ".join(sorted(predictions[row] - targets[row]))
        lines.append(Row(cells=[text, missed, added]))
    weakest = int(np.argmin(columns[2]))
    text_block = Text(
        text=f"All labels of {exact / len(rows):.1%} of the rows are answered rightly. The weakest class is "
        f"{names[weakest]}: F1 {columns[2][weakest]:.3f}."
    )
    errors = Table(
        title="Worst errors", headings=("text", "missed", "added"), rows=lines, is_wide=True
    )
    return [text_block, _scores_by_class(names, columns), errors]


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
