"""LoRA (Hu et al., 2021), its variants rsLoRA, DoRA and MiSS, and QLoRA (Dettmers et al., 2023), by peft."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm.kept_activations import LayerShape
from xautolm.methods.base import BASE, Method, Training, is_from_scratch, layers_share, trainings
from xautolm.records import Form, ModelCard, Values, as_float, as_int
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space
from xautolm.space.presets import MOST_OF_SHARE, Bounds
from xautolm.vocabulary import Preset, Quantization

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

STORED: Mapping[str, float] = {
    Quantization.EIGHT_BITS.value: 0.25,
    Quantization.FOUR_BITS.value: 0.13,
}
"""Size of quantised matrices, constants for scaling included, as a share of float32."""
SCALE = 2.0
"""Factor on what adapters add, at ranks up to `LARGEST_PLAIN_RANK`."""
LARGEST_PLAIN_RANK = 32
"""Rank beyond which the factor falls with the rank's square root."""
BACKWARD_SHARE = 0.67
"""Cost of the backward pass over that of full fine-tuning: all layers pass gradients on, most weights need none."""
ATTENTION_MATRICES, LAYER_MATRICES = 2, 9
"""Adapted matrices of a layer, counted by the adapters of a square one: two projections of attention; or four of them,
and two and a half for each of the two matrices between the width and its fourfold."""
MATRICES_OF_ATTENTION = 4
"""Of queries, keys, values and outputs."""
ATTENTION, ALL_LINEAR = "attention", "all-linear"
"""Where adapters are: on the card's projections of attention, or on every linear layer of the body."""
OWN_INIT, PISSA = "default", "pissa"
"""How adapters begin: as peft makes them, or from the largest singular vectors of the weights."""
PLAIN, RANK_STABILISED, DECOMPOSED, SHARED = "lora", "rslora", "dora", "miss"
"""Variants: LoRA; scaled by the root of the rank; with weights taken apart into magnitude and direction; and MiSS, one
thin matrix that all shards of a layer's inputs share (Kang and Yin 2024, arXiv 2409.15371)."""
SHARED_SHARE = 0.5
"""Adapter weights of MiSS over those of LoRA at the same rank: of two thin matrices it has that of the outputs only."""
KEPT_NUMBERS = {DECOMPOSED: (1, 2), SHARED: (0, 0)}
"""Numbers that an adapter of a variant keeps for a unit of its layer's input, and of its output; those of LoRA are its
input (measured as `benchmarks.kept_activations` measures layers, peft 0.21)."""
LAUNCHES = {DECOMPOSED: 28, SHARED: 9}
"""Kernels that an adapter of a variant launches forward, and as many backward; LoRA's 11 (`benchmarks.launches`)."""
USUAL_LAUNCHES = 11
IDENTITY_BYTES, PRODUCT_BYTES = 12, 14
"""What DoRA moves in a forward pass under autocast, for a number of a square matrix as wide as the input, and for a
weight (peft 0.21): an identity is written in float32, read, and written and read in 16 bits, to go through the adapter;
what comes out is written, scaled, added to the weights, and squared for the norm."""
MASK_BYTES, GPU_MASK_BYTES = 4, 1
"""What dropout keeps for a number of an adapter's input, on a processor and on a GPU."""
MISS_BIAS = {"lora_only": "MiSS_only"}
"""What peft calls the choices of trained biases for MiSS, where the names are not LoRA's."""

USUAL = Training(
    rates=(1e-4, 2e-3, 7e-4),
    epochs=Int(name="epochs", low=2, high=8, default=4),
    shrink=0.6,
    # Fitted to Llama and Qwen: 4.9e-4 for Llama 3.2 with a billion weights, 5.3e-4 for Qwen 2.5 with half of one.
    fitted_rate=5e-4,
)
FROM_PROBE = Training(
    rates=(1e-4, 2e-3, 7e-4), epochs=Int(name="epochs", low=2, high=8, default=4), shrink=0.6
)
FROM_RANDOM = Training(
    rates=(5e-4, 3e-3, 1e-3), epochs=Int(name="epochs", low=3, high=8, default=5), shrink=0.6
)

