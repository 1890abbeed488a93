"""Linear probes: quick, as good as scikit-learn's own, and left as folders that other libraries load."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits
from transformers import pipeline

from tests.conformance.tiny import tiny_model
from tests.finetuning.conftest import Order
from xautolm.data.demo import support_tickets
from xautolm.errors import TrialError
from xautolm.finetuning.feature_files import IN_HALF
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.run import run
from xautolm.metrics import scores
from xautolm.records import BODY_SECONDS
from xautolm.tasks import TASKS
from xautolm.vocabulary import FailureKind

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


def test_a_probe_is_fitted_in_one_thread_however_many_a_trial_has(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    class Looking(LogisticRegression):
        def fit(self, *data: Any, **options: Any) -> LogisticRegression:
            pools = threadpool_info()
            threads.update(pool["num_threads"] for pool in pools if pool["user_api"] == "blas")
            return super().fit(*data, **options)

    monkeypatch.setattr("xautolm.finetuning.probe.LogisticRegression", Looking)
    spec = replace(order("minilm-l2", "probe", rows=60), threads=2)
    with threadpool_limits(2):
        run(spec, folder)
    assert threads == {1}


@pytest.mark.parametrize(
    ("task", "pooling", "layers"),
    [
        ("text-classification", "own", "last"),
        ("text-classification", "mean", "all"),
        pytest.param("multilabel-classification", "own", "last", marks=pytest.mark.slow),
        ("multilabel-classification", "mean", "last"),
    ],
)
def test_a_probe_answers_from_its_folder_as_it_was_scored(
    order: Order, folder: Path, task: str, pooling: str, layers: str
) -> None:
    spec = order("minilm-l6", "probe", task=task, rows=400, pooling=pooling, layers=layers)
    outcome = run(spec, folder)
    kind = TASKS.get(task)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    answers = Predictor(folder / "model", "cpu").answers(table)
    targets = kind.encode(list(table[kind.target]), spec.labels)
    assert scores(spec.metrics, targets, kind.predictions(answers)) == pytest.approx(
        dict(outcome.metrics), abs=1e-6
    )
    assert outcome.metrics["f1_macro"] > 0.6


def test_a_probe_looks_at_no_more_rows_than_the_search_has_time_for(
    order: Order, folder: Path
) -> None:
    spec = replace(order("minilm-l6", "probe", rows=400, pooling="own"), probe_rows=100)
    outcome = run(spec, folder)
    rows = len(pd.read_parquet(Path(spec.data) / "train.parquet"))
    # As of a training, of which part of an epoch was run.
    assert outcome.history[-1]["epoch"] == pytest.approx(100 / rows)
    assert outcome.metrics["f1_macro"] > 0.5


def test_the_familys_own_pooling_is_a_plain_pipeline(order: Order, folder: Path) -> None:
    spec = order("minilm-l6", "probe", rows=400, pooling="own")
    run(spec, folder)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    logits = Predictor(folder / "model", "cpu").answers(table)
    labels = [spec.labels[index] for index in logits.argmax(axis=1)]
    classify = pipeline("text-classification", model=str(folder / "model"))
    assert [row["label"] for row in classify(list(table["text"]))] == labels


def test_a_probe_of_a_body_without_its_top_layers_looks_at_what_the_whole_one_has_read(
    order: Order, tmp_path: Path
) -> None:
    for name in ("whole", "cut", "alone"):
        (tmp_path / name).mkdir()
    whole = replace(order("minilm-l6", "probe", rows=200), cuts=(2,))
    spec = order("minilm-l2", "probe", rows=200)
    run(whole, tmp_path / "whole")
    cut = run(spec, tmp_path / "cut")
    assert cut.history[-1][BODY_SECONDS] == 0
    # It counts as if it had been alone.
    assert cut.evaluation_time is not None and cut.evaluation_time > cut.history[-1]["seconds"]

    alone = run(replace(spec, tokens=str(tmp_path / "others")), tmp_path / "alone")
    assert alone.history[-1][BODY_SECONDS] > 0
    assert dict(cut.metrics) == pytest.approx(dict(alone.metrics))
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    answers = [
        Predictor(tmp_path / name / "model", "cpu").answers(table) for name in ("cut", "alone")
    ]
    np.testing.assert_allclose(*answers, atol=1e-2)


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

    monkeypatch.setattr("xautolm.finetuning.features.write_features", refuse)
    monkeypatch.setattr("xautolm.finetuning.features.features_in_memory", refuse)
    outcome = run(
        order("minilm-l2", "probe", pooling="own", class_weights=True), tmp_path / "second"
    )
    assert outcome.succeeded and outcome.evaluation_time is not None
    last = outcome.history[-1]
    assert last[BODY_SECONDS] == 0
    # A configuration is not quicker than another because it came later.
    spared_seconds = outcome.evaluation_time - last["seconds"]
    assert spared_seconds == pytest.approx(first.history[-1][BODY_SECONDS], rel=0.1)


@pytest.mark.parametrize(
    ("task", "layers"),
    [
        ("text-classification", "last"),
        ("text-classification", "all"),
        ("multilabel-classification", "last"),
    ],
)
def test_the_mean_is_a_folder_of_sentence_transformers(
    order: Order, folder: Path, task: str, layers: str
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    spec = order("minilm-l3", "probe", task=task, pooling="mean", layers=layers)
    run(spec, folder)
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    ours = Predictor(folder / "model", "cpu").answers(table)
    model = sentence_transformers.SentenceTransformer(str(folder / "model"), device="cpu")
    theirs = model.encode(list(table["text"]))
    assert ours.shape == theirs.shape and np.allclose(ours, theirs, atol=1e-3 * np.abs(ours).max())


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
    assert scores(spec.metrics, targets, task.predictions(logits)) == pytest.approx(
        dict(outcome.metrics), abs=1e-6
    )
    model = sentence_transformers.SentenceTransformer(str(folder / "model"), device="cpu")
    theirs = model.encode(list(table["text"]))
    assert np.allclose(logits, theirs, atol=1e-3 * np.abs(logits).max())


def test_a_training_whose_probe_is_there_loads_the_body_once(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("probe", "training"):
        (tmp_path / name).mkdir()
    run(order("minilm-l2", "probe", pooling="own"), tmp_path / "probe")

    def refuse(*arguments: object) -> None:
        raise AssertionError("the body was loaded for a probe that is there")

    monkeypatch.setattr("xautolm.finetuning.probing.opened_head", refuse)
    spec = order("minilm-l2", "full", pooling="own", epochs=1)
    assert spec.configuration.values["head_init"] == "probe"
    assert run(spec, tmp_path / "training").succeeded


def test_too_few_rows_to_cross_validate_are_said_of_the_probe_and_of_what_starts_from_it(
    order: Order, tmp_path: Path
) -> None:
    for name in ("probe", "training"):
        (tmp_path / name).mkdir()
    outcomes = []
    for name, method, changes in (("probe", "probe", {}), ("training", "full", {"epochs": 1})):
        spec = order("minilm-l2", method, pooling="own", **changes)
        train = Path(spec.data) / "train.parquet"
        pd.read_parquet(train).groupby("label").head(1).to_parquet(train)
        outcomes.append(run(spec, tmp_path / name))
    for outcome in outcomes:
        (note,) = [line for line in outcome.adjustments if "cross-validate" in line]
        assert note.startswith("regularisation chosen on ")


def test_a_probe_whose_features_fit_on_the_disk_in_float16_scores_the_same_and_says_so(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("roomy", "narrow"):
        (tmp_path / name).mkdir()
    roomy = run(order("minilm-l2", "probe"), tmp_path / "roomy")
    assert roomy.adjustments == ()
    # 160 rows, three readouts, 384 numbers: 0.7 MB in float32, 0.4 MB in float16; a tenth of the disk may be used.
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=5_000_000))
    spec = replace(order("minilm-l2", "probe"), tokens=str(tmp_path / "other"))
    narrow = run(spec, tmp_path / "narrow")
    assert narrow.adjustments == (IN_HALF,)
    assert dict(narrow.metrics) == pytest.approx(dict(roomy.metrics), abs=0.05)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param("convbert", marks=pytest.mark.slow),
        pytest.param("roformer", marks=pytest.mark.slow),
        "mpnet",
    ],
)
def test_a_family_that_the_zoo_does_not_have_is_probed_and_trained_from_its_probe(
    order: Order, tmp_path: Path, family: str
) -> None:
    texts = list(support_tickets(160, seed=1)["text"])
    card = tiny_model(family, tmp_path / "body", texts)
    folders = [tmp_path / name for name in ("probe", "again", "trained")]
    for place in folders:
        place.mkdir()
    values = [
        {"pooling": "own"},
        {"pooling": "own", "class_weights": True},
        {"pooling": "own", "epochs": 1},
    ]
    methods = ["probe", "probe", "full"]
    for method, place, chosen in zip(methods, folders, values, strict=True):
        spec = replace(order(card.path, method, **chosen), tokens=str(tmp_path / "tokens"))
        outcome = run(spec, place)
        table = pd.read_parquet(Path(spec.data) / "validation.parquet")
        task = TASKS.get(spec.task)
        targets = task.encode(list(table[task.target]), spec.labels)
        answers = task.predictions(Predictor(place / "model", "cpu").answers(table))
        # The second probe finds the features of the first on the disk: its dense layer has to be the same one.
        assert scores(spec.metrics, targets, answers) == pytest.approx(
            dict(outcome.metrics), abs=1e-6
        )
    assert outcome.history[0]["train_loss"] < 3.0
    is_steady = family == "mpnet"
    assert any("head starts at random" in line for line in outcome.adjustments) is not is_steady


def test_a_mean_that_cannot_be_pooled_is_said(
    order: Order, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_model("roformer", tmp_path / "body", list(support_tickets(160, seed=1)["text"]))
    # A body of random weights says nearly the same of every text.
    monkeypatch.setattr("xautolm.finetuning.probe.LARGEST_UNSTEADINESS", np.inf)
    with pytest.raises(
        TrialError, match="between body and classifier of roformer is not known"
    ) as refused:
        run(order(card.path, "full", pooling="mean"), folder)
    assert refused.value.kind is FailureKind.INVALID_CONFIG


@pytest.mark.slow
def test_a_head_does_not_start_from_a_probe_that_dropout_drowns(
    order: Order, tmp_path: Path
) -> None:
    outcomes = {}
    for model in ("minilm-l6", "minilm-l2"):
        place = tmp_path / model
        place.mkdir()
        spec = order(model, "full", epochs=1)
        values = {**spec.configuration.values, "head_init": "probe", "pooling": "own"}
        spec = replace(spec, configuration=replace(spec.configuration, values=values))
        outcomes[model] = run(spec, place)
    assert outcomes["minilm-l6"].adjustments == ()
    (line,) = outcomes["minilm-l2"].adjustments
    assert line.startswith("head starts at random: dropout moves the probe's logits by ")


def test_a_damaged_probe_is_fitted_again(order: Order, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    spec = order("minilm-l2", "probe", pooling="mean")
    first = run(spec, tmp_path / "first")
    (weights,) = Path(spec.tokens).glob("probe-*/weights.npz")
    weights.write_bytes(weights.read_bytes()[:50])
    assert run(spec, tmp_path / "second").metrics == first.metrics
