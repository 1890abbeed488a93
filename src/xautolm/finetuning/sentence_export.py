"""A classifier as folders of sentence-transformers and SetFit, and both asked as their users ask them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer

from xautolm.errors import UsageError
from xautolm.finetuning.answer_scores import in_own_units
from xautolm.finetuning.linear_head import dense_layers
from xautolm.finetuning.mean_pooled import MeanPooledClassifier
from xautolm.finetuning.precision import as_array
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.quiet import quietly
from xautolm.finetuning.sentence_folder import DenseLayer, SentenceModel
from xautolm.serialization import write_json
from xautolm.tasks import Answers
from xautolm.vocabulary import Targets

SETFIT_CONFIG = "config_setfit.json"
SETFIT_HEAD = "model_head.pkl"
"""As SetFit calls the files of its own that lie beside a body."""
SMALLEST_CHANCE = 1e-12
"""As which a smaller one counts, and as much below 1: there is no logarithm of 0."""

LogisticHead: TypeAlias = LogisticRegression | OneVsRestClassifier
"""A head of SetFit's: one class of several, or any of several labels."""


class Encoder(Protocol):
    """What is used here of a model that sentence-transformers has loaded."""

    def encode(
        self, inputs: Sequence[str] | Sequence[list[str]], *, show_progress_bar: bool
    ) -> np.ndarray:
        """Return one row for each input."""


def write_sentence_transformer(predictor: Predictor, folder: Path) -> SentenceTransformerAnswers:
    """Write a loaded classifier as a folder whose `encode` gives its logits, and return what asks it.

    Args:
        predictor: On the processor.
        folder: Empty.

    Raises:
        UsageError: The model is no encoder with a head of linear layers.
    """
    _save(parts_of(predictor), predictor, folder)
    return SentenceTransformerAnswers(folder, predictor)


def write_setfit(predictor: Predictor, folder: Path) -> SetFitAnswers:
    """Write a loaded classifier as a folder of SetFit, and return what asks it.

    Args:
        predictor: On the processor.
        folder: Empty.

    Raises:
        UsageError: The model is no encoder with a head of linear layers, or gives a number.
    """
    if not predictor.settings.labels:
        raise UsageError(
            "SetFit has classifiers only.",
            got=f"a model of {predictor.settings.task}",
            fix="Use --to sentence-transformers, or the folder best/ as it is.",
        )
    whole = parts_of(predictor)
    # SetFit's head is the last layer; what a family has before it (a pooler, a dense layer) makes its features.
    *inner_layers, answers = whole.dense
    body = replace(whole, dense=inner_layers)
    _save(body, predictor, folder)
    has_many_labels = predictor.task.problem_type == Targets.INDICATORS
    head = logistic_head(answers, has_many_labels=has_many_labels)
    joblib.dump(head, folder / SETFIT_HEAD)
    # SetFit would divide features by their length, as some heads are trained; these were not.
    settings = {"normalize_embeddings": False, "labels": list(predictor.settings.labels)}
    write_json(folder / SETFIT_CONFIG, settings)
    return SetFitAnswers(folder, predictor, head)


def parts_of(predictor: Predictor) -> SentenceModel:
    """Return a loaded classifier in the parts that sentence-transformers puts together.

    Raises:
        UsageError: It is no encoder with a head of linear layers.
    """
    model = predictor.model
    if isinstance(model, MeanPooledClassifier):
        return model.parts()
    layers = dense_layers(model)
    if layers is None:
        raise UsageError(
            "Only an encoder whose head is made of linear layers can be a folder of sentence-transformers.",
            got=f"a {model.config.model_type}",
            fix="Use --to onnx, or the folder best/ as it is.",
        )
    width = layers[0].linear.in_features
    return SentenceModel(body=model.base_model, width=width, dense=layers, pools_first_token=True)


def _save(parts: SentenceModel, predictor: Predictor, folder: Path) -> None:
    """Write a folder of sentence-transformers with its tokenizer."""
    parts.save(folder, predictor.settings.max_length)
    predictor.tokenizer.save_pretrained(str(folder))


