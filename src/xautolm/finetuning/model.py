"""A model with a fresh task head, wrapped by its fine-tuning method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from xautolm.errors import TrialError
from xautolm.methods import METHODS
from xautolm.records import ModelCard, Scalar, TrialSpec
from xautolm.tasks import Task

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "classifier_dropout_prob",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "cls_dropout",
    "pooler_dropout",
)
"""What configurations call their dropout rates, over all families."""


def build_model(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The model of a trial, ready for training.

    Raises:
        TrialError: It cannot be loaded (`load_error`) or the method does not fit it (`invalid_config`).
    """
    values = spec.configuration.values
    model = _load(spec.card, _config(spec, task, tokenizer))
    model.config.problem_type = task.problem_type
    return METHODS.get(spec.configuration.method).wrap(model, spec.card, values)


def _config(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> Any:
    card = spec.card
    names = dict(enumerate(spec.labels))
    head = {
        "num_labels": len(names),
        "id2label": names,
        "label2id": {name: index for index, name in names.items()},
        "problem_type": task.problem_type,
    }
    try:
        if card.origin == "scratch":
            config = AutoConfig.for_model(card.family, **_shape(card, tokenizer), **head)
        else:
            config = AutoConfig.from_pretrained(card.path or card.hub_id, trust_remote_code=False, **head)
    except Exception as error:
        raise TrialError("load_error", f"configuration of {card.name}: {type(error).__name__}: {error}") from error
    if card.kept_layers is not None:
        config.num_hidden_layers = card.kept_layers
    _set_dropout(config, spec.configuration.values)
    return config


def _shape(card: ModelCard, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": card.hidden_size,
        "num_hidden_layers": card.layers,
        "num_attention_heads": card.heads,
        "intermediate_size": 4 * card.hidden_size,
        "max_position_embeddings": card.positions,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _set_dropout(config: Any, values: Mapping[str, Scalar]) -> None:
    if "dropout" in values:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, values["dropout"])


def _load(card: ModelCard, config: Any) -> Any:
    if card.origin == "scratch":
        return AutoModelForSequenceClassification.from_config(config)
    try:
        return AutoModelForSequenceClassification.from_pretrained(
            card.path or card.hub_id,
            config=config,
            # Pickled weights can run code; safetensors cannot.
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise TrialError("load_error", f"weights of {card.name}: {type(error).__name__}: {error}") from error
