"""What each family that says words makes of micro-batches, beside what our training takes it for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from tests.conformance.test_matrix import by_family
from tests.conformance.tiny import FAMILIES, tiny_model
from xautolm.finetuning.loss import sums_over_batches
from xautolm.vocabulary import Architecture

CLASSES = {
    Architecture.DECODER: AutoModelForCausalLM,
    Architecture.ENCODER_DECODER: AutoModelForSeq2SeqLM,
}
SPEAKING = [name for name, card in FAMILIES.items() if card.architecture in CLASSES]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("family", by_family(SPEAKING))
def test_a_loss_that_sums_over_batches_is_known(family: str, tmp_path: Path) -> None:
    card = tiny_model(family, tmp_path, ["some words", "others"])
    model = CLASSES[card.architecture].from_pretrained(tmp_path).eval()
    tokens = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        few = model(input_ids=tokens, labels=tokens, num_items_in_batch=4).loss
        many = model(input_ids=tokens, labels=tokens, num_items_in_batch=8).loss
    sums = float(few) == pytest.approx(2 * float(many))
    assert sums or float(few) == float(many)
    assert sums_over_batches(model) == sums
