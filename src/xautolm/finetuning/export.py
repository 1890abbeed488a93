"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import to_plain, write_json


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path
) -> None:
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
    """Save what answering needs besides a model: its tokenizer with the trained length, and the settings.

    Args:
        tokenizer: The model's; its length is changed.
        settings: Of answering.
        folder: Exists.
    """
    # In tokens; a plain pipeline cuts texts by it.
    tokenizer.model_max_length = settings.max_length
    tokenizer.save_pretrained(str(folder))
    write_json(folder / ANSWERING, to_plain(settings))
