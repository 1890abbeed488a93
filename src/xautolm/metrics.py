"""Quality metrics by name: function, direction and range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xautolm.errors import UnknownNameError
from xautolm.records import Objective

EVALUATION_TIME = "evaluation_time"
"""The paper's second objective: seconds of training plus validation. Smaller is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A quality metric; larger is better."""

    name: str
    compute: Callable[[Any, Any], float]
    """Targets and predictions to a value: class indices or numbers of shape (n,), or 0/1 indicators of shape
    (n, classes); for texts the reference answers of each row, and the predicted texts."""
    low: float = 0.0
    high: float = 1.0


def _f1(average: str) -> Callable[[np.ndarray, np.ndarray], float]:
    def compute(targets: np.ndarray, predictions: np.ndarray) -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(targets, predictions, average=average, zero_division=0))

    return compute


def _accuracy(targets: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets, predictions))


def _mcc(targets: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(targets, predictions))


def _correlation(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    def compute(targets: np.ndarray, predictions: np.ndarray) -> float:
        from scipy import stats

        if not np.ptp(targets) or not np.ptp(predictions):
            return 0.0  # the same number for everything says nothing
        return float(getattr(stats, name)(targets, predictions).statistic)

    return compute


def _squad(name: str) -> Callable[[Sequence[Sequence[str]], Sequence[str]], float]:
    def compute(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> float:
        from torchmetrics.functional.text import squad

        rows = [(str(number), list(one) or [""]) for number, one in enumerate(references)]
        target: Any = [{"id": key, "answers": {"text": texts, "answer_start": [0] * len(texts)}} for key, texts in rows]
        given = [{"id": key, "prediction_text": text} for (key, _), text in zip(rows, predictions, strict=True)]
        return float(squad(given, target)[name]) / 100

    return compute


def _rouge_l(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> float:
    from torchmetrics.functional.text import rouge_score

    found = rouge_score(list(predictions), [list(one) or [""] for one in references], rouge_keys="rougeL")
    return float(found["rougeL_fmeasure"])


def _chrf(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> float:
    from torchmetrics.functional.text import chrf_score

    found: Any = chrf_score(list(predictions), [list(one) or [""] for one in references])
    return float(found)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="f1_macro", compute=_f1("macro")),
        Metric(name="f1_micro", compute=_f1("micro")),
        Metric(name="f1_weighted", compute=_f1("weighted")),
        Metric(name="accuracy", compute=_accuracy),
        Metric(name="mcc", compute=_mcc, low=-1.0),
        Metric(name="spearman", compute=_correlation("spearmanr"), low=-1.0),
        Metric(name="pearson", compute=_correlation("pearsonr"), low=-1.0),
        Metric(name="token_f1", compute=_squad("f1")),
        Metric(name="exact_match", compute=_squad("exact_match")),
        Metric(name="rouge_l", compute=_rouge_l),
        Metric(name="chrf", compute=_chrf),
    )
}


def scores(names: tuple[str, ...], targets: Any, predictions: Any) -> dict[str, float]:
    """The named metrics of some predictions."""
    return {name: METRICS[name].compute(targets, predictions) for name in names}


def constant_scores(names: tuple[str, ...], train: np.ndarray, validation: np.ndarray) -> dict[str, float]:
    """Return the metrics of the one answer that is right most often in training, given to every validation row.

    Args:
        names: The metrics.
        train: Class indices of shape (n,), 0/1 indicators of shape (n, classes), or numbers of shape (n,).
        validation: The same of the validation split.
    """
    if train.ndim == 2:
        answer = (train.mean(axis=0) > 0.5).astype(train.dtype)
    elif np.issubdtype(train.dtype, np.integer):
        answer = np.bincount(train).argmax()
    else:
        answer = train.mean()
    predictions = np.broadcast_to(answer, validation.shape)
    return scores(names, validation, predictions)


def objective(name: str, offered: tuple[str, ...]) -> Objective:
    """What it means to improve a metric, or the evaluation time.

    Args:
        name: A metric's name or `evaluation_time`.
        offered: The metrics of the task.

    Raises:
        UnknownNameError: The task has no such metric.
    """
    if name == EVALUATION_TIME:
        return Objective(name=name, maximize=False, worst=float("inf"))
    if name not in offered:
        raise UnknownNameError("metric for this task", name, [*offered, EVALUATION_TIME])
    return Objective(name=name, maximize=True, worst=METRICS[name].low)
