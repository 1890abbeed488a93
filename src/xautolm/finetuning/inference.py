"""Predictions of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from xautolm.documents import from_plain, read_json
from xautolm.finetuning.forms import FORMS, Answering
from xautolm.run_folder import ANSWERING
from xautolm.tasks import TASKS


def answers(folder: Path, table: pd.DataFrame, device: str) -> Any:
    """What the model in a folder says of rows: logits of shape (rows, classes) of a classifier, else texts.

    Args:
        folder: Where a trial left its model.
        table: The task's inputs, by their names.
        device: Where the model runs.
    """
    logging.disable_progress_bar()
    settings = from_plain(Answering, read_json(folder / ANSWERING))
    form = FORMS.get(settings.form)
    config = AutoConfig.from_pretrained(str(folder))
    architecture = "encoder-decoder" if config.is_encoder_decoder else "decoder"
    model = form.auto_class(architecture).from_pretrained(str(folder), use_safetensors=True).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return form.answers(model, tokenizer, table, TASKS.get(settings.task), settings)
