"""The regression of linear probes, on made-up features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from xautolm.finetuning.probe import (
    FOLDS,
    STRENGTHS,
    Examples,
    Regression,
    cross_validated_strength,
    fit_probe,
    refitted,
    sampled_rows,
)
from xautolm.methods.probe import LARGEST_SAMPLE


def accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == targets).mean())


def regression_of(classes: int, problem_type: str = "single_label_classification") -> Regression:
    return Regression(problem_type=problem_type, classes=classes, balanced=False, has_bias=True)


def parts(features: np.ndarray, targets: np.ndarray, train_rows: int) -> tuple[Examples, Examples]:
    train = Examples(features=features[:train_rows], targets=targets[:train_rows])
    validation = Examples(features=features[train_rows:], targets=targets[train_rows:])
    return train, validation


def noisy_classes(rows: int, classes: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return features of which the first two tell the class, among forty that do not, and targets."""
    rng = np.random.default_rng(0)
    targets = np.arange(rows) % classes
    features = rng.normal(0.0, 1.0, (rows, 40)).astype(np.float32)
    angles = 2 * np.pi * targets / classes
    features[:, 0] = np.cos(angles) + rng.normal(0.0, noise, rows)
    features[:, 1] = np.sin(angles) + rng.normal(0.0, noise, rows)
    return features, targets


@pytest.mark.parametrize("classes", [2, 5])
def test_a_probe_is_scikit_learns_regression_on_standardised_features(classes: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, 2.0, (400, 12)).astype(np.float32)
    targets = ((features - 3.0) @ rng.normal(size=(12, classes))).argmax(axis=1)
    assert set(targets[:300]) == set(range(classes))
    train, validation = parts(features, targets, 300)
    probe = fit_probe(train, validation, accuracy, regression_of(classes), seed=0)
    mean, scale = train.features.mean(axis=0), train.features.std(axis=0)
    reference = LogisticRegression(C=probe.strength, max_iter=200, tol=1e-3)
    reference.fit((train.features - mean) / scale, train.targets)
    chances = reference.predict_proba((validation.features - mean) / scale)
    ours = np.exp(probe.logits(validation.features))
    assert np.allclose(ours / ours.sum(axis=1, keepdims=True), chances, atol=1e-3)
    assert probe.score == accuracy(probe.logits(validation.features), validation.targets) > 0.85
    assert probe.note == ""


def test_refitted_it_is_the_regression_of_its_strength_on_all_rows() -> None:
    features, targets = noisy_classes(400, 3, 0.5)
    train, validation = parts(features, targets, 300)
    probe = fit_probe(train, validation, accuracy, regression_of(3), seed=0)
    whole = refitted(probe, (train, validation), regression_of(3))
    assert whole.strength == probe.strength and whole.score == probe.score
    mean, scale = features.mean(axis=0), features.std(axis=0)
    reference = LogisticRegression(C=probe.strength, max_iter=200, tol=1e-3)
    reference.fit((features - mean) / scale, targets)
    ours = np.exp(whole.logits(features))
    chances = reference.predict_proba((features - mean) / scale)
    assert np.allclose(ours / ours.sum(axis=1, keepdims=True), chances, atol=1e-3)


def test_a_class_that_a_sample_lacks_is_never_answered() -> None:
    features = np.random.default_rng(0).normal(size=(260, 4)).astype(np.float32)
    targets = np.where(features[:, 0] > 0, 2, 0)
    train, validation = parts(features, targets, 60)
    probe = fit_probe(train, validation, accuracy, regression_of(3), seed=0)
    assert set(probe.logits(features).argmax(axis=1)) == {0, 2}


def test_a_feature_that_is_next_to_constant_gets_no_huge_weight() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0.0, 0.2, (400, 8)).astype(np.float32)
    targets = (features[:, 0] > 0).astype(int)
    # As MiniLM's first token has it: a deviation of 1.5e-9, which any training of the body leaves far behind.
    features[:, 3] = rng.normal(0.0, 1.5e-9, 400)
    train, validation = parts(features, targets, 200)
    probe = fit_probe(train, validation, accuracy, regression_of(2), seed=0)
    assert probe.score > 0.9
    sizes = np.abs(probe.weight).max(axis=0)
    assert sizes[3] < 1e-3 * sizes[0]


