"""Texts to tokens: once for each tokenizer and length, shared by all trials of a run on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import Dataset, DatasetDict
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from xautolm.errors import TrialError
from xautolm.records import ModelCard, TrialSpec, digest_of
from xautolm.tasks import Task

BATCH = 1_000


def load_tokenizer(card: ModelCard, data: Path, shared: Path) -> PreTrainedTokenizerBase:
    """The model's tokenizer; for a model from scratch, one built on the training text.

    Raises:
        TrialError: It cannot be loaded (`load_error`).
    """
    if card.origin == "scratch":
        folder = once(shared / f"tokenizer-{card.vocabulary}", lambda path: _build(card, data, path))
        return AutoTokenizer.from_pretrained(str(folder))
    try:
        return AutoTokenizer.from_pretrained(card.path or card.hub_id, trust_remote_code=False)
    except Exception as error:
        raise TrialError("load_error", f"tokenizer of {card.name}: {type(error).__name__}: {error}") from error


def tokenized(spec: TrialSpec, task: Task, tokenizer: PreTrainedTokenizerBase) -> DatasetDict:
    """The splits as `input_ids`, `length` and `labels`, memory-mapped from disk."""
    length = int(str(spec.configuration.values["max_length"]))
    source = spec.card.path or spec.card.hub_id or f"scratch-{spec.card.vocabulary}"
    folder = Path(spec.tokens) / f"tokens-{digest_of([source, length])[:12]}-{length}"

    def make(path: Path) -> None:
        splits = {}
        for split in ("train", "validation"):
            table = pd.read_parquet(Path(spec.data) / f"{split}.parquet")
            ids: list[list[int]] = []
            for start in range(0, len(table), BATCH):
                texts = list(table["text"].iloc[start : start + BATCH])
                ids += tokenizer(texts, truncation=True, max_length=length)["input_ids"]
            labels = task.encode(list(table["label"]), spec.labels)
            splits[split] = Dataset.from_dict(
                {"input_ids": ids, "length": [len(row) for row in ids], "labels": list(labels)}
            )
        DatasetDict(splits).save_to_disk(str(path))

    stored = DatasetDict.load_from_disk(str(once(folder, make)))
    return stored


def once(folder: Path, make: Callable[[Path], Any]) -> Path:
    """A folder that is made only once, whole, even when several trials want it at the same time.

    Each makes its own copy under another name; the first to rename it wins, the others throw theirs away.
    """
    if not folder.exists():
        mine = folder.with_name(f".{folder.name}.{os.getpid()}")
        mine.mkdir(parents=True)
        make(mine)
        try:
            mine.rename(folder)
        except OSError:
            shutil.rmtree(mine)
    return folder


def _build(card: ModelCard, data: Path, folder: Path) -> None:
    """Train a lower-casing WordPiece tokenizer on the training texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=card.vocabulary, special_tokens=list(special.values()), show_progress=False
    )
    tokenizer.train_from_iterator(pd.read_parquet(data / "train.parquet")["text"], trainer)
    start, end = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", start), ("[SEP]", end)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=card.positions, **special)
    fast.save_pretrained(str(folder))
