"""A model with a fresh task head, wrapped by its fine-tuning method."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from xautolm.errors import ModelUnavailableError, TrialError
from xautolm.finetuning.forms import TORCH_FORMS, TorchForm
from xautolm.finetuning.pretrained import fresh_weights, load_failure, read_config, read_weights, stored_config
from xautolm.methods import METHODS
from xautolm.methods.base import head_parameters
from xautolm.records import ModelCard, Scalar, TrialSpec
from xautolm.tasks import Task, form_of
from xautolm.vocabulary import Architecture, Origin, Precision, Quantization
from xautolm.zoo import family_of

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
    model = bare_model(spec, task, tokenizer)
    return METHODS.get(spec.configuration.method).wrap(model, spec.card, spec.configuration.values)


def bare_model(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The model of a trial before its method touches it.

    Raises:
        TrialError: It cannot be loaded (`load_error`).
    """
    form = TORCH_FORMS.get(form_of(task.forms, spec.card.architecture, spec.configuration.values).name)
    model = _load(spec, _config(spec, task, form, tokenizer), form)
    if spec.card.origin != Origin.SCRATCH and not _has_head_for(spec.card, form.head(spec, task)):
        _renew_head(model)
    if form.answers_by_logits:
        model.config.problem_type = task.problem_type
    _know_the_padding(model, tokenizer)
    return model


def precision_of(values: Mapping[str, Scalar]) -> str:
    """Return the number format that a configuration computes in, a `Precision`; the paper's space only says whether it
    is mixed."""
    mixed = Precision.BFLOAT16 if values.get("use_mixed_precision") else Precision.FLOAT32
    return str(values.get("precision", mixed.value))


def _know_the_padding(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell a model which token pads: classifiers on decoders look for the last token before it. A token that was added
    for it gets an embedding."""
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id


def _config(spec: TrialSpec, task: Task, form: TorchForm, tokenizer: PreTrainedTokenizerBase) -> Any:
    card = spec.card
    source = card.path or card.hub_id
    head = form.head(spec, task)
    try:
        if card.origin == Origin.SCRATCH:
            config = AutoConfig.for_model(card.family, **_shape(card, tokenizer), **head)
        else:
            config = read_config(source, **head)
    except Exception as error:
        raise load_failure(f"configuration of {card.name}", source, error) from error
    if card.kept_layers is not None:
        config.num_hidden_layers = card.kept_layers
    _set_dropout(config, spec.configuration.values)
    return config


def _shape(card: ModelCard, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return what the configuration of a model from scratch says: its shape, and its tokenizer's special tokens."""
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    shape |= family_of(card.family).config(card)
    if card.architecture == Architecture.ENCODER:
        return shape
    shape["eos_token_id"] = tokenizer.eos_token_id
    if card.architecture == Architecture.DECODER:
        return shape | {"bos_token_id": tokenizer.bos_token_id, "tie_word_embeddings": True}
    # A decoder that follows an encoder begins with the padding token, as T5's does.
    return shape | {"decoder_start_token_id": tokenizer.pad_token_id}


def _set_dropout(config: Any, values: Mapping[str, Scalar]) -> None:
    if "dropout" in values:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, values["dropout"])


def _quantization(spec: TrialSpec, config: Any, auto_class: Any) -> dict[str, Any]:
    """What loading must know to store the body with fewer bits (Dettmers et al., 2022 and 2023); else nothing."""
    values = spec.configuration.values
    kind = values.get("quantization", Quantization.NONE)
    if kind == Quantization.NONE:
        return {}
    from transformers import BitsAndBytesConfig

    formats: dict[str, torch.dtype] = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}
    compute = formats.get(precision_of(values), torch.float32)
    with torch.device("meta"):
        shape = fresh_weights(auto_class, config)
    bits = BitsAndBytesConfig(
        load_in_8bit=kind == Quantization.EIGHT_BITS,
        load_in_4bit=kind == Quantization.FOUR_BITS,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        # Heeded for 4 bits too. The head is trained, and gradients need full width.
        llm_int8_skip_modules=_head_names(shape),
    )
    return {"quantization_config": bits, "device_map": {"": spec.device}}


def _head_names(model: Any) -> list[str]:
    """The modules that hold the weights of the head, and the one that says words."""
    head = {id(parameter) for parameter in head_parameters(model)}
    return [
        name
        for name, module in model.named_modules()
        if module is model.get_output_embeddings()
        or any(id(parameter) in head for parameter in module.parameters(recurse=False))
    ]


def _load(spec: TrialSpec, config: Any, form: TorchForm) -> Any:
    """Load pretrained weights under a head for this task; a head of another task's gives way to a fresh one.

    Raises:
        TrialError: The weights cannot be read, or are not those of the body (`load_error`).
    """
    card = spec.card
    source = card.path or card.hub_id
    auto_class = form.auto_class(card.architecture)
    if card.origin == Origin.SCRATCH:
        return fresh_weights(auto_class, config)
    try:
        model, loading = read_weights(
            auto_class,
            source,
            config=config,
            dtype=torch.float32,
            # A head for another number of classes is left out; what else has another shape is found below.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_quantization(spec, config, auto_class),
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, ModelUnavailableError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise load_failure(f"weights of {card.name}", source, error) from error
    fresh = set(loading["missing_keys"])
    fresh |= {name for name, _, _ in loading["mismatched_keys"]}
    _check_body(model, fresh, card)
    return model


def _has_head_for(card: ModelCard, head: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint's head, if it has one, may stay: it was trained for no classes or for just these.

    Args:
        card: The model's.
        head: What the configuration is told of the wanted head.
    """
    if "id2label" not in head:
        return True
    stored = stored_config(card.path or card.hub_id)
    names = stored.get("id2label") or {}
    return list(names.values()) == list(head["id2label"].values())


def _renew_head(model: Any) -> None:
    """Give all modules outside the body the weights that they begin with in an untrained model."""
    body = {id(module) for module in model.base_model.modules()}
    for module in model.modules():
        if module is model or id(module) in body:
            continue
        for parameter in module.parameters(recurse=False):
            # Loading marks what it filled, and initialisation passes over the marked.
            parameter._is_hf_initialized = False
        model._init_weights(module)


def _check_body(model: Any, fresh: Collection[str], card: ModelCard) -> None:
    """Refuse a model whose body is not wholly pretrained: transformers fills what it lacks with random numbers.

    Args:
        model: As loaded.
        fresh: Names of the weights that were not in the checkpoint, or had another shape there.
        card: The model's.

    Raises:
        TrialError: The checkpoint lacks weights of the body (`load_error`).
    """
    head = {id(parameter) for parameter in head_parameters(model)}
    body = [name for name, parameter in model.named_parameters() if id(parameter) not in head]
    lacking = [name for name in body if name in fresh]
    if lacking:
        raise TrialError(
            "load_error",
            f"weights of {card.name}: {len(lacking)} of {len(body)} of the body are not in the checkpoint, "
            f"or have another shape there: {', '.join(lacking[:3])}",
        )
