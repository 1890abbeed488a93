"""What a frozen body says of each text: computed once for a model, a length and the data, and kept in the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from xautolm.finetuning.forms.base import SEGMENTS, taken_by
from xautolm.finetuning.linear_head import LinearHead
from xautolm.finetuning.mean_pooled import mean_over_tokens
from xautolm.finetuning.tokens import once
from xautolm.vocabulary import Pooling

BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFeatures:
    """Features of the splits, memory-mapped, each of shape (rows, width)."""

    train: np.ndarray
    validation: np.ndarray
    seconds: float
    """What computing them took in this process; 0 where they lay on the disk already."""


def split_features(
    folder: Path, pooling: Pooling, head: LinearHead, tokenizer: PreTrainedTokenizerBase, tokens: DatasetDict
) -> SplitFeatures:
    """Return the features of the training and validation split, computing them if no trial has yet.

    Args:
        folder: Where they are kept; its name must say model, length and data.
        pooling: Which; all come from the same forward pass.
        head: Of the model, opened.
        tokenizer: The model's.
        tokens: The tokenised splits.
    """

    seconds = 0.0

    def compute(path: Path) -> None:
        nonlocal seconds
        started = time.monotonic()
        for split, rows in tokens.items():
            _write_features(path, split, head, tokenizer, rows)
        seconds = time.monotonic() - started

    kept = once(folder, compute)
    splits = {split: np.load(kept / f"{split}-{pooling}.npy", mmap_mode="r") for split in ("train", "validation")}
    return SplitFeatures(**splits, seconds=seconds)


@dataclass(slots=True)
class _Batch:
    """What the hooks saw of the last forward pass."""

    head_input: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Shape (batch, width), or (batch, tokens, width) where the head scores every token."""
    hidden: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """The body's last hidden state, shape (batch, tokens, width)."""

    def poolings(self, mask: torch.Tensor, *, has_mean: bool) -> dict[Pooling, torch.Tensor]:
        """Return features of shape (batch, width) by pooling.

        Args:
            mask: 1 for tokens, 0 for padding, shape (batch, tokens).
            has_mean: Whether the body's hidden states are those of the input's tokens.
        """
        own = self.head_input
        if own.ndim == 3:
            places = torch.arange(mask.shape[1], device=mask.device)
            last = (places * mask).argmax(dim=1)
            own = own[torch.arange(len(own), device=own.device), last]
        if not has_mean:
            return {Pooling.OWN: own}
        return {Pooling.OWN: own, Pooling.MEAN: mean_over_tokens(self.hidden, mask)}


@contextmanager
def _watched(head: LinearHead) -> Iterator[_Batch]:
    """Let hooks note what reaches the head and what leaves the body."""
    batch = _Batch()

    def note_head(module: Any, inputs: Any) -> None:
        batch.head_input = inputs[0].detach().float() - head.offset

    def note_body(module: Any, inputs: Any, output: Any) -> None:
        # A mean over tokens in bfloat16 would lose digits that the passes have.
        batch.hidden = output[0].detach().float()

    hooks = [head.linear.register_forward_pre_hook(note_head), head.model.base_model.register_forward_hook(note_body)]
    try:
        yield batch
    finally:
        for hook in hooks:
            hook.remove()


def own_features(head: LinearHead, tokenizer: PreTrainedTokenizerBase, rows: Dataset) -> np.ndarray:
    """Return what reaches a head, shape (rows, width)."""
    features = np.zeros((len(rows), head.linear.in_features), dtype=np.float32)
    for positions, poolings in _batches(head, tokenizer, rows):
        features[positions] = poolings[Pooling.OWN]
    return features


def _write_features(
    folder: Path, split: str, head: LinearHead, tokenizer: PreTrainedTokenizerBase, rows: Dataset
) -> None:
    """Write every pooling of a split to a file of its own."""
    files: dict[Pooling, np.memmap[Any, Any]] = {}
    for positions, poolings in _batches(head, tokenizer, rows):
        for pooling, features in poolings.items():
            if pooling not in files:
                path = folder / f"{split}-{pooling}.npy"
                shape = (len(rows), features.shape[1])
                # A file, not memory: 1 million rows of width 1,024 take 4 GB.
                files[pooling] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            files[pooling][positions] = features
    for file in files.values():
        file.flush()


def _batches(
    head: LinearHead, tokenizer: PreTrainedTokenizerBase, rows: Dataset
) -> Iterator[tuple[list[int], dict[Pooling, np.ndarray]]]:
    """Run a body over rows, those of like length together; yield their positions and their features by pooling."""
    model = head.model
    model.eval()
    has_mean = not model.config.is_encoder_decoder
    columns = [name for name in ("input_ids", SEGMENTS) if name in rows.column_names]
    order = np.argsort(rows["length"], kind="stable").tolist()
    with _watched(head) as watched:
        for start in range(0, len(order), BATCH):
            positions = order[start : start + BATCH]
            encoded = rows.select(positions).select_columns(columns)[:]
            inputs = taken_by(model, tokenizer.pad(encoded, return_tensors="pt")).to(model.device)
            with torch.inference_mode():
                model(**inputs)
            poolings = watched.poolings(inputs["attention_mask"], has_mean=has_mean)
            yield positions, {name: features.float().cpu().numpy() for name, features in poolings.items()}
