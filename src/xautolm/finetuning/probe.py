"""A linear probe: logistic or ridge regression on what a frozen body says of each text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from xautolm.methods.probe import LARGEST_SAMPLE
from xautolm.metrics import Targets

Line: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Weights of shape (classes, width) and biases of shape (classes,)."""

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

SMALL_SPLIT = 100
"""Validation rows below which the regularisation is chosen by cross-validation: one row more or less is a point of
accuracy, and most strengths are closer to each other than that."""
FOLDS = 5
"""Of cross-validation at most, each with its regressions for all strengths."""
MOST_FOLDED = 2_000
"""Training rows that are cross-validated at most: 25 regressions on more would take longer than running the body."""
BLOCK = 8_192
"""Rows that are scored at once: memory-mapped features of a million rows must not all come into memory."""

DROPOUT = 0.1
"""Share of the features that a training drops, in nearly all families."""
LARGEST_UNSTEADINESS = 15.0
"""Of logits, up to which a training may start from a probe. On the first token of MiniLM's six layers it is 4 with 64
classes; without the upper layers it is 185 and more, and training ends badly (docs/experiments.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows of a split."""

    features: np.ndarray
    """Shape (rows, width); may be memory-mapped."""
    targets: np.ndarray
    """As the task encodes them: class indices or numbers of shape (rows,), or 0/1 of shape (rows, classes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A fitted linear layer on raw features."""

    weight: np.ndarray
    """Shape (classes, width); of one row for numbers, and for two classes of two."""
    bias: np.ndarray
    """Shape (classes,)."""
    strength: float
    """The regularisation that was chosen."""
    score: float
    """What it reached on the validation split, by the metric that leads; larger is better."""
    note: str = ""
    """What could not be done as usual, for a person."""
    unsteadiness: float = 0.0
    """Standard deviation that dropout gives the logit of the class where it is largest."""

    @property
    def can_be_trained_on(self) -> bool:
        """Return whether a training may start from it."""
        return self.unsteadiness <= LARGEST_UNSTEADINESS

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return logits of shape (rows, classes).

        Args:
            features: Raw, shape (rows, width); may be memory-mapped.
        """
        row_count = len(features)
        classes = len(self.weight)
        logits = np.empty((row_count, classes), dtype=np.float32)
        for start in range(0, row_count, BLOCK):
            end = start + BLOCK
            # Stored features may be in float16, in which sums over the width would lose digits.
            block = np.asarray(features[start:end], dtype=np.float32)
            logits[start:end] = block @ self.weight.T + self.bias
        return logits


class Judge(Protocol):
    """Scores logits of shape (rows, classes) against targets; larger is better."""

    def __call__(self, logits: np.ndarray, targets: np.ndarray) -> float:
        """Return the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How features are standardised: one strength of regularisation must mean the same for every feature."""

    shift: np.ndarray
    """Shape (width,); zero for regressions without a bias, which cannot undo a shift."""
    scale: np.ndarray
    """Shape (width,)."""

    @classmethod
    def of(cls, features: np.ndarray, *, has_bias: bool) -> Scaling:
        """Return what gives each of some features, shape (rows, width), a deviation of about 1."""
        scale = feature_scale(features)
        shift = features.mean(axis=0) if has_bias else np.zeros_like(scale)
        return cls(shift=shift, scale=scale)

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Return features of shape (rows, width), standardised."""
        return np.asarray((features - self.shift) / self.scale)

    def on_raw_features(self, line: Line) -> Line:
        """Return the line on raw features that is a line on standardised ones."""
        weight, bias = line
        # w ((x - shift) / scale) + b, multiplied out.
        raw_weight = weight / self.scale
        return raw_weight, bias - raw_weight @ self.shift


def fit_probe(
    train: Examples, validation: Examples, judge: Judge, regression: Regression, seed: int
) -> Probe:
    """Return the line whose strength of regularisation does best on the validation split.

    Where that split is small, the strength is chosen by cross-validation inside the training split; the score is the
    validation split's all the same.

    Args:
        train: The training split, or a sample of it.
        validation: The validation split.
        judge: Scores logits.
        regression: What is fitted.
        seed: Of the folds.
    """
    features = np.asarray(train.features, dtype=np.float32)
    scaling = Scaling.of(features, has_bias=regression.has_bias)
    standardised = Examples(features=scaling.standardised(features), targets=train.targets)
    validation_rows = len(validation.targets)
    strengths, note = _strengths_to_try(standardised, validation_rows, judge, regression, seed)

    best: Probe | None = None
    for strength in strengths:
        fitted = regression.fit(standardised.features, train.targets, strength)
        weight, bias = scaling.on_raw_features(fitted)
        line = Probe(weight=weight, bias=bias, strength=strength, score=0.0, note=note)
        logits = line.logits(validation.features)
        score = judge(logits, validation.targets)
        # Of equals the first, which is regularised most.
        if best is None or score > best.score:
            best = replace(line, score=score)
    assert best is not None

    # Of the winner only: it is the one that a training may start from.
    noise = unsteadiness(best.weight, features, regression)
    return replace(best, unsteadiness=noise)


