"""Where answers that are classes are right and wrong: one class for each row, or any number of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm.report.page.blocks import Block, Cell, Chart, Row, Table, Text, passage
from xautolm.report.page.figures import ACCENT, MUTED, figure
from xautolm.report.page.words import ERRORS, counted, cut

if TYPE_CHECKING:
    import pandas as pd

LARGEST_MATRIX = 14
"""Classes of which all pairs are shown; of more, the pairs that are confused most."""
MOST_BINS, LEAST_BINS = 10, 3
"""Of the reliability curve, with equally many rows each."""
ROWS_OF_BIN = 30
"""At least: the share of right ones among so many has a standard error of 9 points at most."""
LONGEST_LABEL = 40
"""Characters of a class name that are shown beside others."""
CALIBRATED = 0.03
"""Between mean confidence and share of right answers: within it, nobody decides otherwise."""


def class_blocks(rows: pd.DataFrame) -> list[Block]:
    """Return what is said of answers that are one class each."""
    targets = [str(target) for target in rows["target"]]
    predictions = [str(prediction) for prediction in rows["prediction"]]
    # A class that the test split happens to lack may be answered all the same.
    names = sorted({*targets, *predictions})
    pairs = Counter(zip(targets, predictions, strict=True))
    columns = _class_scores(targets, predictions, names)
    blocks: list[Block] = [Text(text=_weakest_class(names, columns, pairs))]
    blocks.append(_scores_by_class(names, columns))
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
    targets: Sequence[object], predictions: Sequence[object], names: Sequence[object]
) -> np.ndarray:
    """Return precision, recall, F1 and rows for each class, shape (4, classes)."""
    from sklearn.metrics import precision_recall_fscore_support

    return np.array(
        precision_recall_fscore_support(
            targets, predictions, labels=names, average=None, zero_division=0.0
        )
    )


def _weakest_position(columns: np.ndarray) -> int:
    """Return the position of the class with the smallest F1, of those that have rows: without any, it is 0 for nothing.

    Args:
        columns: As `_class_scores` returns them.
    """
    _, _, scores, rows = columns
    present = np.flatnonzero(rows > 0)
    return int(present[np.argmin(scores[present])])


def _weakest_class(
    names: Sequence[str], columns: np.ndarray, pairs: Counter[tuple[str, str]]
) -> str:
    """Return in a sentence or two which class fails most, and what it is taken for.

    Args:
        names: The classes.
        columns: As `_class_scores` returns them.
        pairs: How many rows there are of each right class and answer.
    """
    _, recalls, scores, rows = columns
    right = sum(pairs[name, name] for name in names)
    text = f"{right / pairs.total():.1%} of the rows are answered rightly."
    weakest = _weakest_position(columns)
    name = names[weakest]
    mistaken: Counter[str] = Counter()
    for (target, answer), count in pairs.items():
        if target == name != answer:
            mistaken[answer] = count
    text += (
        f" The weakest class is {name}: F1 {scores[weakest]:.3f}, of its "
        f"{counted(int(rows[weakest]), 'row')} {recalls[weakest]:.0%} are recognised"
    )
    if mistaken:
        answer, count = mistaken.most_common(1)[0]
        text += f"; it is taken most often for {answer} ({counted(count, 'time')})"
    return f"{text}."


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
        # Of its own class: beside a frequent class, a rare one that is always missed would look pale.
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
        # Six numbers of four digits stand in half of 1,280 pixels.
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
    # Bins of equally many rows: of equal width, those below 50 % would be empty for most models.
    shares, means = calibration_curve(is_right, confidence, n_bins=bins, strategy="quantile")
    mean_confidence = float(confidence.mean())
    accuracy = float(is_right.mean())
    gap = mean_confidence - accuracy
    manner = "too sure of itself" if gap > 0 else "less sure than it could be"
    caption = f"On average it is {mean_confidence:.0%} sure and {accuracy:.0%} right"
    caption += "." if abs(gap) < CALIBRATED else f": it is {manner}."

    picture = figure("how sure the model is", "how often it is right")
    # From where the curve begins: models of many classes are rarely less sure than of one in two.
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
    # As texts: a label column of numbers may have become one of whole numbers on one side only.
    is_wrong = rows["target"].astype(str) != rows["prediction"].astype(str)
    wrong = rows[is_wrong].sort_values("confidence", ascending=False, kind="stable")
    lines = []
    for _, row in wrong.head(ERRORS).iterrows():
        confidence = float(row["confidence"])
        sure = "" if np.isnan(confidence) else f"{confidence:.0%}"
        labels = [cut(str(row[name]), LONGEST_LABEL) for name in ("target", "prediction")]
        lines.append(Row(cells=[passage(row["text"]), *labels, sure]))
    return Table(
        title="Worst errors",
        headings=("text", "right", "answered", "sure"),
        rows=lines,
        numbers=frozenset({"sure"}),
        is_wide=True,
        note=f"{counted(len(wrong), 'row')} are wrong; those come first of which the model is most sure. "
        "Some of them may be labelled wrongly.",
    )


def label_set_blocks(rows: pd.DataFrame) -> list[Block]:
    """Return what is said of answers that are any number of labels each."""
    targets = [frozenset(target) for target in rows["target"]]
    predictions = [frozenset(prediction) for prediction in rows["prediction"]]
    names = sorted(frozenset[str]().union(*targets, *predictions))
    if not names:
        return [Text(text="No row has a label, and none was answered.")]
    pairs = list(zip(targets, predictions, strict=True))
    exact = sum(target == prediction for target, prediction in pairs)
    sentence = f"All labels of {exact / len(rows):.1%} of the rows are answered rightly."
    columns = _label_scores(pairs, names)
    # Labels that were answered and are never right have no rows that could be missed.
    if any(targets):
        weakest = _weakest_position(columns)
        sentence += f" The weakest class is {names[weakest]}: F1 {columns[2][weakest]:.3f}."
    errors = _wrong_label_sets(pairs, list(rows["text"]))
    return [Text(text=sentence), _scores_by_class(names, columns), errors]


def _label_scores(
    pairs: Sequence[tuple[frozenset[str], frozenset[str]]], names: Sequence[str]
) -> np.ndarray:
    """Return precision, recall, F1 and rows for each label, shape (4, labels).

    Args:
        pairs: The right labels and those that were answered, of each row.
        names: The labels.
    """
    columns = []
    for name in names:
        is_target = [name in target for target, _ in pairs]
        is_answered = [name in prediction for _, prediction in pairs]
        # Each label is a question of yes or no: these are the numbers of the "yes".
        scores = _class_scores(is_target, is_answered, [True])
        columns.append(scores[:, 0])
    return np.stack(columns, axis=1)


def _wrong_label_sets(
    pairs: Sequence[tuple[frozenset[str], frozenset[str]]], texts: Sequence[object]
) -> Table:
    """Return the rows with the most labels that are missed or added."""
    misses = []
    for position, (target, prediction) in enumerate(pairs):
        wrong = target ^ prediction
        if wrong:
            # Of equally many labels, the earlier row is shown.
            misses.append((-len(wrong), position))
    rows = []
    for _, position in sorted(misses)[:ERRORS]:
        target, prediction = pairs[position]
        missed = ", ".join(sorted(target - prediction))
        added = ", ".join(sorted(prediction - target))
        rows.append(Row(cells=[passage(texts[position]), missed, added]))
    headings = ("text", "missed", "added")
    return Table(title="Worst errors", headings=headings, rows=rows, is_wide=True)
