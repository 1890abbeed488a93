"""The loss of a classifier, with class weights and label smoothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from peft import PeftModel
from torch.nn import functional

from xautolm.metrics import Targets

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LossFunction = Callable[..., torch.Tensor]
"""Of a model's outputs and targets: the mean over a batch, a single number."""


LARGEST_LABEL_WEIGHT = 20.0
"""Weight of the positive rows of a label at most, so that a rare one does not drown the others."""


def classification_loss(
    problem_type: str, smoothing: float, weights: torch.Tensor | None
) -> LossFunction:
    """Return a loss for transformers' Trainer: the mean over a batch.

    Args:
        problem_type: A member of `Targets`: cross-entropy for classes, binary cross-entropy for each label of
            several, squared error for numbers.
        smoothing: Share of the target that is spread evenly over the classes.
        weights: Weight of each class, shape (classes,); for several labels, of the positive examples of each.
    """

    # The Trainer passes the last argument; it divides by the accumulated batches itself, so it is not looked at.
    def loss(
        outputs: Mapping[str, torch.Tensor], labels: torch.Tensor, num_items_in_batch: object = None
    ) -> torch.Tensor:
        # In float32, also where passes run in fewer bits.
        logits = outputs["logits"].float()
        if problem_type == Targets.NUMBERS:
            # A head for numbers has a single output.
            numbers = logits[:, 0]
            return functional.mse_loss(numbers, labels.float())

        weight = None
        if weights is not None:
            # Only here is it known where the Trainer has put the model.
            weight = weights.to(logits.device)
        if problem_type == Targets.INDICATORS:
            # Of the two classes of each label, half of the share goes to either.
            indicators = labels.float()
            targets = indicators * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)
        losses = functional.cross_entropy(
            logits, labels, weight=weight, label_smoothing=smoothing, reduction="none"
        )
        # Not by the sum of the batch's weights, as torch has it: a batch in several parts must be the same training,
        # and in parts of one row weights would mean nothing. Over the training rows, their mean is 1.
        return losses.mean()

    return loss


def sums_over_batches(model: PreTrainedModel | PeftModel) -> bool:
    """Return whether a model's own loss is the sum over tokens, divided by the tokens of all accumulated batches.

    transformers' models do so by their `loss_function`. Those that call torch's cross-entropy themselves, as nearly all
    encoder-decoders do, take that number, too, and give the mean of the batch that they see.
    """
    body = model.get_base_model() if isinstance(model, PeftModel) else model
    # Decorators of the library hide the function that computes.
    forward = inspect.unwrap(type(body).forward)
    return "loss_function" in forward.__code__.co_names


def class_weights(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Return weights that balance the classes, shape (classes,).

    For class indices: rows / (classes x rows of the class), as scikit-learn's `balanced`. For 0/1 indicators: the
    ratio of negative to positive rows, at most `LARGEST_LABEL_WEIGHT`.

    Args:
        targets: Class indices of shape (rows,), or 0/1 of shape (rows, classes).
        classes: Their number.
    """
    # Classes without rows count as one row: nothing may become infinite.
    if targets.ndim == 2:
        positive = targets.float().sum(dim=0)
        positive = positive.clamp(min=1)
        negative = len(targets) - positive
        ratios = negative / positive
        return ratios.clamp(max=LARGEST_LABEL_WEIGHT)
    counts = torch.bincount(targets, minlength=classes)
    counts = counts.clamp(min=1).float()
    return len(targets) / (classes * counts)