def refitted(probe: Probe, splits: Sequence[Examples], regression: Regression) -> Probe:
    """Return a probe with its strength of regularisation, fitted to the rows of several splits together.

    Args:
        probe: Fitted to one of them; its score stays, as that of the rows that it had not seen.
        splits: The rows.
        regression: What is fitted.
    """
    features = np.concatenate([np.asarray(rows.features, dtype=np.float32) for rows in splits])
    targets = np.concatenate([rows.targets for rows in splits])
    scaling = Scaling.of(features, has_bias=regression.has_bias)
    line = regression.fit(scaling.standardised(features), targets, probe.strength)
    weight, bias = scaling.on_raw_features(line)
    return replace(probe, weight=weight, bias=bias)


def _strengths_to_try(
    standardised: Examples, validation_rows: int, judge: Judge, regression: Regression, seed: int
) -> tuple[Sequence[float], str]:
    """Return the strengths of regularisation to compare on the validation split, and a note for a person.

    Args:
        standardised: The training split.
        validation_rows: Size of the validation split.
        judge: Scores logits.
        regression: What is fitted.
        seed: Of the folds.
    """
    if not is_small(validation_rows, regression.classes):
        return regression.strengths, ""
    train_rows = len(standardised.targets)
    folded_rows = min(MOST_FOLDED, train_rows)
    # A fold has to have about a row of each class.
    fold_count = min(FOLDS, folded_rows // regression.classes)
    if fold_count < 2:
        note = (
            f"regularisation chosen on {validation_rows} validation rows: {train_rows} training "
            f"rows are too few to cross-validate {regression.classes} classes"
        )
        return regression.strengths, note
    strength = cross_validated_strength(standardised, judge, regression, fold_count, seed)
    return [strength], ""


def unsteadiness(weight: np.ndarray, features: np.ndarray, regression: Regression) -> float:
    """Return the standard deviation of a logit under dropout in front of the layer, of the class where it is largest.

    Where features are next to constant over texts, a probe tells classes by large weights, and dropout's noise, which
    goes with a feature's size, drowns what goes with its deviation.

    Args:
        weight: Shape (classes, width).
        features: Shape (rows, width), as they are.
        regression: What was fitted.
    """
    if regression.problem_type == Targets.CLASSES:
        # What all classes share changes no answer.
        weight = weight - weight.mean(axis=0)
    # Dropout multiplies a feature by 0 with probability p, else by 1 / (1 - p): its variance is p / (1 - p) times the
    # feature's square, and those of all features add up, each by the square of its weight.
    # Summed in double precision without a copy in it: the features of a large body take gigabytes.
    squares = np.einsum("ij,ij->j", features, features, dtype=np.float64)
    mean_squares = squares / len(features)
    factor = DROPOUT / (1 - DROPOUT)
    # Of each class, shape (classes,).
    variances = factor * (np.square(weight) @ mean_squares)
    return float(np.sqrt(variances.max()))


def is_small(rows: int, classes: int) -> bool:
    """Return whether a split has too few rows to choose by: under a hundred, or under two a class on average."""
    enough = max(SMALL_SPLIT, 2 * classes)
    return rows < enough


def cross_validated_strength(
    examples: Examples, judge: Judge, regression: Regression, fold_count: int, seed: int
) -> float:
    """Return the strength of regularisation whose answers to rows that were left out score best, over all folds.

    Args:
        examples: Standardised.
        judge: Scores logits; once for all folds together, for one fold may lack a class.
        regression: What is fitted.
        fold_count: At least 2.
        seed: Of the folds.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(examples.targets))
    folded = shuffled[:MOST_FOLDED]
    features = examples.features[folded]
    targets = examples.targets[folded]
    # Only class indices can be kept in proportion.
    splitter = StratifiedKFold if regression.problem_type == Targets.CLASSES else KFold
    folds = splitter(fold_count)

    # Of each row once, by the regression on the folds that it is not in.
    shape = (len(folded), regression.classes)
    logits = {strength: np.empty(shape) for strength in regression.strengths}
    with warnings.catch_warnings():
        # scikit-learn warns of classes with fewer rows than folds.
        warnings.simplefilter("ignore", UserWarning)
        for fitted, held_out in folds.split(features, targets):
            fitted_features = features[fitted]
            fitted_targets = targets[fitted]
            held_out_features = features[held_out]
            for strength in regression.strengths:
                weight, bias = regression.fit(fitted_features, fitted_targets, strength)
                logits[strength][held_out] = held_out_features @ weight.T + bias

    def score(strength: float) -> float:
        return judge(logits[strength], targets)

    # Of equals the first, which is regularised most.
    return max(regression.strengths, key=score)


def feature_scale(features: np.ndarray) -> np.ndarray:
    """Return what to divide features by, shape (width,): their deviations, but for those that are next to constant.

    Args:
        features: Shape (rows, width).
    """
    deviations = features.std(axis=0)
    typical = float(np.median(deviations))
    # `LEAST_SCALE` says what a smaller divisor does.
    scale = np.maximum(deviations, LEAST_SCALE * typical)
    # All features constant: nothing can be learned, and nothing must become infinite.
    scale[scale == 0] = 1.0
    return np.asarray(scale)


def sampled_rows(count: int, most: int | None = None) -> np.ndarray:
    """Return the positions of the training rows that probes are fitted to: the same for all trials of a run.

    Args:
        count: Of the training rows.
        most: How many the search has time for; None for all that a probe takes.
    """
    size = min(count, most or LARGEST_SAMPLE, LARGEST_SAMPLE)
    if size == count:
        return np.arange(count)
    # Always seed 0: trials with other seeds share the features.
    generator = np.random.default_rng(0)
    drawn = generator.choice(count, size, replace=False)
    return np.sort(drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """The regression that a loss asks for."""

    problem_type: str
    """As transformers calls the loss."""
    classes: int
    """Their number; 1 for a number."""
    balanced: bool
    """Whether every class counts as much as every other."""
    has_bias: bool
    """Whether the layer that the probe will be written to has a bias."""

    @property
    def strengths(self) -> Sequence[float]:
        """Return the strengths of regularisation to choose from."""
        if self.problem_type == Targets.NUMBERS:
            return PENALTIES
        return STRENGTHS

    def fit(self, features: np.ndarray, targets: np.ndarray, strength: float) -> Line:
        """Return weights of shape (classes, width) and biases of shape (classes,).

        Args:
            features: Standardised, shape (rows, width).
            targets: As `Examples.targets`.
            strength: Of regularisation, out of `strengths`.
        """
        # Strength is the inverse of a penalty but for numbers, where it is the penalty: `strengths` has both.
        if self.problem_type == Targets.NUMBERS:
            return self._fit_number(features, targets, strength)
        if self.problem_type == Targets.INDICATORS:
            return self._fit_labels(features, targets, strength)
        return self._fit_classes(features, targets, strength)

    def _fit_number(self, features: np.ndarray, targets: np.ndarray, strength: float) -> Line:
        ridge = Ridge(alpha=strength, fit_intercept=self.has_bias)
        ridge.fit(features, targets)
        weight = ridge.coef_.reshape(1, -1)
        # Without an intercept scikit-learn says 0.0, else an array or a number.
        bias = np.asarray(ridge.intercept_, dtype=np.float64)
        return weight, np.atleast_1d(bias)

    def _fit_labels(self, features: np.ndarray, targets: np.ndarray, strength: float) -> Line:
        """Fit each label by itself: one row of weights, and one bias, each."""
        weights = []
        biases = []
        # The columns of the targets: which rows have the label.
        for column in targets.T:
            weight, bias = self._fit_logistic(features, column, strength)
            weights.append(weight)
            biases.append(bias)
        return np.vstack(weights), np.concatenate(biases)

    def _fit_classes(self, features: np.ndarray, targets: np.ndarray, strength: float) -> Line:
        weight, bias = self._fit_logistic(features, targets, strength)
        if len(weight) == 1:
            # Two classes: scikit-learn fits the difference of their logits, of which each gets half.
            weight = np.vstack([-weight, weight]) / 2
            bias = np.concatenate([-bias, bias]) / 2

        # Classes that a sample has no row of stay out of reach.
        width = features.shape[1]
        all_weights = np.zeros((self.classes, width))
        all_biases = np.full(self.classes, -CERTAIN)
        # scikit-learn has a row of weights for each class that it saw, in the order of their indices.
        present = np.unique(targets)
        all_weights[present] = weight
        all_biases[present] = bias
        return all_weights, all_biases

    def _fit_logistic(self, features: np.ndarray, targets: np.ndarray, strength: float) -> Line:
        """Fit classes to features; of two classes, one row of weights and one bias."""
        if len(np.unique(targets)) < 2:
            # A label that all or no training rows have: certain as far as the data goes.
            logit = CERTAIN if targets.any() else -CERTAIN
            width = features.shape[1]
            weight = np.zeros((1, width))
            bias = np.full(1, logit)
            return weight, bias
        model = LogisticRegression(
            C=strength,
            max_iter=STEPS,
            tol=TOLERANCE,
            fit_intercept=self.has_bias,
            class_weight="balanced" if self.balanced else None,
        )
        with warnings.catch_warnings():
            # `STEPS` says why it may end before the optimum.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, targets)
        bias = np.asarray(model.intercept_, dtype=np.float64)
        # Without an intercept scikit-learn gives one zero for all classes.
        return model.coef_, np.broadcast_to(bias, len(model.coef_)).copy()
