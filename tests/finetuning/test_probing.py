"""Linear probes: quick, as good as scikit-learn's own, and left as folders that other libraries load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from transformers import pipeline

from tests.finetuning.conftest import Order
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.probe import fit_probe
from xautolm.finetuning.run import run
from xautolm.metrics import scores
from xautolm.records import BODY_SECONDS
from xautolm.tasks import TASKS, predicted

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize("pooling", ["own", "mean"])
@pytest.mark.parametrize("task", ["text-classification", "multilabel-classification"])
def test_a_probe_answers_from_its_folder_as_it_was_scored(order: Order, folder: Path, pooling: str, task: str) -> None:
    spec = order("minilm-l6", "probe", task=task, rows=400, pooling=pooling)
    outcome = run(spec, folder)
    kind = TASKS.get(task)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    answers = Predictor(folder / "model", "cpu").answers(table)
    targets = kind.encode(list(table[kind.target]), spec.labels)
    assert scores(spec.metrics, targets, predicted(kind, answers)) == pytest.approx(dict(outcome.metrics), abs=1e-6)
    assert outcome.metrics["f1_macro"] > 0.6


def test_the_familys_own_pooling_is_a_plain_pipeline(order: Order, folder: Path) -> None:
    spec = order("minilm-l6", "probe", rows=400, pooling="own")
    run(spec, folder)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    logits = Predictor(folder / "model", "cpu").answers(table)
    labels = [spec.labels[index] for index in logits.argmax(axis=1)]
    classify = pipeline("text-classification", model=str(folder / "model"))
    assert [row["label"] for row in classify(list(table["text"]))] == labels


def test_a_second_probe_on_the_same_body_runs_no_body(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = run(order("minilm-l2", "probe", pooling="mean"), tmp_path / "first")
    assert first.evaluation_time is not None
    assert 0 < first.history[-1][BODY_SECONDS] < first.evaluation_time

    def refuse(*arguments: object) -> None:
        raise AssertionError("features were computed again")

    monkeypatch.setattr("xautolm.finetuning.features._write_features", refuse)
    outcome = run(order("minilm-l2", "probe", pooling="own", class_weights=True), tmp_path / "second")
    assert outcome.succeeded
    assert outcome.history[-1][BODY_SECONDS] == 0


@pytest.mark.parametrize("classes", [2, 5])
def test_a_probe_is_scikit_learns_regression_on_standardised_features(classes: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, 2.0, (400, 12)).astype(np.float32)
    targets = ((features - 3.0) @ rng.normal(size=(12, classes))).argmax(axis=1)
    assert set(targets[:300]) == set(range(classes))
    train, validation = features[:300], features[300:]

    def accuracy(logits: np.ndarray) -> float:
        return float((logits.argmax(axis=1) == targets[300:]).mean())

    probe = fit_probe(
        train, targets[:300], validation, accuracy,
        problem_type="single_label_classification", classes=classes, balanced=False, has_bias=True, seed=0,
    )  # fmt: skip
    mean, scale = train.mean(axis=0), train.std(axis=0)
    reference = LogisticRegression(C=probe.strength, max_iter=200, tol=1e-3).fit((train - mean) / scale, targets[:300])
    chances = reference.predict_proba((validation - mean) / scale)
    ours = np.exp(probe.logits(validation))
    assert np.allclose(ours / ours.sum(axis=1, keepdims=True), chances, atol=1e-3)
    assert probe.score == accuracy(probe.logits(validation)) > 0.85


def test_a_class_that_a_sample_lacks_is_never_answered() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4)).astype(np.float32)
    targets = np.where(features[:, 0] > 0, 2, 0)
    probe = fit_probe(
        features, targets, features, lambda logits: float((logits.argmax(axis=1) == targets).mean()),
        problem_type="single_label_classification", classes=3, balanced=False, has_bias=True, seed=0,
    )  # fmt: skip
    assert set(probe.logits(features).argmax(axis=1)) == {0, 2}


@pytest.mark.parametrize("task", ["text-classification", "multilabel-classification"])
def test_the_mean_is_a_folder_of_sentence_transformers(order: Order, folder: Path, task: str) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    spec = order("minilm-l2", "probe", task=task, pooling="mean")
    run(spec, folder)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    ours = Predictor(folder / "model", "cpu").answers(table)
    model = sentence_transformers.SentenceTransformer(str(folder / "model"), device="cpu")
    theirs = model.encode(list(table["text"]))
    assert ours.shape == theirs.shape and np.allclose(ours, theirs, atol=1e-3 * np.abs(ours).max())


def test_a_feature_that_is_next_to_constant_gets_no_huge_weight() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0.0, 0.2, (200, 8)).astype(np.float32)
    targets = (features[:, 0] > 0).astype(int)
    # As MiniLM's first token has it: a deviation of 1.5e-9, which any training of the body leaves far behind.
    features[:, 3] = rng.normal(0.0, 1.5e-9, 200)
    probe = fit_probe(
        features, targets, features, lambda logits: float((logits.argmax(axis=1) == targets).mean()),
        problem_type="single_label_classification", classes=2, balanced=False, has_bias=True, seed=0,
    )  # fmt: skip
    assert probe.score > 0.9
    sizes = np.abs(probe.weight).max(axis=0)
    assert sizes[3] < 1e-3 * sizes[0]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_on_the_mean_answers_from_its_folder_as_it_was_scored(
    order: Order, folder: Path, method: str
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    spec = order("minilm-l2", method, pooling="mean", epochs=2)
    outcome = run(spec, folder)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    logits = Predictor(folder / "model", "cpu").answers(table)
    task = TASKS.get(spec.task)
    targets = task.encode(list(table[task.target]), spec.labels)
    assert scores(spec.metrics, targets, predicted(task, logits)) == pytest.approx(dict(outcome.metrics), abs=1e-6)
    model = sentence_transformers.SentenceTransformer(str(folder / "model"), device="cpu")
    theirs = model.encode(list(table["text"]))
    assert np.allclose(logits, theirs, atol=1e-3 * np.abs(logits).max())
