"""A trial of the linear probe, and probes as the start of heads that are trained further."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from accelerate.utils import set_seed
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from xautolm.errors import TrialError
from xautolm.finetuning.answer_scores import answer_metrics, in_own_units
from xautolm.finetuning.export import save_answering, save_model
from xautolm.finetuning.feature_files import Readout, RowFeatures
from xautolm.finetuning.features import SplitFeatures, own_features, split_features
from xautolm.finetuning.linear_head import LinearHead, close_head, head_of, open_head, strip_head
from xautolm.finetuning.mean_pooled import MeanPooledClassifier, pool_by_mean
from xautolm.finetuning.memory import memory_guard
from xautolm.finetuning.model import bare_model
from xautolm.finetuning.precision import arithmetic
from xautolm.finetuning.probe import Examples, Probe, Regression, fit_probe
from xautolm.finetuning.tokens import loaded, tokens_folder
from xautolm.metrics import metric_named
from xautolm.records import BODY_SECONDS, Answering, TrialOutcome, TrialSpec
from xautolm.serialization import write_json
from xautolm.tasks import Task
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, HeadStart, Layers, Pooling, TrialStatus

RANGE_SAMPLE = 256
"""Texts by which the range of a trained body's features is measured."""


def run_probe(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
    folder: Path,
) -> TrialOutcome:
    """Fit a linear probe, validate it, and leave it in `folder/model`.

    Raises:
        TrialError: The family's classifier cannot be written as one linear layer (`invalid_config`).
    """
    started = time.monotonic()
    readout = readout_of(spec)
    head = opened_head(spec, task, tokenizer)
    features, probe = probe_of(spec, task, head, readout, tokenizer, tokens, settings)
    validation = examples_of(features.validation, tokens["validation"])
    targets = in_own_units(validation.targets, settings)
    answers = in_own_units(probe.logits(validation.features), settings)
    metrics = answer_metrics(spec.metrics, task, targets, answers)
    evaluation_time = time.monotonic() - started
    history = {"epoch": 1.0, "seconds": evaluation_time, BODY_SECONDS: features.seconds, **metrics}
    write_probe(probe, head, readout, features, tokenizer, settings, TrialFolder(folder).model)
    return TrialOutcome(
        status=TrialStatus.COMPLETE,
        metrics=metrics,
        history=(history,),
        evaluation_time=evaluation_time,
        peak_gpu_memory=torch.cuda.max_memory_reserved() if spec.device.startswith("cuda") else None,
        adjustments=notes_of(features, probe),
    )


def head_start(
    spec: TrialSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
    adjustments: list[str],
) -> Probe | None:
    """Return the probe that a trial's head starts from; None for a random head.

    That is where the configuration wants one, or where the probe is too unsteady to be trained on.

    Args:
        spec: The trial's.
        task: The task.
        tokenizer: The model's.
        tokens: The tokenised splits.
        settings: Of answering.
        adjustments: A line is added for what could not be done as usual.

    Raises:
        TrialError: The family's classifier cannot be written as one linear layer (`invalid_config`).
    """
    if spec.configuration.values.get("head_init") != HeadStart.PROBE:
        return None
    readout = readout_of(spec)
    # An earlier trial's: the body is then loaded once, by the training itself.
    probe = earlier_probe(probe_folder(spec, settings, readout))
    if probe is not None:
        adjustments += [probe.note] if probe.note else []
    else:
        head = opened_head(spec, task, tokenizer)
        features, probe = probe_of(spec, task, head, readout, tokenizer, tokens, settings)
        adjustments += notes_of(features, probe)
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
    return Pooling(str(spec.configuration.values.get("pooling", Pooling.OWN)))


def readout_of(spec: TrialSpec) -> Readout:
    """Return which of the body's numbers a trial's probe, or the head that starts from it, looks at."""
    layers = Layers(str(spec.configuration.values.get("layers", Layers.LAST)))
    return Readout(pooling_of(spec), layers)


def notes_of(features: SplitFeatures, probe: Probe) -> tuple[str, ...]:
    """Return what could not be done as usual, for a person."""
    return (*features.notes, probe.note) if probe.note else features.notes


def started_model(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase, start: Probe | None) -> Any:
    """Load the model of a trial before its method touches it.

    Args:
        spec: The trial's.
        task: The task.
        tokenizer: The model's.
        start: The head's weights; with them the classifier is opened to one linear layer.

    Raises:
        TrialError: It cannot be loaded (`load_error`).
    """
    model = bare_model(spec, task, tokenizer)
    if start is not None:
        head = open_head(model)
        assert head is not None
        if pooling_of(spec) is Pooling.MEAN:
            if not strip_head(model):
                family = model.config.model_type
                reason = f"the mean cannot be pooled: what stands between body and classifier of {family} is not known"
                raise TrialError(FailureKind.INVALID_CONFIG, reason)
            pool_by_mean(model)
        head.set_weights(start.weight, start.bias)
    return model


def largest_feature(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Dataset) -> float:
    """Return the largest absolute value that reaches the head of a model whose classifier is open.

    Args:
        model: Without adapters.
        tokenizer: Its tokenizer.
        rows: Tokenised texts, of which some are tried.
    """
    head = head_of(model)
    some = rows.select(range(min(len(rows), RANGE_SAMPLE)))
    return float(np.abs(own_features(head, tokenizer, some)).max())