def logistic_head(layer: DenseLayer, *, has_many_labels: bool) -> LogisticHead:
    """Return a classifier of scikit-learn that says what a linear layer says.

    Args:
        layer: The last one, from features to logits.
        has_many_labels: Whether a text may have any number of labels, rather than one class.
    """
    # scikit-learn computes in float64 whatever it is given.
    weight = as_array(layer.linear.weight).astype(np.float64)
    bias = np.zeros(len(weight))
    if layer.linear.bias is not None:
        bias = as_array(layer.linear.bias).astype(np.float64)
    if not has_many_labels:
        return _of_one_class(weight, bias)
    head = OneVsRestClassifier(LogisticRegression())
    head.estimators_ = []
    # A label by itself is one of two classes, which it takes one row of weights to tell apart.
    for label in range(len(weight)):
        estimator = _fitted(weight[[label]], bias[[label]], classes=2)
        head.estimators_.append(estimator)
    # Labels by number; a row of indicators tells it that there may be several.
    head.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(np.eye(len(weight), dtype=int))
    return head


def _of_one_class(weight: np.ndarray, bias: np.ndarray) -> LogisticRegression:
    """Return the classifier of a layer that gives each class a logit."""
    classes = len(weight)
    # Of two classes scikit-learn keeps the difference, whose sigmoid is the softmax of both.
    if classes == 2:
        weight = weight[1:] - weight[:1]
        bias = bias[1:] - bias[:1]
    return _fitted(weight, bias, classes)


def _fitted(weight: np.ndarray, bias: np.ndarray, classes: int) -> LogisticRegression:
    """Return a logistic regression with these weights, as if it had been fitted."""
    estimator = LogisticRegression()
    estimator.classes_ = np.arange(classes)
    estimator.coef_ = weight
    estimator.intercept_ = bias
    estimator.n_features_in_ = weight.shape[1]
    estimator.n_iter_ = np.zeros(1, dtype=np.int32)
    return estimator


class SentenceTransformerAnswers:
    """Ask a folder of sentence-transformers in its own library.

    Args:
        folder: The folder.
        predictor: What it was made from: says how rows become texts, and logits answers.
    """

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        self.settings = predictor.settings
        self.task = predictor.task
        self.encoder = _loaded(folder)

    def answers(self, table: pd.DataFrame) -> Answers:
        """Return logits of shape (rows, classes), or numbers, as `Predictor.answers` does."""
        logits = self._encoded(table)
        if self.settings.labels:
            return logits
        numbers: np.ndarray = in_own_units(logits[:, 0], self.settings)
        return numbers

    def _encoded(self, table: pd.DataFrame) -> np.ndarray:
        """Return what the last layer says of each row's text, or of its two texts."""
        columns = [list(table[name]) for name in self.task.inputs]
        if len(columns) == 1:
            return self.encoder.encode(columns[0], show_progress_bar=False)
        # sentence-transformers takes a pair as a list.
        pairs = [list(row) for row in zip(*columns, strict=True)]
        if not self.settings.joint:
            return self.encoder.encode(pairs, show_progress_bar=False)
        joined = [self.settings.joint.join(pair) for pair in pairs]
        return self.encoder.encode(joined, show_progress_bar=False)


class SetFitAnswers(SentenceTransformerAnswers):
    """Ask a folder of SetFit as SetFit does: its head about what its body says.

    Args:
        folder: The folder.
        predictor: What it was made from.
        head: As it was written: what lies on the disk is a pickle, and no pickle is ever read here.
    """

    def __init__(self, folder: Path, predictor: Predictor, head: LogisticHead) -> None:
        super().__init__(folder, predictor)
        self.head = head

    def answers(self, table: pd.DataFrame) -> Answers:
        """Return numbers of shape (rows, classes) of which the task makes the head's own probabilities."""
        features = self._encoded(table)
        chances = self.head.predict_proba(features)
        chances = np.clip(chances, SMALLEST_CHANCE, 1 - SMALLEST_CHANCE)
        logits: np.ndarray = np.log(chances)
        if isinstance(self.head, OneVsRestClassifier):
            logits = logits - np.log1p(-chances)
        return logits


def _loaded(folder: Path) -> Encoder:
    """Return the model that sentence-transformers makes of a folder."""
    # It says that it calls its modules otherwise from version 6 on; the earlier names are read by all versions.
    with quietly():
        from sentence_transformers import SentenceTransformer

        encoder: Encoder = SentenceTransformer(
            str(folder), device="cpu", trust_remote_code=False, local_files_only=True
        )
    return encoder
