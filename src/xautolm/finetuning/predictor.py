"""A saved model, loaded once and asked as often as needed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.mean_pooled import MeanPooledClassifier, load_mean_pooled
from xautolm.finetuning.precision import arithmetic
from xautolm.finetuning.pretrained import (
    generative_architecture,
    read_config,
    read_tokenizer,
    read_weights,
)
from xautolm.hardware import computes_in_bf16
from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import from_plain, read_json
from xautolm.tasks import TASKS, Answers
from xautolm.vocabulary import DeviceKind, Pooling


class Predictor:
    """A model that a trial left in a folder, with its tokenizer and its form.

    Args:
        folder: Where a trial left its model.
        device: Where the model runs; this machine's processor if it has no such device.
    """

    def __init__(self, folder: Path, device: str) -> None:
        logging.disable_progress_bar()
        stored_settings = read_json(folder / ANSWERING)
        self.settings = from_plain(Answering, stored_settings)
        self.form = TORCH_FORMS.get(self.settings.form)
        self.task = TASKS.get(self.settings.task)
        self.device = present_device(device)
        self.model = self._load(folder)
        self.model.to(self.device)
        # Without dropout.
        self.model.eval()
        self.tokenizer = read_tokenizer(folder)

    def _load(self, folder: Path) -> PreTrainedModel | MeanPooledClassifier:
        # A head on the mean over the tokens is a folder of sentence-transformers, asked in the same way.
        if self.settings.pooling == Pooling.MEAN:
            return load_mean_pooled(folder)
        # Forms that say words have a class for each architecture; to the others it makes no difference.
        config = read_config(folder)
        architecture = generative_architecture(config)
        auto_class = self.form.auto_class(architecture)
        return read_weights(auto_class, folder)

    def answers(self, table: pd.DataFrame) -> Answers:
        """Return what the model says of rows: logits of shape (rows, classes) of a classifier, numbers, or texts.

        Args:
            table: The task's inputs, by their names.
        """
        is_bf16 = computes_in_bf16()
        passes = arithmetic(self.device, is_bf16=is_bf16)
        with passes:
            return self.form.answers(self.model, self.tokenizer, table, self.task, self.settings)


def present_device(device: str) -> str:
    """Return the device, or `cpu` where this machine has none of that kind: runs are carried between machines."""
    kind = device.partition(":")[0]
    if kind == DeviceKind.CUDA and not torch.cuda.is_available():
        return DeviceKind.CPU.value
    if kind == DeviceKind.MPS and not torch.backends.mps.is_available():
        return DeviceKind.CPU.value
    return device
