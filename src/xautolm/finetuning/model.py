"""The model of a trial: pretrained or from scratch, with the head that its task needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from xautolm.errors import ModelUnavailableError, TrialError
from xautolm.finetuning.forms import TORCH_FORMS, TorchForm
from xautolm.finetuning.pretrained import (
    AutoClass,
    fresh_weights,
    load_failure,
    read_config,
    read_weights_and_report,
    stored_config,
)
from xautolm.methods import (
    METHODS,
    head_parameters,
    lies_in_bf16,
    precision_of,
    precision_of_passes,
)
from xautolm.records import ModelCard, Scalar, TrialSpec
from xautolm.symptoms import lacks_memory
from xautolm.tasks import Task, form_of
from xautolm.vocabulary import (
    Architecture,
    FailureKind,
    Origin,
    Precision,
    Quantization,
)
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


def bare_model(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return the model of a trial before its method touches it.

    Raises:
        TrialError: It cannot be loaded (`load_error`).
    """
    card = spec.card
    form_of_task = form_of(task.forms, card.architecture, spec.configuration.values)
    form = TORCH_FORMS.get(form_of_task.name)
    config = _config(spec, task, form, tokenizer)
    model = _load(spec, config, form)
    # What says words is a matrix of the pretrained model; a head of the task's own is trained.
    if weights_type(spec) is not torch.float32 and not form_of_task.says_words:
        widen(head_parameters(model))
    if card.origin != Origin.SCRATCH:
        head = form.head(spec, task)
        if not _has_head_for(card, head):
            # As many classes, but not these: what it was trained for says nothing of them.
            _renew_head(model)
    if form.answers_by_logits:
        model.config.problem_type = task.problem_type
    _set_padding(model, tokenizer)
    return model


def weights_type(spec: TrialSpec) -> torch.dtype:
    """Return the number format in which a trial's pretrained body lies in memory."""
    # Not by the device, which is the processor where quantised weights are given their full width for saving.
    if not spec.gpu:
        return torch.float32
    is_narrow = lies_in_bf16(
        METHODS.get(spec.configuration.method),
        spec.configuration.values,
        has_masters=not spec.lacks_masters,
        computes_in_bf16=spec.computes_in_bf16,
    )
    return torch.bfloat16 if is_narrow else torch.float32


def precision_of_trial(spec: TrialSpec) -> Precision:
    """Return the number format that a trial's passes run in."""
    configuration = spec.configuration
    method = METHODS.get(configuration.method)
    return precision_of_passes(method, configuration.values, computes_in_bf16=spec.computes_in_bf16)


def widen_trained(model: torch.nn.Module) -> None:
    """Store what is trained of a model in float32, and the vectors beside it: norms take no two formats."""
    for module in model.modules():
        parameters = list(module.parameters(recurse=False))
        is_trained = any(parameter.requires_grad for parameter in parameters)
        if not is_trained:
            continue
        # A frozen matrix beside a bias that is trained may stay as it is: autocast brings them together.
        for parameter in parameters:
            if parameter.requires_grad or parameter.ndim < 2:
                widen([parameter])


def widen(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Store parameters in float32: the steps of a training would vanish in the digits of bfloat16."""
    for parameter in parameters:
        # Quantised weights are whole numbers.
        if parameter.is_floating_point():
            parameter.data = parameter.data.float()


def _set_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell a model which token pads: classifiers on decoders look for the last token before it."""
    # A token that was added for padding needs an embedding.
    embeddings = model.get_input_embeddings()
    if len(tokenizer) > embeddings.num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        # Training targets end with it, whatever else ended what the model said before.
        model.generation_config.eos_token_id = tokenizer.eos_token_id


def _config(
    spec: TrialSpec, task: Task, form: TorchForm, tokenizer: PreTrainedTokenizerBase
) -> PretrainedConfig:
    """Return the configuration of a trial's model: its head, its number of layers, its dropout.

    Raises:
        TrialError: It cannot be read (`load_error`).
    """
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


def _shape(card: ModelCard, tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    """Return what the configuration of a model from scratch says: its shape, and its tokenizer's special tokens."""
    shape: dict[str, object] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
    }
    shape |= family_of(card.family).config(card)
    if card.architecture == Architecture.ENCODER:
        return shape
    shape["eos_token_id"] = tokenizer.eos_token_id
    if card.architecture == Architecture.DECODER:
        shape["bos_token_id"] = tokenizer.bos_token_id
        shape["tie_word_embeddings"] = True
    else:
        # A decoder that follows an encoder begins with the padding token, as T5's does.
        shape["decoder_start_token_id"] = tokenizer.pad_token_id
    return shape


def _set_dropout(config: PretrainedConfig, values: Mapping[str, Scalar]) -> None:
    """Set every dropout rate that a configuration has, if the trial's values name one."""
    if "dropout" not in values:
        return
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, values["dropout"])


