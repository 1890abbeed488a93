"""What only a GPU can show; skips itself without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.finetuning.conftest import Order
from xautolm.finetuning.run import run
from xautolm.records import Limits, TrialStatus

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_mixed_precision_trains(order: Order, folder: Path, precision: str) -> None:
    spec = order("minilm-l6", "lora", epochs=2)
    values = {**spec.configuration.values, "precision": precision}
    spec = replace(spec, device="cuda:0", configuration=replace(spec.configuration, values=values))
    outcome = run(spec, folder)
    assert outcome.status is TrialStatus.COMPLETE and outcome.peak_gpu_memory > 50_000_000


def test_lack_of_gpu_memory_halves_the_batch(order: Order, folder: Path) -> None:
    spec = order("minilm-l6", epochs=1, batch_size=64, max_length=512, limits=Limits(gpu_memory=700_000_000))
    outcome = run(replace(spec, device="cuda:0"), folder)
    assert outcome.succeeded and outcome.peak_gpu_memory <= 700_000_000
