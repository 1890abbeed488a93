"""The loss of a classifier, with class weights and label smoothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

LossFunction = Callable[..., torch.Tensor]


def classification_loss(problem_type: str, smoothing: float, weights: torch.Tensor | None) -> LossFunction:
    """A loss for transformers' Trainer: the mean over a batch.

    Args:
        problem_type: `single_label_classification` (cross-entropy), `multi_label_classification` (binary
            cross-entropy for each label) or `regression` (squared error).
        smoothing: Share of the target that is spread evenly over the classes.
        weights: Weight of each class, shape (classes,); for several labels, of the positive examples of each.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        if problem_type == "regression":
            return functional.mse_loss(logits[:, 0], labels.float())
        weight = None if weights is None else weights.to(logits.device)
        if problem_type == "multi_label_classification":
            targets = labels.float() * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)
        return functional.cross_entropy(logits, labels, weight=weight, label_smoothing=smoothing)

    return loss


def class_weights(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Weights that balance the classes, shape (classes,).

    For class indices: rows / (classes x rows of the class), as scikit-learn's `balanced`. For 0/1 indicators: the
    ratio of negative to positive rows, at most 20 so that a rare label does not drown the others.
    """
    if targets.ndim == 2:
        positive = targets.float().sum(dim=0).clamp(min=1)
        return ((len(targets) - positive) / positive).clamp(max=20.0)
    counts = torch.bincount(targets, minlength=classes).clamp(min=1)
    return len(targets) / (classes * counts.float())
