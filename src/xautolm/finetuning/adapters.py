"""Adapters of peft, merged into the model that they were trained on."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from peft import PeftModel

from xautolm.finetuning.pretrained import read_adapters


def without_adapters(model: Any, again: Callable[[], Any]) -> Any:
    """Return a trained model with its adapters merged into the weights.

    Quantised weights are loaded once more and given their full width first: merging into few bits would round the
    adapters away. What is saved computes what was trained, and needs no bitsandbytes.

    Args:
        model: As trained.
        again: Loads the untrained model in the same way, on the processor.
    """
    if not isinstance(model, PeftModel):
        return model
    if not getattr(model.get_base_model(), "is_quantized", False):
        return model.merge_and_unload()
    with TemporaryDirectory() as adapters:
        model.save_pretrained(adapters, save_embedding_layers=False)
        restored = read_adapters(again().dequantize(), adapters)
        return restored.merge_and_unload()
