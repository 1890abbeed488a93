"""A saved model, loaded once and asked as often as needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pandas as pd
import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from xautolm.errors import UsageError
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.finetuning.mean_pooled import MeanPooledClassifier, load_mean_pooled
from xautolm.finetuning.memory import release_memory
from xautolm.finetuning.precision import (
    arithmetic,
    gpu_computes_in_bf16,
    heads_in_float32,
    set_up_gpu,
)
from xautolm.finetuning.pretrained import (
    generative_architecture,
    read_config,
    read_tokenizer,
    read_whole,
)
from xautolm.hardware import AUTO, computes_in_bf16
from xautolm.notices import warn_once
from xautolm.records import Answering
from xautolm.run_folder import ANSWERING
from xautolm.serialization import from_plain, read_json
from xautolm.symptoms import is_trouble, lacks_memory
from xautolm.tasks import TASKS, Answers
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import DeviceKind, Pooling, Precision


class Predictor:
    """A model that a trial left in a folder, with its tokenizer and its form.

    Args:
        folder: Where a trial left its model.
        device: Where the model runs: this machine's processor if it has no such device, the fastest for `auto`, or the
            processor where that has no room or does not work.

    Raises:
        UsageError: A device that was named has no room for the model, or does not work.
    """

    def __init__(self, folder: Path, device: str) -> None:
        logging.disable_progress_bar()
        self.folder = folder
        stored_settings = read_json(folder / ANSWERING)
        self.settings = from_plain(Answering, stored_settings)
        self.form = TORCH_FORMS.get(self.settings.form)
        self.task = TASKS.get(self.settings.task)
        self.device = present_device(device)
        # Starting a GPU changes it for the whole process.
        self._matmul_precision = torch.get_float32_matmul_precision()
        self._try_device(device, self._start)
        self.tokenizer = read_tokenizer(folder)
        self.model = self._load(folder)
        if not self._try_device(device, self._move):
            # It may lie in part on the GPU, and main memory may not hold two.
            del self.model
            release_memory()
            # In the number format that suits the processor.
            self.model = self._load(folder)
        # Without dropout.
        self.model.eval()

    def _start(self) -> None:
        """Start CUDA where the model is to run on a GPU."""
        if torch.device(self.device).type != DeviceKind.CUDA:
            return
        set_up_gpu(self.device)
        # A card that is too old for the installed PyTorch holds weights, but launches no kernel.
        torch.ones(1, device=self.device)

    def _move(self) -> None:
        """Move the model to its device."""
        self.model.to(self.device)

    def _try_device(self, asked: str, step: Callable[[], object]) -> bool:
        """Return whether a step succeeds on the device; after a failure, the processor takes its place.

        Args:
            asked: The device as the caller named it: only `auto` leaves the choice.
            step: What is done on it.

        Raises:
            UsageError: The device that was named has no room, or does not work.
        """
        try:
            step()
        except Exception as error:
            if not lacks_memory(error) and not is_trouble(error):
                raise
            torch.set_float32_matmul_precision(self._matmul_precision)
            first_line = str(error).split("\n")[0]
            if asked != AUTO:
                raise UsageError(
                    "The model cannot run on this device.",
                    got=f"{asked}: {first_line}",
                    fix='Use device="auto" or "cpu"; CUDA_VISIBLE_DEVICES= hides all GPUs.',
                ) from error
            warn_once(f"the model runs on the processor, not on {self.device}: {first_line}")
            self.device = DeviceKind.CPU.value
            return False
        return True

    def _computes_in_bf16(self) -> bool:
        """Return whether passes run in bfloat16: as they were validated on a GPU, or where a processor is faster so."""
        kind = torch.device(self.device).type
        if kind == DeviceKind.CUDA:
            was_validated_so = self.settings.precision == Precision.BFLOAT16
            return was_validated_so and gpu_computes_in_bf16(self.device)
        return kind == DeviceKind.CPU and computes_in_bf16()

    def _load(self, folder: Path) -> PreTrainedModel | MeanPooledClassifier:
        # A head on the mean over the tokens is a folder of sentence-transformers, asked in the same way.
        if self.settings.pooling == Pooling.MEAN:
            return load_mean_pooled(folder)
        # Forms that say words have a class for each architecture; to the others it makes no difference.
        config = read_config(folder)
        architecture = generative_architecture(config)
        auto_class = self.form.auto_class(architecture)
        # Heads keep float32; a processor without bfloat16 would emulate it.
        dtype = torch.float32
        is_on_gpu = torch.device(self.device).type == DeviceKind.CUDA
        if is_on_gpu and self._computes_in_bf16() and FORMS.get(self.settings.form).says_words:
            dtype = torch.bfloat16
        return read_whole(auto_class, folder, len(self.tokenizer), dtype)

    def answers(self, table: pd.DataFrame) -> Answers:
        """Return what the model says of rows: logits of shape (rows, classes) of a classifier, numbers, or texts.

        Args:
            table: The task's inputs, by their names.
        """
        is_bf16 = self._computes_in_bf16()
        exact_heads: AbstractContextManager[None] = nullcontext()
        if is_bf16 and self.form.answers_by_logits:
            exact_heads = heads_in_float32(self.model)
        with arithmetic(self.device, is_bf16=is_bf16), exact_heads:
            return self.form.answers(self.model, self.tokenizer, table, self.task, self.settings)


def present_device(device: str) -> str:
    """Return the device, or `cpu` where this machine has none of that kind: runs are carried between machines.

    Args:
        device: As torch calls it, or `auto` for the fastest kind that is here.

    Raises:
        UsageError: It is no name of a device, or there are GPUs, but none of this index.
    """
    if device == AUTO:
        if torch.cuda.is_available():
            return DeviceKind.CUDA.value
        if torch.backends.mps.is_available():
            return DeviceKind.MPS.value
        return DeviceKind.CPU.value
    try:
        torch.device(device)
    except RuntimeError as error:
        raise UsageError(
            "Unknown device.", got=device, fix="Known: auto, cpu, cuda, cuda:<index>, mps."
        ) from error
    kind, _, index = device.partition(":")
    if kind == DeviceKind.CUDA and not torch.cuda.is_available():
        return DeviceKind.CPU.value
    if kind == DeviceKind.CUDA and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(
            "There is no such GPU.",
            got=f"{device}; there are {torch.cuda.device_count()}, counted from 0",
            fix='Use device="auto" or "cpu".',
        )
    if kind == DeviceKind.MPS and not torch.backends.mps.is_available():
        return DeviceKind.CPU.value
    return device
