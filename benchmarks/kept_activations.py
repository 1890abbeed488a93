"""What layers keep for the backward pass, in bytes, for each family of the zoo.

    python -m benchmarks.kept_activations [FAMILY...]

A small model of the family's real class, with random weights, runs forward on the processor, and the tensors that
autograd saves are counted (`torch.autograd.graph.saved_tensors_hooks`), each storage once, weights not. What a layer
keeps for a token is a whole number of bytes for each unit of the layer's width, of its inner width, of the keys that
the token looks at, and of these for each head; so a few shapes give all of them. Two sizes of batch leave out what does
not grow with it, as the copies of weights that autocast makes.

Passes in half precision follow the rules of autocast on CUDA, which computes norms and softmax in float32 where that on
processors does not. In the numbers for GPUs, attention of the kind `sdpa` drops nothing out: its kernels there keep no
scores, while those for processors do with dropout.

Written to `src/xautolm/kept_activations.json`, which predictions of memory read.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from xautolm.kept_activations import FILE, FLOAT32, HALF, LAYER_KINDS, NARROW, PRECISIONS, TRAINED
from xautolm.zoo import ZOO

MEMORY_LIMIT = 6 * 2**30
"""Of this program, in bytes: a shape that the code below does not know stays the size of a published model."""
VOCABULARY = 100
WIDTH, INNER, HEADS, TOKENS, LAYERS = 128, 256, 2, 128, 2
BATCHES = (1, 3)
PADDED = 8
"""Tokens of padding, so that attention gets a mask, as it does in most batches."""

SIZES: Mapping[str, tuple[str, ...]] = {
    "width": ("hidden_size", "dim", "n_embd", "d_model", "word_embed_proj_dim", "embedding_size"),
    "inner": (
        "intermediate_size",
        "hidden_dim",
        "n_inner",
        "d_ff",
        "ffn_dim",
        "encoder_ffn_dim",
        "decoder_ffn_dim",
        "shared_intermediate_size",
    ),
    "heads": (
        "num_attention_heads",
        "n_heads",
        "n_head",
        "num_heads",
        "encoder_attention_heads",
        "decoder_attention_heads",
    ),
    "layers": (
        "num_hidden_layers",
        "n_layers",
        "n_layer",
        "num_layers",
        "num_decoder_layers",
        "encoder_layers",
        "decoder_layers",
    ),
}
"""What configurations call the sizes of a model."""
ATTENTION_DROPOUTS = (
    "attention_probs_dropout_prob",
    "attention_dropout",
    "attn_pdrop",
    "dropout_rate",
)
"""What configurations call the dropout of attention; T5 has one number for all."""
WIDENED = frozenset(
    {
        functional.layer_norm,
        functional.softmax,
        functional.log_softmax,
        functional.normalize,
        functional.softplus,
        torch.layer_norm,
        torch.softmax,
        torch.pow,
        torch.rsqrt,
        torch.exp,
        torch.log,
        torch.sum,
        torch.cumsum,
        torch.Tensor.softmax,
        torch.Tensor.pow,
        torch.Tensor.__pow__,
        torch.Tensor.rsqrt,
        torch.Tensor.exp,
        torch.Tensor.log,
        torch.Tensor.sum,
        torch.Tensor.cumsum,
    }
)
"""Functions that autocast on CUDA computes in float32, as far as models call them."""


class CudaAutocast(TorchFunctionMode):
    """Let autocast on a processor compute in float32 what autocast on CUDA does."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, on widened numbers where CUDA would widen them."""
        named = named or {}
        if function not in WIDENED:
            return function(*arguments, **named)
        wide = [_widened(argument) for argument in arguments]
        wide_by_name = {name: _widened(argument) for name, argument in named.items()}
        with torch.autocast("cpu", enabled=False):
            return function(*wide, **wide_by_name)


def _widened(argument: Any) -> Any:
    """Return a tensor of few bits in float32; anything else as it is."""
    if isinstance(argument, torch.Tensor) and argument.is_floating_point():
        return argument.float()
    return argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Describe a small model and the texts that it reads."""

    inner: int = INNER
    heads: int = HEADS
    tokens: int = TOKENS
    drops_attention: bool = True
    """Whether attention has the family's usual dropout."""


