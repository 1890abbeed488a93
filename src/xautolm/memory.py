"""What a configuration takes of memory, from first principles: bytes of weights, of what training keeps beside each of
them, and of what layers keep for the backward pass."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm.kept_activations import (
    FLOAT32,
    FROZEN,
    HALF,
    NARROW,
    TRAINED,
    LayerShape,
    family_bytes,
    layer_shape,
)
from xautolm.methods import (
    METHODS,
    Method,
    has_quantized_body,
    lies_in_bf16,
    precision_of_passes,
)
from xautolm.records import (
    Configuration,
    DataProfile,
    Form,
    ModelCard,
    SystemProfile,
    Values,
    as_float,
)
from xautolm.vocabulary import Architecture, DeviceKind, Precision
from xautolm.zoo import family_of

BYTES = 4
"""Of a number in float32. Weights that are trained, gradients and optimizer state have it in every precision: mixed
precision keeps master weights. Quantised weights are smaller, and on a GPU those that stay frozen."""
NARROW_BYTES = 2
"""Of a number in bfloat16 or float16."""
NARROW_SHARE = NARROW_BYTES / BYTES
OPTIMIZER_COPIES = 3
"""Gradient and Adam's two moments for each trained weight."""
NAME_TOKENS = 8
"""Tokens of a class's name at most, as far as is planned: names in the usual data sets have 1 to 4."""
PROCESS_MEMORY = 640 * 1024**2
"""Resident memory of a trial's process before any model, in bytes: Python, torch and transformers.

Of 95 trials on a processor, nine of ten took 440 to 640 MiB more than their weights and activations.
"""
FRAGMENTATION = 1.07
"""What the allocator of CUDA reserves for activations over what they take: blocks between those in use, and sizes that
are rounded up. Peaks that peft published for LoRA, DoRA and MiSS on a model of 3 billion weights lie so much above the
sum of what is counted (docs/gpus.md)."""
SOFT_SHARE = 0.92
"""Share of the memory limit at which a training on a processor gives up its per-device batch, before the system or the
parent kills it at the whole."""
GPU_CONTEXT = 450 * 1024**2
"""Memory of a GPU that the driver's context takes for a process, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeeds:
    """Say what parts of a trial take of the memory of the device's kind, in bytes."""

    weights: float
    """The process, weights, gradients and optimizer state."""
    activations: float
    """What one example needs until the backward pass."""
    checkpointed_activations: float
    """The same with gradient checkpointing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Describe the number formats of a training's passes and weights."""

    on_gpu: bool
    computes_narrow: bool
    """Whether passes run in 16 bits."""
    frozen: bool
    stored_narrow: bool
    """Whether the body's weights are stored in bfloat16."""
    quantized: bool
    """Whether the body's matrices are stored with 8 or 4 bits."""

    @property
    def makes_copies(self) -> bool:
        """Return whether autocast copies float32 matrices; quantised ones are widened as they are multiplied."""
        return self.computes_narrow and not self.stored_narrow and not self.quantized

    @property
    def bytes_between_layers(self) -> int:
        """Return the bytes of a number that one layer hands to the next."""
        return NARROW_BYTES if self.stored_narrow else BYTES

    @property
    def kind(self) -> str:
        """Return the member of `LAYER_KINDS` that tells what layers keep."""
        state = FROZEN if self.frozen else TRAINED
        if not self.computes_narrow:
            return f"{FLOAT32} {state}"
        if self.stored_narrow and not self.frozen:
            return f"{NARROW} {TRAINED}"
        # Frozen float32 weights under autocast were not measured; passes in float32 keep more, if anything.
        if self.frozen and not self.stored_narrow:
            return f"{FLOAT32} {FROZEN}"
        if not self.frozen:
            return f"{HALF} {TRAINED}"
        return f"{HALF} {FROZEN}"


def memory_needs(
    configuration: Configuration,
    card: ModelCard,
    form: Form,
    data: DataProfile,
    system: SystemProfile,
    *,
    has_masters: bool,
    devices: int = 1,
) -> MemoryNeeds:
    """Return what weights and activations of a configuration take of each device.

    Args:
        configuration: The configuration.
        card: Of its model.
        form: That its task is cast in.
        data: What it reads.
        system: The machine that it runs on.
        has_masters: Whether what is trained is stored in float32, as it is wherever that fits.
        devices: Over how many the model is divided.
    """
    values = configuration.values
    method = METHODS.get(configuration.method)
    passes = _passes(method, values, system, has_masters=has_masters)
    shape = layer_shape(card)
    # The longest batch decides, not the usual one.
    max_length = as_float(values["max_length"])
    longest = min(data.tokens_max, max_length)
    kept_layers = method.kept_share(card, values) * reading_layers(card, form)

    bytes_of_token = _bytes_of_token(method, card, values, passes, keys=longest)
    bytes_of_layer = longest * bytes_of_token
    bytes_of_logits = _bytes_of_logits(card, form, longest)
    # Where no layer has a gradient, one at a time is computed all the same.
    layers_at_once = max(kept_layers, 1)
    activations = layers_at_once * bytes_of_layer + bytes_of_logits
    checkpointed = activations
    if family_of(card.family).has_checkpointing:
        # The input of each layer is kept, and one layer at a time is computed again.
        inputs = card.layers * longest * card.hidden_size
        bytes_of_inputs = inputs * passes.bytes_between_layers
        one_at_a_time = bytes_of_layer + bytes_of_inputs + bytes_of_logits
        checkpointed = min(activations, one_at_a_time)

    weights = _weights(method, card, values, passes, has_masters=has_masters)
    if devices > 1:
        # Weights, gradients and moments are divided, and what one example keeps is not.
        weights = weights / devices + _put_together(method, card, passes, shape)
    elif passes.makes_copies:
        # Autocast keeps a copy of each matrix that the backward pass goes through.
        copied = kept_layers * _matrices(card, shape)
        weights += NARROW_BYTES * copied
    process = PROCESS_MEMORY
    if passes.on_gpu:
        # What Python and the libraries take lies in main memory; the driver's context takes its place on the GPU.
        process = GPU_CONTEXT
        activations *= FRAGMENTATION
        checkpointed *= FRAGMENTATION
    return MemoryNeeds(
        weights=process + weights,
        activations=activations,
        checkpointed_activations=checkpointed,
    )


