"""The number format in which a model computes where nothing is trained, and in which its outputs are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import nn

from xautolm.records import BF16_CAPABILITY
from xautolm.vocabulary import DeviceKind

WITH_AUTOCAST = frozenset({DeviceKind.CPU, DeviceKind.CUDA})
"""Kinds of devices on which passes are run in bfloat16 at all."""


def arithmetic(device: str, *, is_bf16: bool) -> AbstractContextManager[object]:
    """Return the context for passes on a device: bfloat16 where that is asked for, else the model's own format.

    Args:
        device: Where the model runs.
        is_bf16: Whether what it runs on is faster in bfloat16, or weights of both formats stand in the model.
    """
    kind = torch.device(device).type
    if not is_bf16 or kind not in WITH_AUTOCAST:
        return nullcontext()
    return torch.autocast(kind, dtype=torch.bfloat16)


@contextmanager
def heads_in_float32(model: nn.Module) -> Iterator[None]:
    """Let what looks at a body's last hidden state compute in float32 inside the context, also under autocast.

    A body may say nearly the same of every text: the first three layers of MiniLM do, at the first token. Its probe
    then weighs differences that bfloat16 has no digits for, and gave one of six classes to nearly all rows. Heads that
    were closed around a ReLU or a GELU add a constant that is larger than any feature, with the same effect. Heads
    cost next to nothing.

    Args:
        model: A classifier: of transformers, or on the mean over the tokens.
    """
    body = getattr(model, "base_model", None) or getattr(model, "body", None)
    heads = [module for module in model.children() if module is not body]
    # Some families pool inside the body.
    pooler = getattr(body, "pooler", None)
    if pooler is not None:
        heads.append(pooler)
    for head in heads:
        head.forward = partial(_in_float32, head.forward)
    try:
        yield
    finally:
        for head in heads:
            # The class's own forward is back.
            head.__dict__.pop("forward", None)


def _in_float32(forward: Callable[..., object], hidden: torch.Tensor, **others: object) -> object:
    """Call a head with a body's numbers in float32."""
    with torch.autocast(hidden.device.type, enabled=False):
        return forward(hidden.float(), **others)


def set_up_gpu(device: str) -> None:
    """Let CUDA start on a GPU, and multiply float32 in TF32 where it can: Ampere and later do so 8 times as fast."""
    # `cuda` without an index stays the GPU that CUDA begins with.
    if torch.device(device).index is not None:
        torch.cuda.set_device(device)
    if gpu_computes_in_bf16(device):
        torch.set_float32_matmul_precision("high")


def gpu_computes_in_bf16(device: str) -> bool:
    """Return whether a GPU of NVIDIA multiplies bfloat16, and TF32; torch counts emulation on older ones as well."""
    major, minor = torch.cuda.get_device_capability(device)
    capability = float(f"{major}.{minor}")
    return capability >= BF16_CAPABILITY


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return numbers in float32, whatever device and number format they have; of the same shape."""
    # numpy has no bfloat16, and no gradients.
    plain = tensor.detach().float().cpu()
    array: np.ndarray = plain.numpy()
    return array