def config_of(family: str, shape: Shape, layers: int) -> PretrainedConfig:
    """Return the configuration of a small model of a family."""
    sizes = {"width": WIDTH, "inner": shape.inner, "heads": shape.heads, "layers": layers}
    usual = AutoConfig.for_model(family).to_dict()
    values: dict[str, Any] = {"vocab_size": VOCABULARY}
    for kind, names in SIZES.items():
        for name in names:
            if name in usual:
                values[name] = sizes[kind]
    for name in ("head_dim", "d_kv"):
        if name in usual:
            values[name] = WIDTH // shape.heads
    if "num_key_value_heads" in usual:
        # Most published models have a half to an eighth as many.
        values["num_key_value_heads"] = shape.heads // 2
    for name in ("max_position_embeddings", "n_positions"):
        if name in usual:
            values[name] = 4 * TOKENS
    for name in (
        "pad_token_id",
        "bos_token_id",
        "eos_token_id",
        "cls_token_id",
        "sep_token_id",
        "mask_token_id",
    ):
        if name in usual:
            values[name] = 0
    # Numbers of published models that differ from their classes' defaults in what layers keep.
    if family in ("albert", "bart"):
        for name in ATTENTION_DROPOUTS:
            if name in usual:
                values[name] = 0.1
    if not shape.drops_attention:
        for name in ATTENTION_DROPOUTS:
            if name in usual:
                values[name] = 0.0
    if family == "deberta-v2":
        values |= {
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        }
    elif family == "granitemoehybrid":
        values |= {
            "layer_types": ["attention"] * layers,
            "num_local_experts": 0,
            "num_experts_per_tok": 0,
        }
    elif family == "lfm2":
        values["full_attn_idxs"] = list(range(1, layers, 2))
        values["block_auto_adjust_ff_dim"] = False
    return AutoConfig.for_model(family, **values)


def model_of(family: str, shape: Shape, layers: int, kind: str) -> PreTrainedModel:
    """Return a small model with random weights in the state of a kind of training."""
    config = config_of(family, shape, layers)
    torch.manual_seed(0)
    model = AutoModel.from_config(config).train()
    # Of the first token only: nothing that a layer keeps.
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    precision, state = kind.split()
    is_narrow = precision == NARROW or (precision == HALF and state != TRAINED)
    if is_narrow:
        model = model.bfloat16()
    if state != TRAINED:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding):
                module.register_forward_hook(_with_gradient)
    return model


