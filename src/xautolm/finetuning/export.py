"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from xautolm.documents import to_plain, write_json
from xautolm.finetuning.forms import Answering
from xautolm.finetuning.pretrained import read_adapters
from xautolm.run_folder import ANSWERING


def export_model(
    model: Any, tokenizer: PreTrainedTokenizerBase, settings: Answering, again: Callable[[], Any], folder: Path
) -> None:
    """Save model and tokenizer so that plain transformers loads them; adapters are merged into the weights.

    The tokenizer remembers the trained length as its own, so that longer texts are cut in use as they were in training;
    `xautolm.json` keeps what else answering needs.

    Args:
        model: As trained.
        tokenizer: Its tokenizer.
        settings: Of answering.
        again: Loads the untrained model in the same way, on the processor.
        folder: Where to; made if it does not exist.
    """
    _merged(model, again).save_pretrained(str(folder))
    tokenizer.model_max_length = settings.max_length
    tokenizer.save_pretrained(str(folder))
    write_json(folder / ANSWERING, to_plain(settings))


def _merged(model: Any, again: Callable[[], Any]) -> Any:
    """A model without adapters.

    Quantised weights are loaded once more and given their full width first: merging into few bits would round the
    adapters away. What is saved computes what was trained, and needs no bitsandbytes.
    """
    if not isinstance(model, PeftModel):
        return model
    if not getattr(model.get_base_model(), "is_quantized", False):
        return model.merge_and_unload()
    with TemporaryDirectory() as adapters:
        model.save_pretrained(adapters, save_embedding_layers=False)
        restored = read_adapters(again().dequantize(), adapters)
        return restored.merge_and_unload()
