"""The body that the baselines share: MiniLM, and the mean over its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

MAX_LENGTH = 128
"""Tokens; the longest texts of the sets are cut."""
EMBEDDING_BATCH = 32


class Body:
    """A pretrained encoder with mean pooling.

    Args:
        folder: With configuration, weights and tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return [len(tokens) for tokens in self._tokens(texts)["input_ids"]]

    def pooled(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the mean over the tokens of each text, shape (texts, width), with gradients."""
        inputs = self.tokenizer.pad(self._tokens(texts), return_tensors="pt")
        hidden = self.encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """Return the same without gradients, those of like length computed together."""
        self.encoder.eval()
        order = np.argsort(self.lengths(texts), kind="stable")
        features = np.zeros((len(texts), self.encoder.config.hidden_size), dtype=np.float32)
        for start in range(0, len(texts), EMBEDDING_BATCH):
            rows = order[start : start + EMBEDDING_BATCH]
            with torch.inference_mode():
                features[rows] = self.pooled([texts[row] for row in rows]).numpy()
        return features

    def _tokens(self, texts: Sequence[str]) -> dict[str, Any]:
        return dict(self.tokenizer(list(texts), truncation=True, max_length=MAX_LENGTH))


def head_from(classifier: Any) -> torch.nn.Linear:
    """Return a linear layer that begins with the weights of a logistic regression."""
    weight, bias = linear_weights(classifier)
    classes, width = weight.shape
    head = torch.nn.Linear(width, classes)
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(weight))
        head.bias.copy_(torch.as_tensor(bias))
    return head


def linear_weights(classifier: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of shape (classes, width) and biases of shape (classes,) of a logistic regression.

    With two classes scikit-learn keeps one row, the difference between them.
    """
    weight, bias = classifier.coef_, classifier.intercept_
    if len(weight) > 1:
        return weight, bias
    return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
