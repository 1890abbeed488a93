"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase


def export_model(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save model and tokenizer so that plain transformers loads them; adapters are merged into the weights."""
    plain = model.merge_and_unload() if isinstance(model, PeftModel) else model
    plain.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