@pytest.mark.parametrize("validation_rows", [99, 100])
def test_a_small_validation_split_does_not_choose_the_regularisation(validation_rows: int) -> None:
    features, targets = noisy_classes(300 + validation_rows, 2, noise=1.5)
    train, validation = parts(features, targets, 300)

    def weakest_on_validation(logits: np.ndarray, answers: np.ndarray) -> float:
        # On the validation split, the larger the logits the better, so that it would choose the weakest penalty.
        return (
            float(np.abs(logits).max())
            if len(answers) == validation_rows
            else accuracy(logits, answers)
        )

    probe = fit_probe(train, validation, weakest_on_validation, regression_of(2), seed=0)
    is_cross_validated = probe.strength != STRENGTHS[-1]
    assert is_cross_validated == (validation_rows == 99)
    # The score is the validation split's, whatever chose.
    assert probe.score == pytest.approx(np.abs(probe.logits(validation.features)).max())
    assert probe.note == ""


def test_less_than_two_validation_rows_a_class_are_a_small_split() -> None:
    features, targets = noisy_classes(500 + 119, 60, noise=0.1)
    train, validation = parts(features, targets, 500)
    asked: list[int] = []

    def judge(logits: np.ndarray, answers: np.ndarray) -> float:
        asked.append(len(answers))
        return accuracy(logits, answers)

    fit_probe(train, validation, judge, regression_of(60), seed=0)
    assert asked == [500] * len(STRENGTHS) + [119]


def test_cross_validation_answers_only_rows_that_were_left_out() -> None:
    # Labels are chance, and forty features of forty rows fit any: who answers what it was fitted to is right.
    rng = np.random.default_rng(1)
    examples = Examples(
        features=rng.normal(size=(40, 40)), targets=rng.permutation(np.arange(40) % 2)
    )
    scores: list[float] = []

    def judge(logits: np.ndarray, targets: np.ndarray) -> float:
        scores.append(accuracy(logits, targets))
        return scores[-1]

    strength = cross_validated_strength(examples, judge, regression_of(2), FOLDS, seed=0)
    assert len(scores) == len(STRENGTHS) and max(scores) < 0.75
    assert strength == STRENGTHS[int(np.argmax(scores))]


@pytest.mark.parametrize("kind", ["regression", "multi_label_classification"])
def test_numbers_and_several_labels_are_cross_validated_too(kind: str) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 6))
    is_number = kind == "regression"
    targets = features[:, 0] if is_number else (features[:, :3] > 0).astype(int)
    train, validation = parts(features, targets, 50)
    asked: list[int] = []

    def judge(logits: np.ndarray, answers: np.ndarray) -> float:
        asked.append(len(answers))
        return (
            -float(np.abs(logits[:, 0] - answers).mean())
            if is_number
            else float(((logits > 0) == answers).mean())
        )

    probe = fit_probe(train, validation, judge, regression_of(1 if is_number else 3, kind), seed=0)
    assert set(asked[:-1]) == {50} and asked[-1] == 30
    assert probe.score > (-0.1 if is_number else 0.9)


@pytest.mark.parametrize(("train_rows", "is_said"), [(9, True), (10, False)])
def test_fewer_training_rows_than_two_a_class_leave_the_choice_to_the_validation_split(
    train_rows: int, is_said: bool
) -> None:
    features, targets = noisy_classes(train_rows + 20, 5, noise=0.1)
    train, validation = parts(features, targets, train_rows)
    probe = fit_probe(train, validation, accuracy, regression_of(5), seed=0)
    said = "regularisation chosen on 20 validation rows: 9 training rows are too few to cross-validate 5 classes"
    assert probe.note == (said if is_said else "")


def test_a_sample_of_many_rows_is_the_same_for_all_trials() -> None:
    assert list(sampled_rows(5)) == [0, 1, 2, 3, 4]
    rows = sampled_rows(1_000_000)
    assert len(rows) == LARGEST_SAMPLE == len(set(rows)) and rows.max() > 900_000
    assert np.array_equal(rows, sampled_rows(1_000_000))
    assert len(sampled_rows(1_000_000, 2_000)) == 2_000
    assert len(sampled_rows(1_000, 2_000)) == 1_000