def _quantization(
    spec: TrialSpec, config: PretrainedConfig, auto_class: AutoClass
) -> dict[str, object]:
    """Return what loading must know to store the body with 8 or 4 bits (Dettmers et al., 2022 and 2023)."""
    values = spec.configuration.values
    kind = values.get("quantization", Quantization.NONE)
    if kind == Quantization.NONE:
        return {}
    from transformers import BitsAndBytesConfig

    compute_types = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}
    compute_type = compute_types.get(precision_of(values), torch.float32)
    # Only the names of its modules are looked at: on this device no weights are made.
    with torch.device("meta"):
        outline = fresh_weights(auto_class, config)
    bits = BitsAndBytesConfig(
        load_in_8bit=kind == Quantization.EIGHT_BITS,
        load_in_4bit=kind == Quantization.FOUR_BITS,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_type,
        # Heeded for 4 bits too. The head is trained, and gradients need full width.
        llm_int8_skip_modules=_head_names(outline),
    )
    return {"quantization_config": bits, "device_map": {"": spec.device}}


def _head_names(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules that hold the weights of the head, and of the one that says words."""
    # By identity: tensors compare number by number.
    head = {id(parameter) for parameter in head_parameters(model)}
    word_layer = model.get_output_embeddings()
    names = []
    for name, module in model.named_modules():
        own = {id(parameter) for parameter in module.parameters(recurse=False)}
        if module is word_layer or own & head:
            names.append(name)
    return names


def _load(spec: TrialSpec, config: PretrainedConfig, form: TorchForm) -> PreTrainedModel:
    """Load pretrained weights under a head for this task; a head of another task's gives way to a fresh one.

    Raises:
        TrialError: The weights cannot be read, or are not those of the body (`load_error`).
    """
    card = spec.card
    source = card.path or card.hub_id
    auto_class = form.auto_class(card.architecture)
    if card.origin == Origin.SCRATCH:
        return fresh_weights(auto_class, config)
    arguments: dict[str, object] = {"config": config, "dtype": weights_type(spec)}
    # A head for another number of classes is left out; what else has another shape is refused below.
    arguments["ignore_mismatched_sizes"] = True
    if weights_type(spec) is not torch.float32:
        # Straight to the GPU: the main memory may be smaller.
        arguments["device_map"] = {"": spec.device}
    arguments |= _quantization(spec, config, auto_class)
    try:
        model, loading = read_weights_and_report(auto_class, source, **arguments)
    except (
        OSError,
        ValueError,
        RuntimeError,
        ImportError,
        KeyError,
        ModelUnavailableError,
    ) as error:
        # Lack of memory says nothing of the weights, and has a cure of its own.
        if lacks_memory(error):
            raise
        raise load_failure(f"weights of {card.name}", source, error) from error
    _check_body(model, loading.missing | loading.mismatched, card)
    return model


def _has_head_for(card: ModelCard, head: Mapping[str, object]) -> bool:
    """Return whether a checkpoint's head, if it has one, may stay: it was trained for no classes or for just these.

    Args:
        card: The model's.
        head: What the configuration is told of the head that the task needs.
    """
    names = head.get("id2label")
    if not isinstance(names, Mapping):
        return True
    stored = stored_config(card.path or card.hub_id)
    stored_names = stored.get("id2label") or {}
    # By their order: JSON has made texts of the indices.
    return list(stored_names.values()) == list(names.values())


def _renew_head(model: PreTrainedModel) -> None:
    """Give all modules outside the body the weights that they begin with in an untrained model."""
    body = {id(module) for module in model.base_model.modules()}
    for module in model.modules():
        # The model itself is outside of its body, but holds it.
        if module is model or id(module) in body:
            continue
        for parameter in module.parameters(recurse=False):
            # Loading marks what it filled, and initialisation passes over the marked.
            parameter._is_hf_initialized = False
        model._init_weights(module)


def _check_body(model: PreTrainedModel, fresh: Collection[str], card: ModelCard) -> None:
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
    if not lacking:
        return
    # Three names tell a person which layers they are.
    examples = ", ".join(lacking[:3])
    raise TrialError(
        FailureKind.LOAD_ERROR,
        f"weights of {card.name}: {len(lacking)} of {len(body)} of the body are not in the checkpoint, "
        f"or have another shape there: {examples}",
    )
