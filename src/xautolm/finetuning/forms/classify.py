"""A classifier on top of any model: one score for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, PreTrainedTokenizerBase

from xautolm.finetuning.forms.base import Answering
from xautolm.records import TrialSpec
from xautolm.tasks import Task

BATCH = 32
TOKENISED = 1_000


class Classify:
    """Encoders pool their first token; decoders, and encoder-decoders, their last."""

    name = "classify"
    answers_by_logits = True
    evaluation_share = 0.5  # a forward pass is typically a third

    def auto_class(self, architecture: str) -> Any:
        """For every architecture the same."""
        return AutoModelForSequenceClassification

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """The classes."""
        names = dict(enumerate(spec.labels))
        return {
            "num_labels": len(names),
            "id2label": names,
            "label2id": {name: index for index, name in names.items()},
            "problem_type": task.problem_type,
        }

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """The input's length is all there is."""
        length = int(str(spec.configuration.values["max_length"]))
        return Answering(task=spec.task, form=self.name, max_length=length, labels=spec.labels)

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> dict[str, list[Any]]:
        """`input_ids`, `length` and `labels`."""
        ids: list[list[int]] = []
        for start in range(0, len(table), TOKENISED):
            texts = list(table["text"].iloc[start : start + TOKENISED])
            ids += tokenizer(texts, truncation=True, max_length=settings.max_length)["input_ids"]
        labels = list(task.encode(list(table[task.target]), settings.labels))
        return {"input_ids": ids, "length": [len(row) for row in ids], "labels": labels}

    def collator(self, tokenizer: PreTrainedTokenizerBase, model: Any, multiple: int | None) -> Any:
        """Padding to the longest of a batch."""
        return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> np.ndarray:
        """Logits of shape (rows, classes)."""
        texts = list(table["text"])
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        logits = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            inputs = tokenizer(
                [texts[index] for index in batch],
                truncation=True,
                max_length=settings.max_length,
                padding=True,
                return_tensors="pt",
            )
            inputs.pop("token_type_ids", None)
            with torch.inference_mode():
                logits[batch] = model(**inputs.to(model.device)).logits.float().cpu().numpy()
        return logits


FORM = Classify()
