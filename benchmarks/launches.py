"""How many kernels a training launches, for a layer and besides: what binds small models on a GPU.

    python -m benchmarks.launches

Small models of the real classes train a step on the processor, and the operations that reach a kernel are counted
(`TorchDispatchMode`): each is a launch on a GPU. Their number does not depend on widths; two depths tell what belongs
to a layer. `xautolm.gpu_time` and the methods have the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from peft import LoraConfig, MissConfig, PeftConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModel, PreTrainedModel

WIDTH, HEADS, VOCABULARY = 64, 2, 100
FEW, MORE = 1, 3
"""Layers of the models that are compared."""
TEXTS, TOKENS = 2, 8
SHAPES: Mapping[str, Mapping[str, int]] = {
    "bert": {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": HEADS,
        "vocab_size": VOCABULARY,
        # Kernels of GPUs drop out inside of attention; those of processors fall back on single operations.
        "attention_probs_dropout_prob": 0,
    },
    "modernbert": {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": HEADS,
        "vocab_size": VOCABULARY,
        "pad_token_id": 0,
        "cls_token_id": 1,
        "sep_token_id": 2,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "deberta-v2": {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": HEADS,
        "vocab_size": VOCABULARY,
    },
    "llama": {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "vocab_size": VOCABULARY,
    },
}
TARGETS = ["q_proj", "v_proj"]
ADAPTERS: Mapping[str, PeftConfig | None] = {
    "frozen layers alone": None,
    "LoRA": LoraConfig(r=4, lora_dropout=0.05, target_modules=TARGETS),
    "DoRA": LoraConfig(r=4, lora_dropout=0.05, use_dora=True, target_modules=TARGETS),
    "MiSS": MissConfig(r=4, miss_dropout=0.05, target_modules=TARGETS),
}
VIEWS = frozenset(
    {
        "view",
        "_unsafe_view",
        "reshape",
        "t",
        "transpose",
        "permute",
        "expand",
        "slice",
        "select",
        "unsqueeze",
        "squeeze",
        "detach",
        "alias",
        "as_strided",
        "split",
        "split_with_sizes",
        "chunk",
        "unbind",
        "empty",
        "empty_like",
        "new_empty",
        "empty_strided",
        "new_empty_strided",
        "lift_fresh",
        "_local_scalar_dense",
        "is_nonzero",
        "result_type",
        "sym_size",
    }
)
"""Operations that launch nothing: they look at the same numbers, or only reserve memory."""


class Counter(TorchDispatchMode):
    """Counts operations that reach a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = 0

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):  # type: ignore[no-untyped-def]
        name = operation.overloadpacket.__name__
        self.launches += name not in VIEWS
        return operation(*arguments, **(named or {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """Hold how many kernels parts of a step launch."""

    forward: float
    training: float
    """Forward, backward and the optimizer's step."""


def counted(model: PreTrainedModel) -> Launches:
    """Return the launches of a pass, and of a step in bfloat16 by autocast."""
    texts = torch.ones(TEXTS, TOKENS, dtype=torch.long)
    mask = torch.ones_like(texts)
    # Some padding, as in most batches.
    mask[0, -2:] = 0
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, fused=True)

    def passed() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(input_ids=texts, attention_mask=mask)
        return output.last_hidden_state.float().mean()

    def step() -> None:
        passed().backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    step()  # The optimizer makes its state in the first.
    with Counter() as forward, torch.no_grad():
        passed()
    with Counter() as training:
        step()
    return Launches(forward=forward.launches, training=training.launches)


def frozen(model: PreTrainedModel, adapters: PeftConfig | None) -> PreTrainedModel:
    """Return a model with frozen layers, as a trial on a GPU loads them; gradients go through all of them."""
    narrow = model.to(torch.bfloat16)
    if adapters is not None:
        return get_peft_model(narrow, adapters)
    narrow.requires_grad_(False)
    narrow.get_input_embeddings().requires_grad_(True)
    return narrow


def compared(
    family: str, adapters: PeftConfig | None = None, *, is_frozen: bool = False
) -> tuple[Launches, Launches]:
    """Return the launches of a layer of a family, and of all that is outside of layers."""
    counts = []
    for layers in (FEW, MORE):
        torch.manual_seed(0)
        config = AutoConfig.for_model(family, num_hidden_layers=layers, **SHAPES[family])
        model = AutoModel.from_config(config)
        if is_frozen:
            model = frozen(model, adapters)
        model.train()
        counts.append(counted(model))
    few, more = counts
    between = MORE - FEW
    layer = Launches(
        forward=(more.forward - few.forward) / between,
        training=(more.training - few.training) / between,
    )
    outside = Launches(
        forward=few.forward - FEW * layer.forward,
        training=few.training - FEW * layer.training,
    )
    return layer, outside


def line(title: str, layer: Launches, outside: Launches) -> str:
    """Return a row of the table."""
    of_layer = f"{layer.forward:g} | {layer.training:g}"
    return f"| {title} | {of_layer} | {outside.forward:g} | {outside.training:g} |"


def main() -> None:
    """Print the table."""
    print(
        "| training | layer, forward | layer, whole step | besides, forward | besides, whole step |"
    )
    print("| --- | --- | --- | --- | --- |")
    for family in SHAPES:
        print(line(family, *compared(family)))
    for name, adapters in ADAPTERS.items():
        title = f"llama, {name}, on two matrices" if adapters else f"llama, {name}"
        print(line(title, *compared("llama", adapters, is_frozen=True)))


if __name__ == "__main__":
    main()
