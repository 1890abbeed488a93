from __future__ import annotations

import pytest
import torch

from xautolm.finetuning.loss import class_weights, classification_loss

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_cross_entropy_with_weights_and_smoothing_by_hand() -> None:
    labels = torch.tensor([0, 1, 1])
    logs = LOGITS.log_softmax(dim=1)
    plain = classification_loss("single_label_classification", 0.0, None)(
        {"logits": LOGITS}, labels
    )
    assert plain.item() == pytest.approx(-(logs[0, 0] + logs[1, 1] + logs[2, 1]).item() / 3)
    smooth = classification_loss("single_label_classification", 0.1, None)(
        {"logits": LOGITS}, labels
    )
    assert smooth.item() == pytest.approx(0.9 * plain.item() - 0.1 * logs.mean(dim=1).mean().item())
    weighted = classification_loss("single_label_classification", 0.0, torch.tensor([3.0, 1.0]))(
        {"logits": LOGITS}, labels
    )
    assert weighted.item() == pytest.approx(-(3 * logs[0, 0] + logs[1, 1] + logs[2, 1]).item() / 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_in_parts_has_the_same_loss(smoothing: float) -> None:
    labels = torch.tensor([0, 1, 1])
    loss = classification_loss(
        "single_label_classification", smoothing, class_weights(labels, classes=2)
    )
    parts = []
    for row in range(3):
        part = loss({"logits": LOGITS[row : row + 1]}, labels[row : row + 1])
        parts.append(part.item())
    assert loss({"logits": LOGITS}, labels).item() == pytest.approx(sum(parts) / 3)


def test_binary_cross_entropy_for_several_labels_by_hand() -> None:
    labels = torch.tensor([[1.0, 0.0]])
    found = classification_loss("multi_label_classification", 0.0, None)(
        {"logits": LOGITS[:1]}, labels
    )
    expected = -(torch.sigmoid(torch.tensor(2.0)).log() + torch.tensor(0.5).log()) / 2
    assert found.item() == pytest.approx(expected.item())


def test_class_weights_by_hand() -> None:
    assert class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist() == pytest.approx([4 / 6, 2.0])
    indicators = torch.tensor([[1, 1], [1, 0], [0, 0], [1, 0]])
    assert class_weights(indicators, 2).tolist() == pytest.approx([1 / 3, 3.0])
