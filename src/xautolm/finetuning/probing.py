"""A trial of the linear probe, and probes as the start of heads that are trained further."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from accelerate.utils import set_seed
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.errors import TrialError
from xautolm.finetuning.answer_scores import answer_metrics, in_own_units
from xautolm.finetuning.export import save_answering, save_model
from xautolm.finetuning.feature_files import Readout, RowFeatures
from xautolm.finetuning.features import FeatureCache, SplitFeatures, own_features, split_features
from xautolm.finetuning.linear_head import LinearHead, close_head, head_of, open_head, strip_head
from xautolm.finetuning.mean_pooled import MeanPooledClassifier, pool_by_mean
from xautolm.finetuning.memory import memory_guard, peak_gpu_memory
from xautolm.finetuning.model import bare_model, precision_of_trial, weights_type
from xautolm.finetuning.precision import arithmetic, as_array
from xautolm.finetuning.prepared import PreparedTrial
from xautolm.finetuning.probe import (
    Examples,
    Judge,
    Probe,
    Regression,
    fit_probe,
    refitted,
    sampled_rows,
)
from xautolm.finetuning.tokens import loaded, tokens_folder
from xautolm.metrics import metric_named
from xautolm.records import BODY_SECONDS, Answering, TrialOutcome, TrialSpec
from xautolm.serialization import write_json
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, HeadStart, Layers, Pooling, Split, TrialStatus

FEATURES = "features"
"""Beginning of the names of folders of features."""
RANGE_SAMPLE = 256
"""Texts by which the range of a trained body's features is measured."""


def run_probe(trial: PreparedTrial, folder: Path) -> TrialOutcome:
    """Fit a linear probe, validate it, and leave it in `folder/model`.

    Args:
        trial: The trial.
        folder: The trial's.

    Raises:
        TrialError: The family's classifier cannot be written as one linear layer (`invalid_config`).
    """
    started = time.monotonic()
    readout = readout_of(trial.spec)
    head = opened_head(trial)
    features, probe = probe_of(trial, head, readout)
    precision = precision_of_trial(trial.spec).value
    trial = replace(trial, settings=replace(trial.settings, precision=precision))

    validation = examples_of(features.validation, trial.tokens[Split.VALIDATION])
    if trial.spec.trains_on_validation:
        train = examples_of(features.train, trial.tokens[Split.TRAIN])
        probe = refitted(probe, (train, validation), regression_of(trial, head, readout))
    logits = probe.logits(validation.features)
    targets = in_own_units(validation.targets, trial.settings)
    answers = in_own_units(logits, trial.settings)
    metrics = answer_metrics(trial.spec.metrics, trial.task, targets, answers)
    # Before the model is written: a trial's time is that of training and validation, and nothing else.
    own_seconds = time.monotonic() - started - trial.loading.seconds
    # What an earlier trial has left counts as if this one had computed it: a configuration is not quicker than another
    # because it came later.
    evaluation_time = own_seconds + features.spared_seconds

    # The body has read the rows once, as in an epoch, or as many as the search has time for.
    read_rows = len(features.train.rows)
    whole_sample = sampled_rows(len(trial.tokens[Split.TRAIN]))
    history = {
        "epoch": read_rows / len(whole_sample),
        "seconds": own_seconds,
        BODY_SECONDS: features.seconds,
        **metrics,
    }
    write_probe(probe, head, features, trial, TrialFolder(folder).model)
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics=metrics,
        history=(history,),
        evaluation_time=evaluation_time,
        peak_gpu_memory=peak_gpu_memory(trial.spec.device),
        adjustments=notes_of(features, probe),
    )


