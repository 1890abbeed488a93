"""Adapters of peft, merged into the model that they were trained on."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory

from peft import PeftModel
from transformers import PreTrainedModel

from xautolm.finetuning.pretrained import read_adapters


def without_adapters(
    model: PreTrainedModel, load_untrained: Callable[[], PreTrainedModel]
) -> PreTrainedModel:
    """Return a trained model with its adapters merged into the weights.

    Quantised weights are loaded once more and given their full width first: merging into few bits would round the
    adapters away. What is saved computes what was trained, and needs no bitsandbytes.

    Args:
        model: As trained.
        load_untrained: Loads the untrained model in the same way, on the processor.
    """
    if not isinstance(model, PeftModel):
        return model
    is_quantized = getattr(model.get_base_model(), "is_quantized", False)
    if not is_quantized:
        return model.merge_and_unload()
    with TemporaryDirectory() as adapters:
        # Embeddings were not trained.
        model.save_pretrained(adapters, save_embedding_layers=False)
        full_width = load_untrained().dequantize()
        restored = read_adapters(full_width, adapters)
        return restored.merge_and_unload()
