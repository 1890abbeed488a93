"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from xautolm.finetuning.pretrained import read_adapters
from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import to_plain, write_json


def save_model(model: Any, tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path) -> None:
    """Save model and tokenizer so that plain transformers loads them.

    The tokenizer remembers the trained length as its own, so that longer texts are cut in use as they were in training;
    `xautolm.json` keeps what else answering needs.

    Args:
        model: As trained, without adapters.
        tokenizer: Its tokenizer.
        settings: Of answering.
        folder: Where to; made if it does not exist.
    """
    model.save_pretrained(str(folder))
    save_answering(tokenizer, settings, folder)


def save_answering(tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path) -> None:
    """Save what answering needs besides a model: its tokenizer with the trained length, and the settings."""
    tokenizer.model_max_length = settings.max_length
    tokenizer.save_pretrained(str(folder))
    write_json(folder / ANSWERING, to_plain(settings))


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