ALPHA = Choice(name="lora_alpha", options=(8, 16, 32, 64), default=16)
BIAS = Choice(name="lora_bias", options=("none", "all", "lora_only"), default="none", closed=True)
INITS = (OWN_INIT, "gaussian", PISSA)


class Lora(Method):
    """Low-rank adapters on linear layers, and the head; merged into the weights when saved.

    The frozen weights of a large model can be stored with 8 or 4 bits (QLoRA) where the machine allows.
    """

    name = "lora.v1"
    title = "LoRA"
    freezes_body = True

    def problem(self, card: ModelCard, form: Form) -> str:
        """Return that the body does not know anything yet."""
        if is_from_scratch(card):
            return "a model trained from scratch has nothing worth adapting"
        return ""

    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return rank, bias, dropout, targets and how the frozen weights are stored.

        On request also scaling, variant and start.
        """
        if preset == Preset.PAPER:
            return _paper_parameters(card, bounds)
        targets = (ATTENTION, ALL_LINEAR) if card.lora_targets else (ALL_LINEAR,)
        # A small model leaves room enough, and fewer bits only cost it time and quality.
        is_worth_fewer_bits = card.quantizable and card.parameters >= BASE
        quantizations = bounds.quantizations if is_worth_fewer_bits else ()
        init = Choice(
            name="lora_init",
            options=INITS,
            default=OWN_INIT,
            closed=True,
            on_request=True,
        )
        return (
            Int(name="lora_r", low=2, high=64, default=8, log=True),
            # What follows the rank by itself, and variants that cost time before the first step or in each, are only
            # searched for those who ask.
            replace(ALPHA, on_request=True),
            _variant(card),
            BIAS,
            Float(name="lora_dropout", low=0.0, high=0.3, default=0.05, highest=MOST_OF_SHARE),
            Choice(
                name="lora_targets",
                options=targets,
                default=ALL_LINEAR,
                closed=True,
                # Means all linear layers to a model whose projections are not known.
                further=(ATTENTION,),
            ),
            _start_and_storage(init, quantizations),
            *trainings(card, bounds, usual=USUAL, from_probe=FROM_PROBE, from_random=FROM_RANDOM),
        )

    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return the share of the adapters: two thin matrices beside each adapted one."""
        matrices_of_layer = LAYER_MATRICES
        # The preset `paper` has no such choice: its adapters are on attention.
        if values.get("lora_targets", ATTENTION) == ATTENTION:
            matrices_of_layer = ATTENTION_MATRICES
        rank = as_int(values["lora_r"])
        weights_of_adapter: float = 2 * card.hidden_size * rank
        if values.get("lora_variant") == SHARED:
            weights_of_adapter *= SHARED_SHARE
        return card.layers * matrices_of_layer * weights_of_adapter / card.parameters

    def stored_share(self, card: ModelCard, values: Values) -> float:
        """Return 1, or less where the layers' matrices are quantised; embeddings stay as they are."""
        quantization = str(values.get("quantization"))
        size_of_matrix = STORED.get(quantization, 1.0)
        # Layers that share their weights, as ALBERT's, are counted as if each had its own.
        in_layers = min(1.0, layers_share(card, card.layers))
        saved = in_layers * (1 - size_of_matrix)
        return 1 - saved

    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return about two thirds."""
        return BACKWARD_SHARE

    def kept_share(self, card: ModelCard, values: Values) -> float:
        """Return 1: adapters lie on every layer."""
        return 1.0

    def kept_beside(
        self, shape: LayerShape, values: Values, *, narrow: bool, on_gpu: bool
    ) -> float:
        """Return the bytes of the adapters' inputs, of dropout, and of what DoRA keeps of outputs."""
        inputs, outputs = _adapted_widths(shape, values)
        variant = str(values.get("lora_variant"))
        of_input, of_output = KEPT_NUMBERS.get(variant, (1, 0))
        numbers = of_input * inputs + of_output * outputs
        bytes_of_number = 2 if narrow else 4
        bytes_of_token = bytes_of_number * numbers
        dropout = as_float(values.get("lora_dropout", 0.0))
        if dropout > 0:
            mask_bytes = GPU_MASK_BYTES if on_gpu else MASK_BYTES
            bytes_of_token += mask_bytes * inputs
        return bytes_of_token

    def launches_beside(self, shape: LayerShape, values: Values) -> float:
        """Return the kernels of the adapters."""
        of_adapter = LAUNCHES.get(str(values.get("lora_variant")), USUAL_LAUNCHES)
        return _adapted_matrices(shape, values) * of_adapter

    def bytes_beside(self, shape: LayerShape, values: Values) -> float:
        """Return what DoRA moves to compute the norms of the adapted weights."""
        if values.get("lora_variant") != DECOMPOSED:
            return 0.0
        square = shape.width**2
        if values.get("lora_targets", ATTENTION) == ATTENTION:
            return ATTENTION_MATRICES * (IDENTITY_BYTES + PRODUCT_BYTES) * square
        to_inner = shape.inner_matrices - 1
        squares_of_inputs = (MATRICES_OF_ATTENTION + to_inner) * square + shape.inner**2
        weights = MATRICES_OF_ATTENTION * square + shape.inner_matrices * shape.width * shape.inner
        return IDENTITY_BYTES * squares_of_inputs + PRODUCT_BYTES * weights

    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return a peft model; its head and pooler are trained in full.

        MiSS has neither alpha nor a start from the weights; the space refuses `lora_alpha` and `lora_init` beside it.
        """
        from peft import LoraConfig, MissConfig, get_peft_model

        head = _head_modules(model)
        is_everywhere = values.get("lora_targets") == ALL_LINEAR or not card.lora_targets
        targets = ALL_LINEAR if is_everywhere else list(card.lora_targets)
        # The head is trained in full, so it gets no adapters.
        excluded = rf"(.*\.)?({'|'.join(head)})(\..*)?" if head else None
        if values.get("lora_variant") == SHARED:
            bias = str(values["lora_bias"])
            layers_of_head = _layers_inside(model, head)
            shared = MissConfig(
                task_type=_task_type(model),
                r=values["lora_r"],
                miss_dropout=values["lora_dropout"],
                bias=MISS_BIAS.get(bias, bias),
                target_modules=targets,
                exclude_modules=excluded,
                modules_to_save=layers_of_head or None,
            )
            return get_peft_model(model, shared)
        init = values.get("lora_init", OWN_INIT)
        alpha, is_rank_stabilised = scaling_of(values)
        config = LoraConfig(
            task_type=_task_type(model),
            r=values["lora_r"],
            lora_alpha=alpha,
            lora_dropout=values["lora_dropout"],
            bias=values["lora_bias"],
            target_modules=targets,
            exclude_modules=excluded,
            modules_to_save=head or None,
            init_lora_weights=True if init == OWN_INIT else init,
            use_rslora=is_rank_stabilised,
            use_dora=values.get("lora_variant") == DECOMPOSED,
        )
        return get_peft_model(model, config)


def _adapted_widths(shape: LayerShape, values: Values) -> tuple[float, float]:
    """Return the inputs and the outputs of a layer's adapted matrices, together."""
    if values.get("lora_targets", ATTENTION) == ATTENTION:
        width = ATTENTION_MATRICES * shape.width
        return width, width
    # Those of attention, those to the inner width (two where one is a gate), and the one back.
    to_inner = shape.inner_matrices - 1
    inputs = (MATRICES_OF_ATTENTION + to_inner) * shape.width + shape.inner
    outputs = 5 * shape.width + to_inner * shape.inner
    return inputs, outputs


