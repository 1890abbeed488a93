"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from xautolm.documents import to_plain, write_json
from xautolm.finetuning.forms import Answering
from xautolm.runs import ANSWERING


def export_model(model: Any, tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path) -> None:
    """Save model and tokenizer so that plain transformers loads them; adapters are merged into the weights.

    The tokenizer remembers the trained length as its own, so that longer texts are cut in use as they were in training;
    `xautolm.json` keeps what else answering needs.
    """
    plain = model.merge_and_unload() if isinstance(model, PeftModel) else model
    plain.save_pretrained(str(folder))
    tokenizer.model_max_length = settings.max_length
    tokenizer.save_pretrained(str(folder))
    write_json(folder / ANSWERING, to_plain(settings))