def head_start(trial: PreparedTrial, adjustments: list[str]) -> Probe | None:
    """Return the probe that a trial's head starts from; None for a random head.

    That is where the configuration asks for one, or where the probe is too unsteady to be trained on.

    Args:
        trial: The trial; its tokens are those of all training rows.
        adjustments: A line is added for what could not be done as usual.

    Raises:
        TrialError: The family's classifier cannot be written as one linear layer (`invalid_config`).
    """
    if trial.spec.configuration.values.get("head_init") != HeadStart.PROBE:
        return None
    readout = readout_of(trial.spec)
    # An earlier trial's: the body is then loaded once, by the training itself.
    folder = probe_folder(trial.spec, trial.settings, readout)
    probe = earlier_probe(folder)
    if probe is None:
        head = opened_head(trial)
        features, probe = probe_of(trial, head, readout)
        adjustments += notes_of(features, probe)
    elif probe.note:
        adjustments.append(probe.note)
    if not probe.can_be_trained_on:
        adjustments.append(
            f"head starts at random: dropout moves the probe's logits by {probe.unsteadiness:.0f}, "
            "for this body says nearly the same of every text"
        )
        return None
    return probe


def earlier_probe(folder: Path) -> Probe | None:
    """Return the probe that an earlier trial left; None where there is none, or its files are damaged."""
    if not folder.exists():
        return None
    try:
        return read_probe(folder)
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile):
        return None


def pooling_of(spec: TrialSpec) -> Pooling:
    """Return the pooling that a trial's configuration asks for."""
    # Configurations without the parameter have a head as everyone trains it.
    pooling = str(spec.configuration.values.get("pooling", Pooling.OWN))
    return Pooling(pooling)


def readout_of(spec: TrialSpec) -> Readout:
    """Return which of the body's numbers a trial's probe, or the head that starts from it, looks at."""
    pooling = pooling_of(spec)
    # Configurations without the parameter look at the last layer, as heads that are trained do.
    layers = str(spec.configuration.values.get("layers", Layers.LAST))
    return Readout(pooling, Layers(layers))


def notes_of(features: SplitFeatures, probe: Probe) -> tuple[str, ...]:
    """Return what could not be done as usual, for a person."""
    if not probe.note:
        return features.notes
    return (*features.notes, probe.note)


def started_model(trial: PreparedTrial, start: Probe | None) -> PreTrainedModel:
    """Load the model of a trial before its method touches it.

    Args:
        trial: The trial.
        start: The head's weights; with them the classifier is opened to one linear layer.

    Raises:
        TrialError: It cannot be loaded (`load_error`), or the mean over its tokens cannot be pooled
            (`invalid_config`).
    """
    with trial.loading.counted():
        model = bare_model(trial.spec, trial.task, trial.tokenizer)
    if start is None:
        return model
    head = open_head(model)
    # The probe was fitted on the head of this family, opened: it can be opened again.
    assert head is not None
    if pooling_of(trial.spec) is Pooling.MEAN:
        _pool_mean(model)
    head.set_weights(start.weight, start.bias)
    return model


def _pool_mean(model: PreTrainedModel) -> None:
    """Let the opened head of a model look at the mean over the tokens.

    Raises:
        TrialError: What the family has between body and classifier is not known (`invalid_config`).
    """
    if not strip_head(model):
        family = model.config.model_type
        reason = f"the mean cannot be pooled: what stands between body and classifier of {family} is not known"
        raise TrialError(FailureKind.INVALID_CONFIG, reason)
    pool_by_mean(model)


def opened_head(trial: PreparedTrial) -> LinearHead:
    """Load a trial's model with its classifier as one linear layer.

    Raises:
        TrialError: The family's classifier cannot be written so (`invalid_config`), or the model cannot be loaded.
    """
    # What a family keeps in front of its classifier is drawn anew with each load: here as in the training that follows.
    set_seed(trial.spec.seed)
    with trial.loading.counted():
        model = bare_model(trial.spec, trial.task, trial.tokenizer)
        model.to(trial.spec.device)
    head = open_head(model)
    if head is None:
        family = model.config.model_type
        reason = f"it is not known how to write a linear probe as a classifier of {family}"
        raise TrialError(FailureKind.INVALID_CONFIG, reason)
    return head