def _bytes_of_token(
    method: Method, card: ModelCard, values: Values, passes: Passes, *, keys: float
) -> float:
    """Return what a layer keeps of a token that looks at some others, with what adapters keep beside it."""
    shape = layer_shape(card)
    device = DeviceKind.CUDA if passes.on_gpu else DeviceKind.CPU
    of_layer = family_bytes(card).of_token(shape, passes.kind, device, keys)
    of_adapters = method.kept_beside(
        shape, values, narrow=passes.computes_narrow, on_gpu=passes.on_gpu
    )
    return of_layer + of_adapters


def _bytes_of_logits(card: ModelCard, form: Form, tokens: float) -> float:
    """Return what the scores of all words take, which are computed in float32 whatever the passes run in."""
    scored_tokens = tokens
    if decodes_names_only(card, form):
        scored_tokens = NAME_TOKENS
    scores = scored_tokens * card.vocabulary
    return BYTES * form.logit_copies * scores


def decodes_names_only(card: ModelCard, form: Form) -> bool:
    """Return whether a model has a decoder of its own that says no more than the name of a class."""
    is_encoder_decoder = card.architecture == Architecture.ENCODER_DECODER
    return is_encoder_decoder and form.says_words and not form.is_open_ended


def reading_layers(card: ModelCard, form: Form) -> float:
    """Return the layers that read the whole text: of an encoder-decoder that says names, those of its encoder."""
    if decodes_names_only(card, form):
        return card.layers / 2
    return card.layers


def _passes(method: Method, values: Values, system: SystemProfile, *, has_masters: bool) -> Passes:
    """Return the number formats of a configuration's passes and weights."""
    on_gpu = system.device == DeviceKind.CUDA
    can_bf16 = system.computes_in_bf16
    precision = precision_of_passes(method, values, computes_in_bf16=can_bf16)
    stored_narrow = on_gpu and lies_in_bf16(
        method, values, has_masters=has_masters, computes_in_bf16=can_bf16
    )
    return Passes(
        on_gpu=on_gpu,
        computes_narrow=precision is not Precision.FLOAT32,
        frozen=method.freezes_body,
        stored_narrow=stored_narrow,
        quantized=has_quantized_body(values),
    )


def _weights(
    method: Method, card: ModelCard, values: Values, passes: Passes, *, has_masters: bool
) -> float:
    """Return the bytes of weights, gradients and optimizer state."""
    stored_share = method.stored_share(card, values)
    if passes.frozen and passes.stored_narrow:
        stored_share = min(stored_share, NARROW_SHARE)
    stored = stored_share * card.parameters
    trained = method.trained_share(card, values) * card.parameters
    numbers = stored + OPTIMIZER_COPIES * trained
    if not has_masters:
        # Weights, gradients and moments alike.
        numbers *= NARROW_SHARE
    return BYTES * numbers


def _put_together(method: Method, card: ModelCard, passes: Passes, shape: LayerShape) -> float:
    """Return the bytes of what a device holds whole of a divided model: a layer while it computes, and the next one.

    What belongs to no layer, the embeddings above all, is put together once for each step. Gradients of what is put
    together are whole, too, until they are summed.
    """
    of_layer = _matrices(card, shape)
    outside = max(0.0, card.parameters - card.layers * of_layer)
    numbers = outside + 2 * of_layer
    if method.trains_body:
        numbers += outside + of_layer
    bytes_of_number = NARROW_BYTES if passes.computes_narrow else BYTES
    return bytes_of_number * numbers


def _matrices(card: ModelCard, shape: LayerShape) -> float:
    """Return the weights of a layer's matrices."""
    attention, inner_matrices = family_bytes(card).matrices
    # Layers that share their weights have one copy together.
    if card.shared_layers or not inner_matrices:
        return card.parameters / card.layers
    return attention * shape.width**2 + inner_matrices * shape.width * shape.inner