def _with_gradient(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
    """Let gradients flow to a frozen module's output, as they do from below where adapters are everywhere."""
    return output.requires_grad_()


@contextmanager
def passes(precision: str) -> Iterator[None]:
    """Run passes in a precision."""
    with ExitStack() as stack:
        if precision != PRECISIONS[0]:
            stack.enter_context(CudaAutocast())
            stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
        yield


def kept_bytes(model: torch.nn.Module, batch: int, tokens: int, precision: str) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, weights apart."""
    ids = torch.ones((batch, tokens), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[:, -PADDED:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if model.config.is_encoder_decoder:
        inputs |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
    lasting = [*model.parameters(), *model.buffers(), ids, mask]
    weights = {tensor.untyped_storage().data_ptr() for tensor in lasting}
    sizes: dict[int, int] = {}
    # Held, so that no storage is freed and its address given to another.
    saved: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        # Without its history, which holds the node that saves it: a circle that Python neither sees nor frees.
        bare = tensor.detach()
        saved.append(bare)
        return bare

    with passes(precision), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(**inputs)
    return sum(sizes.values())


def kept_by_layer(family: str, shape: Shape, kind: str) -> float:
    """Return the bytes that a layer keeps for a token."""
    precision, _ = kind.split()
    by_depth = []
    for layers in (LAYERS, 2 * LAYERS):
        model = model_of(family, shape, layers, kind)
        few, many = (kept_bytes(model, batch, shape.tokens, precision) for batch in BATCHES)
        by_depth.append((many - few) / (BATCHES[1] - BATCHES[0]) / shape.tokens)
    # Of an encoder-decoder the mean over both stacks, which cards count together.
    stacks = 2 if model.config.is_encoder_decoder else 1
    return (by_depth[1] - by_depth[0]) / (stacks * LAYERS)


def kept_scores(family: str, kind: str, *, drops_attention: bool) -> tuple[float, float]:
    """Return the bytes that a layer keeps for a token and a key: for each head, and besides."""
    slopes = []
    for heads in (HEADS, 2 * HEADS):
        kept = []
        for tokens in (TOKENS, 2 * TOKENS):
            shape = Shape(heads=heads, tokens=tokens, drops_attention=drops_attention)
            kept.append(kept_by_layer(family, shape, kind))
        slopes.append((kept[1] - kept[0]) / TOKENS)
    by_head = (slopes[1] - slopes[0]) / HEADS
    return by_head, slopes[0] - by_head * HEADS


def matrices_of(family: str) -> list[float]:
    """Return the weights of a layer's attention over its width squared, and the matrices beside its inner width."""
    weights = {}
    for inner in (INNER, 2 * INNER):
        by_depth = []
        for layers in (LAYERS, 2 * LAYERS):
            model = AutoModel.from_config(config_of(family, Shape(inner=inner), layers))
            matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
            by_depth.append(sum(matrix.numel() for matrix in matrices))
        stacks = 2 if model.config.is_encoder_decoder else 1
        weights[inner] = (by_depth[1] - by_depth[0]) / (stacks * LAYERS)
    beside_inner = (weights[2 * INNER] - weights[INNER]) / (INNER * WIDTH)
    of_attention = (weights[INNER] - beside_inner * INNER * WIDTH) / WIDTH**2
    return [round(of_attention, 2), round(beside_inner, 2)]


def family_row(family: str, measured: Sequence[str]) -> dict[str, Any]:
    """Return what layers of a family keep, measured in one precision in the place of each."""
    row: dict[str, Any] = {}
    scores: dict[str, Any] = {"cpu": {}, "cuda": {}}
    in_place_of = dict(zip(PRECISIONS, measured, strict=True))
    for precision in PRECISIONS:
        kind = f"{in_place_of[precision]} {TRAINED}"
        as_usual = kept_scores(family, kind, drops_attention=True)
        scores["cpu"][precision] = [round(number, 1) for number in as_usual]
        config = config_of(family, Shape(), LAYERS)
        attention = AutoModel.from_config(config).config._attn_implementation
        on_gpu = as_usual
        if attention == "sdpa":
            on_gpu = kept_scores(family, kind, drops_attention=False)
        scores["cuda"][precision] = [round(number, 1) for number in on_gpu]
    row["attention"] = attention
    row["matrices"] = matrices_of(family)
    for kind in LAYER_KINDS:
        precision, state = kind.split()
        of_scores = HALF if precision == NARROW else precision
        measured_kind = kind
        if in_place_of[of_scores] != of_scores:
            measured_kind = f"{in_place_of[of_scores]} {state}"
        narrow, wide = (
            kept_by_layer(family, Shape(inner=inner), measured_kind) for inner in (INNER, 2 * INNER)
        )
        by_inner = (wide - narrow) / INNER
        by_head, besides = scores["cpu"][of_scores]
        kept_scores_bytes = (by_head * HEADS + besides) * TOKENS
        by_width = (narrow - by_inner * INNER - kept_scores_bytes) / WIDTH
        row[kind] = [round(by_width, 1), round(by_inner, 1)]
    row["scores"] = scores
    return row


def table_text(table: Mapping[str, Any]) -> str:
    """Return the table as JSON with one line for each family, so that a change shows in what it changes."""
    rows = []
    for family, row in sorted(table["families"].items()):
        rows.append(f"  {json.dumps(family)}: {json.dumps(row)}")
    head = json.dumps({"source": table["source"], "versions": table["versions"]}, indent=1)
    families = ",\n".join(rows)
    return head.removesuffix("\n}") + ',\n "families": {\n' + families + "\n }\n}\n"


def main() -> None:
    """Measure families, all of the zoo where none is named, and write the table."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    families: dict[str, Any] = {}
    named = sys.argv[1:]
    if named:
        families = json.loads(Path(FILE).read_text(encoding="utf-8"))["families"]
    for family in named or sorted({card.family for card in ZOO.things.values()}):
        try:
            families[family] = family_row(family, PRECISIONS)
        except RuntimeError as error:
            # DeBERTa's first version masks with a number that bfloat16 does not have: what it keeps in float32 counts.
            print(f"{family} in half precision: {error}", flush=True)
            families[family] = family_row(family, (FLOAT32, FLOAT32))
        print(family, families[family], flush=True)
    table = {
        "source": "python -m benchmarks.kept_activations",
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
        },
        "families": families,
    }
    Path(FILE).write_text(table_text(table), encoding="utf-8")


if __name__ == "__main__":
    main()
