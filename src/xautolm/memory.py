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
from xautolm.methods import METHODS, Method
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

    computes_narrow: bool
    """Whether passes run in 16 bits."""
    frozen: bool
    stored_narrow: bool
    """Whether the body's weights are stored in bfloat16."""

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
) -> MemoryNeeds:
    """Return what weights and activations of a configuration take.

    Args:
        configuration: The configuration.
        card: Of its model.
        form: That its task is cast in.
        data: What it reads.
        system: The machine that it runs on.
        has_masters: Whether what is trained is stored in float32, as it is wherever that fits.
    """
    values = configuration.values
    method = METHODS.get(configuration.method)
    passes = _passes(method, values, system, has_masters=has_masters)
    shape = layer_shape(card)
    # The longest batch decides, not the usual one.
    max_length = as_float(values["max_length"])
    longest = min(data.tokens_max, max_length)

    device = system.device if system.device == DeviceKind.CUDA else DeviceKind.CPU
    of_token = family_bytes(card).of_token(shape, passes.kind, device, longest)
    of_token += method.kept_beside(
        shape, values, narrow=passes.computes_narrow, on_gpu=device == DeviceKind.CUDA
    )
    layer = longest * of_token
    kept_layers = method.kept_share(card, values) * reading_layers(card, form)
    # Scores are computed in float32 whatever the passes run in.
    scored_tokens = NAME_TOKENS if decodes_names_only(card, form) else longest
    logits = BYTES * form.logit_copies * scored_tokens * card.vocabulary
    # Where no layer has a gradient, one at a time is computed all the same.
    activations = max(kept_layers, 1) * layer + logits
    # With checkpointing, the input of each layer is kept, and one layer at a time is computed again.
    bytes_of_input = NARROW_BYTES if passes.stored_narrow else BYTES
    layer_inputs = card.layers * longest * card.hidden_size * bytes_of_input
    checkpointed = activations
    if family_of(card.family).has_checkpointing:
        checkpointed = min(activations, layer + layer_inputs + logits)

    if device == DeviceKind.CUDA:
        activations *= FRAGMENTATION
        checkpointed *= FRAGMENTATION
    weights = _weights(method, card, values, passes, has_masters=has_masters)
    if passes.computes_narrow and not passes.stored_narrow:
        # Autocast keeps a copy of each matrix that the backward pass goes through.
        weights += NARROW_BYTES * kept_layers * _matrices(card, shape)
    process = PROCESS_MEMORY
    if system.device == DeviceKind.CUDA:
        # What Python and the libraries take lies in main memory; the driver's context takes its place on the GPU.
        process = GPU_CONTEXT
    return MemoryNeeds(
        weights=process + weights,
        activations=activations,
        checkpointed_activations=checkpointed,
    )


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
    if method.trains_by_gradient:
        precision = values.get("precision", Precision.FLOAT32)
        # The preset `paper` has a switch in its place.
        computes_narrow = precision != Precision.FLOAT32 or bool(values.get("use_mixed_precision"))
    else:
        computes_narrow = on_gpu and system.computes_in_bf16
    has_narrow_body = on_gpu and method.freezes_body and system.computes_in_bf16
    return Passes(
        computes_narrow=computes_narrow,
        frozen=method.freezes_body,
        stored_narrow=has_narrow_body or not has_masters,
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


def _matrices(card: ModelCard, shape: LayerShape) -> float:
    """Return the weights of a layer's matrices."""
    attention, inner_matrices = family_bytes(card).matrices
    # Layers that share their weights have one copy together.
    if card.shared_layers or not inner_matrices:
        return card.parameters / card.layers
    return attention * shape.width**2 + inner_matrices * shape.width * shape.inner
