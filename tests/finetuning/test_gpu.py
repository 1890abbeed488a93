"""What only a GPU can show; skips itself without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conformance.tiny import tiny_model
from tests.finetuning.conftest import Order
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.records import Limits
from xautolm.resources import ResourceModel
from xautolm.search_space import build_space, data_needs
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec
from xautolm.vocabulary import TrialStatus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_mixed_precision_trains(order: Order, folder: Path, precision: str) -> None:
    spec = order("minilm-l6", "lora", epochs=2)
    values = {**spec.configuration.values, "precision": precision}
    spec = replace(spec, device="cuda:0", configuration=replace(spec.configuration, values=values))
    outcome = run(spec, folder)
    assert outcome.status is TrialStatus.COMPLETE and outcome.peak_gpu_memory > 50_000_000


def test_lack_of_gpu_memory_halves_the_batch(order: Order, folder: Path) -> None:
    spec = order(
        "minilm-l6", epochs=1, batch_size=64, max_length=512, limits=Limits(gpu_memory=700_000_000)
    )
    outcome = run(replace(spec, device="cuda:0"), folder)
    assert outcome.succeeded and outcome.peak_gpu_memory <= 700_000_000


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
@pytest.mark.parametrize(
    ("fixed", "checkpointing"),
    [
        ({"precision": "fp32"}, False),
        ({"precision": "bf16"}, False),
        ({"precision": "bf16"}, True),
        ({"precision": "bf16", "quantization": "8bit"}, False),
        ({"precision": "bf16", "quantization": "4bit"}, True),
    ],
)
def test_a_decoder_of_a_hundred_million_weights(
    fixed: dict[str, str], checkpointing: bool, tmp_path: Path
) -> None:
    """Real size, random weights; prints the peak of memory beside what was predicted."""
    task = TASKS.get("text-generation")
    table = support_tickets(200, seed=1).rename(columns={"label": "target"})
    shape = {
        "hidden_size": 1024,
        "num_hidden_layers": 10,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
    }
    card = tiny_model(
        "llama", tmp_path, list(table["text"]), **shape, num_key_value_heads=16, head_dim=64
    )
    assert card.parameters > 100_000_000
    data, system = prepare(table, data_needs(task), columns={}), system_profile("cuda")
    space = build_space("default", task, [card], ["lora"], data.profile, system)
    configuration = space.walk(
        lambda key, one: {"epochs": 2, "batch_size": 16}.get(one.name, one.default)
    )
    configuration = replace(configuration, values={**configuration.values, **fixed})
    spec = trial_spec(tmp_path, task, data, card, configuration)
    outcome = run(replace(spec, device="cuda:0", gradient_checkpointing=checkpointing), tmp_path)
    assert outcome.status is TrialStatus.COMPLETE
    resources = ResourceModel({card.name: card}, data.profile, system, forms=task.forms)
    estimate = resources.predict(configuration)
    predicted = (
        estimate.least_memory
        if checkpointing
        else estimate.memory + 15 * estimate.memory_per_example
    )
    peak = outcome.peak_gpu_memory
    print(
        f"{fixed}, checkpointing {checkpointing}: {peak / 1e9:.2f} GB, {predicted / 1e9:.2f} GB predicted"
    )
