"""A linear probe: logistic or ridge regression on what a frozen body says of each text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation of logistic regression on standardised features (scikit-learn's C), weakest last."""
PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)
"""Regularisation of ridge regression on standardised features, weakest last."""
STEPS = 200
"""L-BFGS steps at most: the score on other rows stops rising long before the optimum."""
TOLERANCE = 1e-3
"""Of the gradient: with 64 classes the scores on other rows are those of 1e-4, in 40 % of the time."""
CERTAIN = 10.0
"""Logit of what all or no rows have: a chance of 1 in 22,000 that it is otherwise."""
LEAST_SCALE = 0.05
"""Least deviation that a feature is divided by, as a share of the median feature's. Bodies have dead features: MiniLM's
first token has one with a deviation of 1.5e-9 between features of 0.1 to 0.3. Divided by that, its weight became 1e8,
and the first training step that moved the feature at all drove the loss to 16,000."""
LARGEST_SAMPLE = 20_000
"""Training rows that a probe is fitted to at most: a line through 768 numbers needs no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A fitted linear layer on raw features."""

    weight: np.ndarray
    """Shape (classes, width); of one row for numbers, and for two classes of two."""
    bias: np.ndarray
    """Shape (classes,)."""
    strength: float
    """The regularisation that did best on the validation split."""
    score: float
    """What it reached there, by the metric that leads."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return shape (rows, classes)."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)


class Judge(Protocol):
    """Scores logits of shape (rows, classes) on the validation split; larger is better."""

    def __call__(self, logits: np.ndarray) -> float:
        """Return the score."""


def fit_probe(
    train: np.ndarray,
    targets: np.ndarray,
    validation: np.ndarray,
    judge: Judge,
    *,
    problem_type: str,
    classes: int,
    balanced: bool,
    has_bias: bool,
    seed: int,
) -> Probe:
    """Fit one line for each strength of regularisation, and return the best on the validation split.

    Args:
        train: Features of the training split, shape (rows, width).
        targets: As the task encodes them: class indices or numbers of shape (rows,), or 0/1 of shape (rows, classes).
        validation: Features of the validation split.
        judge: Scores logits on the validation split.
        problem_type: As transformers calls the loss.
        classes: Their number; 1 for a number.
        balanced: Whether every class counts as much as every other.
        has_bias: Whether the layer that the probe will be written to has a bias.
        seed: Of the sample, where there are more rows than `LARGEST_SAMPLE`.
    """
    rows = _sample(len(train), seed)
    features = np.asarray(train[rows], dtype=np.float32)
    scale = feature_scale(features)
    # Without a bias a shift of the features cannot be undone.
    shift = features.mean(axis=0) if has_bias else np.zeros_like(scale)
    features = (features - shift) / scale
    wanted = targets[rows]
    best: Probe | None = None
    lines = _Lines(problem_type=problem_type, classes=classes, balanced=balanced, has_bias=has_bias)
    for strength in lines.strengths:
        weight, bias = lines.fit(features, wanted, strength)
        raw_weight = weight / scale
        probe = Probe(weight=raw_weight, bias=bias - raw_weight @ shift, strength=strength, score=0.0)
        score = judge(probe.logits(validation))
        if best is None or score > best.score:
            best = Probe(weight=probe.weight, bias=probe.bias, strength=strength, score=score)
    assert best is not None
    return best


def feature_scale(features: np.ndarray) -> np.ndarray:
    """Return what to divide features by, shape (width,): their deviations, but for those that are next to constant.

    Args:
        features: Shape (rows, width).
    """
    deviations = features.std(axis=0)
    typical = float(np.median(deviations))
    scale = np.maximum(deviations, LEAST_SCALE * typical)
    # All features constant: nothing can be learned, and nothing must become infinite.
    scale[scale == 0] = 1.0
    return np.asarray(scale)


def _sample(count: int, seed: int) -> np.ndarray:
    if count <= LARGEST_SAMPLE:
        return np.arange(count)
    chosen = np.random.default_rng(seed).choice(count, LARGEST_SAMPLE, replace=False)
    return np.sort(chosen)


@dataclass(slots=True, kw_only=True)
class _Lines:
    """The regression that a loss asks for."""

    problem_type: str
    classes: int
    balanced: bool
    has_bias: bool

    @property
    def strengths(self) -> Sequence[float]:
        return PENALTIES if self.problem_type == "regression" else STRENGTHS

    def fit(self, features: np.ndarray, targets: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return weights of shape (classes, width) and biases of shape (classes,)."""
        match self.problem_type:
            case "regression":
                ridge = Ridge(alpha=strength, fit_intercept=self.has_bias).fit(features, targets)
                return ridge.coef_.reshape(1, -1), np.atleast_1d(np.asarray(ridge.intercept_, dtype=np.float64))
            case "multi_label_classification":
                pairs = [self._logistic(features, column, strength) for column in targets.T]
                return np.vstack([weight for weight, _ in pairs]), np.concatenate([bias for _, bias in pairs])
            case _:
                return self._classes(features, targets, strength)

    def _classes(self, features: np.ndarray, targets: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = self._logistic(features, targets, strength)
        if len(weight) == 1:
            # Two classes: scikit-learn fits the difference of their logits.
            weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        present = np.unique(targets)
        all_weights = np.zeros((self.classes, features.shape[1]))
        # Classes that a sample has no row of stay out of reach.
        all_biases = np.full(self.classes, -CERTAIN)
        all_weights[present], all_biases[present] = weight, bias
        return all_weights, all_biases

    def _logistic(self, features: np.ndarray, targets: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        if len(np.unique(targets)) < 2:
            # A label that all or no training rows have: certain as far as the data goes.
            sign = 1.0 if targets.any() else -1.0
            return np.zeros((1, features.shape[1])), np.full(1, CERTAIN * sign)
        model: Any = LogisticRegression(
            C=strength,
            max_iter=STEPS,
            tol=TOLERANCE,
            fit_intercept=self.has_bias,
            class_weight="balanced" if self.balanced else None,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, targets)
        bias = np.asarray(model.intercept_, dtype=np.float64)
        return model.coef_, np.broadcast_to(bias, len(model.coef_)).copy()
