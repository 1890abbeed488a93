"""The number format in which a model computes where nothing is trained, and in which its outputs are looked at."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import torch

from xautolm.vocabulary import DeviceKind


def arithmetic(device: str, *, is_bf16: bool) -> AbstractContextManager[object]:
    """Return the context for passes on a device: bfloat16 where a processor is faster in it, else the model's own.

    Args:
        device: Where the model runs.
        is_bf16: Whether this machine's processor is faster in bfloat16.
    """
    # GPUs compute in the model's own format here: what was measured is this machine's processor.
    kind = torch.device(device).type
    is_used = is_bf16 and kind == DeviceKind.CPU
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_used)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return numbers in float32, whatever device and number format they have; of the same shape."""
    # numpy has no bfloat16, and no gradients.
    plain = tensor.detach().float().cpu()
    array: np.ndarray = plain.numpy()
    return array