def probe_of(
    trial: PreparedTrial, head: LinearHead, readout: Readout
) -> tuple[SplitFeatures, Probe]:
    """Return features and the probe on them; the first trial that needs them computes both.

    Args:
        trial: The trial.
        head: Of its model, opened, on the trial's device.
        readout: Which of the body's numbers the probe looks at.
    """
    spec = trial.spec
    cache = feature_cache_of(spec, trial.settings)
    # Weights of both formats, as those of a body that stays frozen, meet under autocast only.
    is_bf16 = spec.computes_in_bf16 or weights_type(spec) is torch.bfloat16
    passes = arithmetic(spec.device, is_bf16=is_bf16)
    with memory_guard(head.model, spec.limits.memory), passes:
        features = split_features(
            cache, readout, spec.card, head, trial.tokenizer, trial.tokens, spec.probe_rows
        )

    regression = regression_of(trial, head, readout)

    def fit(path: Path) -> None:
        train = examples_of(features.train, trial.tokens[Split.TRAIN])
        validation = examples_of(features.validation, trial.tokens[Split.VALIDATION])
        judge = _judge_of(trial)
        fitted = fit_probe(train, validation, judge, regression, spec.seed)
        save_probe(fitted, path)

    # Fitted by the first trial that asks for it; the others read what it saved.
    folder = probe_folder(spec, trial.settings, readout)
    probe = loaded(folder, fit, read_probe)
    return features, probe


def regression_of(trial: PreparedTrial, head: LinearHead, readout: Readout) -> Regression:
    """Return the regression that a trial's probe is."""
    # Decoders' own layers have no bias; a probe of the mean is a folder with a layer of its own.
    has_bias = readout.pooling is Pooling.MEAN or head.has_bias
    return Regression(
        problem_type=trial.task.problem_type,
        classes=head.linear.out_features,
        balanced=is_balanced(trial.spec),
        has_bias=has_bias,
    )


def _judge_of(trial: PreparedTrial) -> Judge:
    """Return what scores logits by the metric that leads, in the data's own units."""
    lead = metric_named(trial.spec.metric).objective

    def judge(logits: np.ndarray, targets: np.ndarray) -> float:
        own_targets = in_own_units(targets, trial.settings)
        answers = in_own_units(logits, trial.settings)
        metrics = answer_metrics((lead.name,), trial.task, own_targets, answers)
        # With its sign turned where less is better.
        return lead.standing(metrics)

    return judge


def examples_of(features: RowFeatures, rows: Dataset) -> Examples:
    """Return features with the targets of their rows."""
    targets = np.asarray(rows["labels"])
    # Features lie in the order in which the body read the rows.
    own_targets = targets[features.rows]
    return Examples(features=features.values, targets=own_targets)


def is_balanced(spec: TrialSpec) -> bool:
    """Return whether a trial's configuration gives every class the same weight."""
    return bool(spec.configuration.values.get("class_weights", False))


def features_folder(spec: TrialSpec, settings: Answering) -> Path:
    """Return where the features of a trial's body are kept, unless the pass of a deeper one has left them."""
    # Besides the layers, features depend on what tokens depend on: the model's files, the length and the data.
    tokens = tokens_folder(spec, settings)
    layers = spec.card.kept_layers or "all"
    return tokens.with_name(f"{FEATURES}-{layers}-{tokens.name}")


def feature_cache_of(spec: TrialSpec, settings: Answering) -> FeatureCache:
    """Return where the features of a trial's body are kept, and of which bodies it may be the lower part."""
    folder = features_folder(spec, settings)
    deeper: list[Path] = []
    if spec.card.kept_layers:
        # Of the same checkpoint, whatever is kept of it.
        tokens = tokens_folder(spec, settings)
        deeper = sorted(tokens.parent.glob(f"{FEATURES}-*-{tokens.name}"))
    return FeatureCache(folder=folder, cuts=spec.cuts, deeper=deeper)


def probe_folder(spec: TrialSpec, settings: Answering, readout: Readout) -> Path:
    """Return where the probe that a trial asks for is kept: its name says all that the probe depends on."""
    source = features_folder(spec, settings)
    weights = "balanced" if is_balanced(spec) else "plain"
    # The colon before the function's name, in a metric of somebody's own, is no sign for a file.
    metric = spec.metric.replace(":", "-")
    name = f"probe-{source.name}-{readout}-{metric}-{weights}"
    return source.with_name(name)


