"""Predictions of a saved model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

BATCH = 32


def predict_logits(folder: Path, texts: Sequence[str], device: str) -> np.ndarray:
    """Logits of shape (texts, classes) from the model in a folder.

    Texts are cut at the length that the model was trained with, which its tokenizer knows, and batched by length so
    that little is padded.
    """
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(str(folder), use_safetensors=True).to(device).eval()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    logits = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        inputs = tokenizer([texts[index] for index in batch], truncation=True, padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            logits[batch] = model(**inputs.to(device)).logits.float().cpu().numpy()
    return logits