def _adapted_matrices(shape: LayerShape, values: Values) -> float:
    """Return how many matrices of a layer have adapters."""
    if values.get("lora_targets", ATTENTION) == ATTENTION:
        return ATTENTION_MATRICES
    return MATRICES_OF_ATTENTION + shape.inner_matrices


def _variant(card: ModelCard) -> Choice:
    """Return the choice between the variants of LoRA that a model can have."""
    variants: tuple[str, ...] = (PLAIN, RANK_STABILISED, DECOMPOSED)
    # peft has MiSS for `Linear` only; matrices that lie transposed are of another class.
    if card.quantizable:
        variants = (*variants, SHARED)
    return Choice(
        name="lora_variant",
        options=variants,
        default=PLAIN,
        closed=True,
        on_request=True,
        ignores={SHARED: ("lora_alpha", "lora_init")},
    )


def _paper_parameters(card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
    """Return the sets of the paper, which stores weights with fewer bits in its space for generation only."""
    quantizations = bounds.quantizations if card.quantizable and bounds.form.is_open_ended else ()
    # The paper also has `loftq`, which initialises from quantised weights and does not run without them.
    init = Choice(
        name="lora_init",
        options=("gaussian", PISSA),
        default="gaussian",
        closed=True,
        further=INITS,
    )
    return (
        Int(name="lora_r", low=1, high=32, default=8),
        ALPHA,
        BIAS,
        Choice(
            name="lora_dropout",
            options=(0.0, 0.1, 0.2, 0.3),
            default=0.1,
            highest=MOST_OF_SHARE,
        ),
        _start_and_storage(init, quantizations),
    )


def scaling_of(values: Values) -> tuple[float, bool]:
    """Return alpha, and whether it is divided by the rank's square root (rsLoRA) instead of the rank.

    Where nobody says otherwise, updates are scaled by 2 up to rank 32 (alpha of twice the rank: Biderman et al. 2024,
    arXiv 2405.09673), and beyond fall with the root of the rank, as rsLoRA's, so that large ranks train as stably
    (Kalajdzievski 2023, arXiv 2312.03732).
    """
    rank = as_int(values["lora_r"])
    variant = values.get("lora_variant")
    if "lora_alpha" in values:
        # A stored configuration, or a person's own range: alpha was chosen by itself.
        return as_float(values["lora_alpha"]), variant == RANK_STABILISED
    falls_with_rank = variant is None and rank > LARGEST_PLAIN_RANK
    if variant == RANK_STABILISED or falls_with_rank:
        # Continuous with the plain factor at the largest plain rank.
        return SCALE * math.sqrt(LARGEST_PLAIN_RANK), True
    return SCALE * rank, False


def _start_and_storage(init: Choice, quantizations: tuple[str, ...]) -> Parameter:
    """Return how adapters begin, below how the frozen weights are stored if there is a choice of that.

    PiSSA takes the weights apart, which quantised ones do not allow.
    """
    if len(quantizations) < 2:
        return init
    applicable = tuple(name for name in init.options if name != PISSA)
    further = tuple(name for name in init.further if name != PISSA)
    for_quantized = replace(init, options=applicable, further=further)
    branches: dict[str, Space] = {}
    for name in quantizations:
        start = for_quantized
        if name == Quantization.NONE:
            start = init
        branches[name] = Space(name, (start,))
    default = Quantization.NONE.value
    return Branch(name="quantization", branches=branches, default=default)


def _task_type(model: PreTrainedModel) -> str:
    """Return what peft calls the kind of model."""
    kinds = {
        "ForSequenceClassification": "SEQ_CLS",
        "ForQuestionAnswering": "QUESTION_ANS",
        "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    }
    model_class = type(model).__name__
    for ending, kind in kinds.items():
        if model_class.endswith(ending):
            return kind
    return "CAUSAL_LM"


def _head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules outside the body, and of its pooler.

    None where the head only says words, which LoRA leaves as they are.
    """
    if model.get_output_embeddings() is not None:
        return []
    body = model.base_model
    names: list[str] = []
    for name, child in model.named_children():
        if child is not body and _has_weights(child):
            names.append(name)
    for name, child in body.named_children():
        # A head that starts from a probe has a pooler without weights.
        if name == "pooler" and _has_weights(child):
            names.append(name)
    return names


def _layers_inside(model: PreTrainedModel, modules: list[str]) -> list[str]:
    """Return the full names of the single layers of some modules.

    peft 0.21 trains copies of whole modules beside any adapters, but puts those of several layers back for LoRA's only.
    """
    names: list[str] = []
    for name, module in model.named_modules():
        is_inside = not set(modules).isdisjoint(name.split("."))
        is_single = next(module.children(), None) is None
        if is_inside and is_single and _has_weights(module):
            names.append(name)
    return names


def _has_weights(module: torch.nn.Module) -> bool:
    first = next(module.parameters(), None)
    return first is not None


METHOD = Lora()