def opened_head(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> LinearHead:
    """Load a trial's model with its classifier as one linear layer.

    Raises:
        TrialError: The family's classifier cannot be written so (`invalid_config`), or the model cannot be loaded.
    """
    # What a family keeps in front of its classifier is drawn anew with each load: here as in the training that follows.
    set_seed(spec.seed)
    model = bare_model(spec, task, tokenizer).to(spec.device)
    head = open_head(model)
    if head is None:
        family = model.config.model_type
        raise TrialError(
            FailureKind.INVALID_CONFIG, f"it is not known how to write a linear probe as a classifier of {family}"
        )
    return head


def probe_of(
    spec: TrialSpec,
    task: Task,
    head: LinearHead,
    readout: Readout,
    tokenizer: PreTrainedTokenizerBase,
    tokens: DatasetDict,
    settings: Answering,
) -> tuple[SplitFeatures, Probe]:
    """Return features and the probe on them; both are computed by the first trial that wants them."""
    passes = arithmetic(spec.device, is_bf16=spec.computes_in_bf16)
    with memory_guard(head.model, spec.limits.memory), passes:
        features = split_features(features_folder(spec, settings), readout, spec.card, head, tokenizer, tokens)
    regression = Regression(
        problem_type=task.problem_type,
        classes=head.linear.out_features,
        balanced=is_balanced(spec),
        # Decoders' own layers have no bias; a probe of the mean is a folder with a layer of its own.
        has_bias=readout.pooling is Pooling.MEAN or head.has_bias,
    )

    lead = metric_named(spec.metric).objective

    def judge(logits: np.ndarray, targets: np.ndarray) -> float:
        own_targets = in_own_units(targets, settings)
        return lead.standing(answer_metrics((lead.name,), task, own_targets, in_own_units(logits, settings)))

    def fit(path: Path) -> None:
        train = examples_of(features.train, tokens["train"])
        validation = examples_of(features.validation, tokens["validation"])
        save_probe(fit_probe(train, validation, judge, regression, spec.seed), path)

    return features, loaded(probe_folder(spec, settings, readout), fit, read_probe)


def examples_of(features: RowFeatures, rows: Dataset) -> Examples:
    """Return features with the targets of their rows."""
    return Examples(features=features.values, targets=np.asarray(rows["labels"])[features.rows])


def is_balanced(spec: TrialSpec) -> bool:
    """Return whether a trial's configuration gives every class the same weight."""
    return bool(spec.configuration.values.get("class_weights", False))


def probe_folder(spec: TrialSpec, settings: Answering, readout: Readout) -> Path:
    """Return where the probe that a trial wants is kept."""
    source = features_folder(spec, settings)
    weights = "balanced" if is_balanced(spec) else "plain"
    # The colon before the function's name, in a metric of somebody's own, is no sign for a file.
    metric = spec.metric.replace(":", "-")
    return source.with_name(f"probe-{source.name}-{readout}-{metric}-{weights}")


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
    choice = json.loads((folder / "choice.json").read_text(encoding="utf-8"))
    # Opened here, because numpy leaves a damaged archive open.
    with (folder / "weights.npz").open("rb") as file, np.load(file, allow_pickle=False) as weights:
        return Probe(weight=weights["weight"], bias=weights["bias"], **choice)


def features_folder(spec: TrialSpec, settings: Answering) -> Path:
    """Return where the features of a trial's body are kept; bodies cut to few layers share tokens, not features."""
    tokens = tokens_folder(spec, settings)
    return tokens.with_name(f"features-{spec.card.kept_layers or 'all'}-{tokens.name}")


def write_probe(
    probe: Probe,
    head: LinearHead,
    readout: Readout,
    features: SplitFeatures,
    tokenizer: PreTrainedTokenizerBase,
    settings: Answering,
    folder: Path,
) -> None:
    """Leave a probe as a folder of transformers for the family's own pooling, else of sentence-transformers."""
    if readout.pooling is Pooling.OWN:
        head.set_weights(probe.weight, probe.bias)
        close_head(head.model, largest_of(features))
        save_model(head.model, tokenizer, settings, folder)
    else:
        classifier = MeanPooledClassifier(head.model.base_model, probe.weight, probe.bias, readout.layers)
        write_mean_pooled(classifier, tokenizer, settings, folder)


def save_started(
    model: Any,
    pooling: Pooling,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    settings: Answering,
    folder: Path,
) -> None:
    """Save a trained model whose head started from a probe.

    Args:
        model: As trained, its head still open, without adapters.
        pooling: What its head looks at.
        tokenizer: The model's.
        rows: Tokenised texts, by which the range of its features is measured.
        settings: Of answering.
        folder: Where to.
    """
    if pooling is Pooling.OWN:
        close_head(model, largest_feature(model, tokenizer, rows))
        save_model(model, tokenizer, settings, folder)
        return
    linear = head_of(model).linear
    weight = linear.weight.detach().float().cpu().numpy()
    bias = np.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float().cpu().numpy()
    classifier = MeanPooledClassifier(model.base_model, weight, bias, Layers.LAST)
    write_mean_pooled(classifier, tokenizer, settings, folder)


def write_mean_pooled(
    classifier: MeanPooledClassifier, tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path
) -> None:
    """Write a folder of sentence-transformers, and what answering needs besides."""
    classifier.save(folder, settings.max_length)
    save_answering(tokenizer, replace(settings, pooling=Pooling.MEAN), folder)


def largest_of(features: SplitFeatures) -> float:
    """Return the largest absolute value of any feature."""
    splits = (features.train.values, features.validation.values)
    # Without a copy of all values: they may be memory-mapped.
    return max(float(max(split.max(), -split.min())) for split in splits)
