"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase


def export_model(model: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, folder: Path) -> None:
    """Save model and tokenizer so that plain transformers loads them; adapters are merged into the weights.

    The tokenizer remembers `max_length` as its own, so that longer texts are cut in use as they were in training.
    """
    plain = model.merge_and_unload() if isinstance(model, PeftModel) else model
    plain.save_pretrained(str(folder))
    tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(str(folder))