def save_probe(probe: Probe, folder: Path) -> None:
    """Write a probe to a folder that exists."""
    np.savez(folder / "weights.npz", weight=probe.weight, bias=probe.bias)
    choice = {
        "strength": probe.strength,
        "score": probe.score,
        "note": probe.note,
        "unsteadiness": probe.unsteadiness,
    }
    write_json(folder / "choice.json", choice)


def read_probe(folder: Path) -> Probe:
    """Return what `save_probe` wrote."""
    text = (folder / "choice.json").read_text(encoding="utf-8")
    choice = json.loads(text)
    weights_path = folder / "weights.npz"
    # Opened here, because numpy leaves a damaged archive open.
    with weights_path.open("rb") as file, np.load(file, allow_pickle=False) as weights:
        return Probe(weight=weights["weight"], bias=weights["bias"], **choice)


def write_probe(
    probe: Probe, head: LinearHead, features: SplitFeatures, trial: PreparedTrial, folder: Path
) -> None:
    """Leave a probe as a folder of transformers for the family's own pooling, else of sentence-transformers.

    Args:
        probe: The probe.
        head: Of the body that it was fitted on, opened; closed afterwards, or given up.
        features: What it was fitted to.
        trial: The trial, whose configuration says what the probe looks at.
        folder: Where to.
    """
    readout = readout_of(trial.spec)
    if readout.pooling is Pooling.OWN:
        head.set_weights(probe.weight, probe.bias)
        largest = largest_of(features)
        close_head(head.model, largest)
        save_model(head.model, trial.tokenizer, trial.settings, folder)
        return
    # A classifier on the mean over the tokens is loaded by sentence-transformers.
    body = head.model.base_model
    classifier = MeanPooledClassifier(body, probe.weight, probe.bias, readout.layers)
    write_mean_pooled(classifier, trial, folder)


def save_started(model: PreTrainedModel, trial: PreparedTrial, folder: Path) -> None:
    """Save a trained model whose head started from a probe.

    Args:
        model: As trained, its head still open, without adapters.
        trial: The trial, whose configuration says what the head looks at.
        folder: Where to.
    """
    if pooling_of(trial.spec) is Pooling.OWN:
        # Training has moved the features: their range is measured anew.
        is_mixed = weights_type(trial.spec) is torch.bfloat16
        with arithmetic(str(model.device), is_bf16=is_mixed):
            largest = largest_feature(model, trial.tokenizer, trial.tokens[Split.VALIDATION])
        close_head(model, largest)
        save_model(model, trial.tokenizer, trial.settings, folder)
        return
    linear = head_of(model).linear
    weight = as_array(linear.weight)
    # Decoders' own layers have no bias; the folder's layer has one always.
    bias = np.zeros(len(weight))
    if linear.bias is not None:
        bias = as_array(linear.bias)
    # A head that is trained looks at the last layer: `pool_by_mean` knows no other.
    classifier = MeanPooledClassifier(model.base_model, weight, bias, Layers.LAST)
    write_mean_pooled(classifier, trial, folder)


def write_mean_pooled(classifier: MeanPooledClassifier, trial: PreparedTrial, folder: Path) -> None:
    """Write a folder of sentence-transformers, and what answering needs besides."""
    classifier.save(folder, trial.settings.max_length)
    # By this whoever answers later knows how to load the folder.
    settings = replace(trial.settings, pooling=Pooling.MEAN)
    save_answering(trial.tokenizer, settings, folder)


def largest_feature(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset
) -> float:
    """Return the largest absolute value that reaches the head of a model whose classifier is open.

    Args:
        model: Without adapters.
        tokenizer: Its tokenizer.
        rows: Tokenised texts, of which the first 256 are tried.
    """
    count = min(len(rows), RANGE_SAMPLE)
    sample = rows.select(range(count))
    head = head_of(model)
    features = own_features(head, tokenizer, sample)
    largest = np.abs(features).max()
    return float(largest)


def largest_of(features: SplitFeatures) -> float:
    """Return the largest absolute value of any feature."""
    largest = 0.0
    for split in (features.train, features.validation):
        # Without a copy of all values, as `abs` would make: they may be memory-mapped.
        highest = float(split.values.max())
        lowest = float(split.values.min())
        largest = max(largest, highest, -lowest)
    return largest
