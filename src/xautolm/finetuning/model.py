"""A model with a fresh task head, wrapped by its fine-tuning method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from xautolm.errors import TrialError
from xautolm.finetuning.forms import FORMS, Form
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
    "attn_pdrop",
    "embd_pdrop",
    "resid_pdrop",
    "dropout_rate",
    "activation_dropout",
)
"""What configurations call their dropout rates, over all families."""


def build_model(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The model of a trial, ready for training.

    Raises:
        TrialError: It cannot be loaded (`load_error`) or the method does not fit it (`invalid_config`).
    """
    values = spec.configuration.values
    form = FORMS.get(task.forms[spec.card.architecture])
    model = _load(spec.card, _config(spec, task, form, tokenizer), form)
    if task.problem_type:
        model.config.problem_type = task.problem_type
    _know_the_padding(model, tokenizer)
    return METHODS.get(spec.configuration.method).wrap(model, spec.card, values)


def _know_the_padding(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell a model which token pads: classifiers on decoders look for the last token before it. A token that was added
    for it gets an embedding."""
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id


def _config(spec: TrialSpec, task: Task, form: Form, tokenizer: PreTrainedTokenizerBase) -> Any:
    card = spec.card
    head = form.head(spec, task)
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
    """What a configuration of a scratch model's family wants to know."""
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    if card.family == "t5":
        return special | {
            "vocab_size": len(tokenizer),
            "d_model": card.hidden_size,
            "d_kv": card.hidden_size // card.heads,
            "d_ff": 4 * card.hidden_size,
            "num_layers": card.layers // 2,
            "num_decoder_layers": card.layers // 2,
            "num_heads": card.heads,
            "decoder_start_token_id": tokenizer.pad_token_id,
        }
    if card.architecture == "decoder":
        special |= {"bos_token_id": tokenizer.bos_token_id, "tie_word_embeddings": True}
    else:
        special.pop("eos_token_id")
    return special | {
        "vocab_size": len(tokenizer),
        "hidden_size": card.hidden_size,
        "num_hidden_layers": card.layers,
        "num_attention_heads": card.heads,
        "intermediate_size": 4 * card.hidden_size,
        "max_position_embeddings": card.positions,
    }


def _set_dropout(config: Any, values: Mapping[str, Scalar]) -> None:
    if "dropout" in values:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, values["dropout"])


def _load(card: ModelCard, config: Any, form: Form) -> Any:
    auto_class = form.auto_class(card.architecture)
    if card.origin == "scratch":
        return auto_class.from_config(config)
    try:
        return auto_class.from_pretrained(
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
