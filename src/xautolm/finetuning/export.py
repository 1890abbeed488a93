"""The trained model as a plain Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import read_json, to_plain, write_json

CONFIG = "config.json"
"""Where transformers notes the number format that a model is loaded in."""


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
    save_weights(model, folder)
    save_answering(tokenizer, settings, folder)


def save_weights(model: PreTrainedModel, folder: Path, *, loads_in_float32: bool = False) -> None:
    """Save weights and configuration; each weight takes the number format that it was trained in.

    A body that lay in bfloat16 beside a head in float32 is written so, and loaded as float32, unless somebody asks for
    another format: a head that was closed to the family's own form is not right in the digits of bfloat16.

    Args:
        model: As trained, without adapters.
        folder: Where to; made if it does not exist.
        loads_in_float32: Whether a head in float32 will stand on it that is not part of the model.
    """
    model.save_pretrained(str(folder))
    types = {weight.dtype for weight in model.parameters()}
    is_narrow = types != {torch.float32}
    has_head_in_float32 = loads_in_float32 or torch.float32 in types
    if is_narrow and has_head_in_float32:
        path = folder / CONFIG
        content = read_json(path)
        content["dtype"] = "float32"
        write_json(path, content)


def save_answering(tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path) -> None:
    """Save what answering needs besides a model: its tokenizer with the trained length, and the settings.

    Args:
        tokenizer: The model's, as `read_tokenizer` returns it; its length is changed.
        settings: Of answering.
        folder: Exists.
    """
    # In tokens; a plain pipeline with `truncation=True` cuts texts by it.
    tokenizer.model_max_length = settings.max_length
    # For plain transformers to read texts as they were in training. Not where a chat template writes special tokens as
    # signs in a text: they would be taken for words.
    if tokenizer.chat_template is None:
        # What is written are the arguments that the tokenizer was made with.
        tokenizer.init_kwargs["split_special_tokens"] = True
    tokenizer.save_pretrained(str(folder))
    write_json(folder / ANSWERING, to_plain(settings))
