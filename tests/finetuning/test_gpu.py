"""What only a GPU can show, by the fork server as every trial is run; `make test-gpu`, skipped without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.conformance.tiny import tiny_model
from tests.conftest import patience
from tests.finetuning.conftest import Order
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.execution import ForkServerLauncher, LocalExecutor
from xautolm.finetuning.predictor import Predictor
from xautolm.hardware import gpus, measured_machine, system_profile, trial_places
from xautolm.records import Limits, TrialOutcome, TrialSpec
from xautolm.resources import ResourceModel
from xautolm.search_space import build_space, data_needs
from xautolm.session import ENTRY, PRELOAD, PRELOAD_LATER
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
]
Run = Callable[..., list[TrialOutcome]]


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(ForkServerLauncher(PRELOAD, 2, PRELOAD_LATER), ENTRY)
    yield made
    made.close()


@pytest.fixture
def run(executor: LocalExecutor, tmp_path: Path) -> Run:
    """Run trials at the same time, each on a GPU of its own as far as there are enough."""

    def together(*specs: TrialSpec) -> list[TrialOutcome]:
        places = trial_places("cuda")
        can_bf16 = system_profile("cuda").computes_in_bf16
        folders: dict[int, Path] = {}
        for number, spec in enumerate(specs):
            place = places[number % len(places)]
            folders[number] = tmp_path / f"trial-{number}"
            folders[number].mkdir()
            order = replace(
                spec,
                number=number,
                device=place.device,
                gpu=place.gpu,
                computes_in_bf16=can_bf16,
            )
            executor.start(order, folders[number])
        outcomes: dict[int, TrialOutcome] = {}
        deadline = time.monotonic() + patience(240)
        while len(outcomes) < len(specs) and time.monotonic() < deadline:
            outcomes |= dict(executor.finished(1.0))
        for number, folder in folders.items():
            assert outcomes[number].succeeded, TrialFolder(folder).stderr.read_text()
        return [outcomes[number] for number in sorted(outcomes)]

    return together


@pytest.mark.parametrize("method", ["full", "lora", "probe"])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_trials_run_in_forks_of_the_server(
    order: Order, run: Run, method: str, precision: str
) -> None:
    (outcome,) = run(order("minilm-l6", method, epochs=2, precision=precision))
    assert outcome.status is TrialStatus.COMPLETE
    assert outcome.peak_gpu_memory > 50_000_000


def test_trials_at_once(order: Order, run: Run) -> None:
    specs = [order("minilm-l6", "lora", epochs=2, precision="bf16") for _ in range(3)]
    assert all(outcome.peak_gpu_memory for outcome in run(*specs))


def test_lack_of_gpu_memory_halves_the_batch(order: Order, run: Run) -> None:
    limits = Limits(gpu_memory=700_000_000)
    table = support_tickets(400, seed=1)
    # As long as the model can read: short texts would fit at once.
    table["text"] = table["text"].map(lambda text: " ".join([text] * 60))
    (outcome,) = run(
        order("minilm-l6", epochs=1, batch_size=64, max_length=512, limits=limits, table=table)
    )
    assert outcome.peak_gpu_memory <= 700_000_000
    assert any(line.startswith("per-device batch 64 to 32: ") for line in outcome.adjustments)


def test_a_head_that_is_opened_by_a_layer_of_its_own_is_probed(run: Run, tmp_path: Path) -> None:
    task = TASKS.get("text-classification")
    table = support_tickets(160, seed=1)
    card = tiny_model("distilbert", tmp_path, list(table["text"]))
    data = prepare(table, data_needs(task), columns={})
    system = system_profile("cuda")
    space = build_space("default", task, [card], ["probe"], data.profile, system)
    # The mean over the tokens does not pass through the head.
    configuration = space.walk(
        lambda key, parameter: {"pooling": "own"}.get(parameter.name, parameter.default)
    )
    run(trial_spec(tmp_path, task, data, card, configuration))


def test_the_driver_and_cuda_speak_of_the_same_gpus() -> None:
    command = [sys.executable, "-m", "xautolm.finetuning.cuda_order", str(os.getpid())]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    cards = gpus.visible_cards(gpus.read_driver())
    if any(card.uuid.startswith("MIG-") for card in cards):
        pytest.skip("CUDA sees one slice at a time")
    assert set(json.loads(answer.stdout)) == {card.uuid for card in cards}
    total = torch.cuda.get_device_properties(0).total_memory
    assert any(abs(card.gpu.memory - total) < 0.05 * total for card in cards)


def test_a_model_is_asked_on_the_gpu_as_it_was_validated(
    order: Order, run: Run, tmp_path: Path
) -> None:
    spec = order("minilm-l6", "lora", epochs=2, precision="bf16", rows=400)
    (outcome,) = run(spec)
    predictor = Predictor(tmp_path / "trial-0" / "model", "auto")
    assert predictor.device == "cuda"
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    task = TASKS.get(spec.task)
    predictions = task.predictions(predictor.answers(table))
    targets = task.encode(list(table["label"]), spec.labels)
    accuracy = (predictions == targets).mean()
    assert accuracy == pytest.approx(outcome.metrics["accuracy"], abs=0.05)


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
    fixed: dict[str, str],
    checkpointing: bool,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Real size, random weights; prints peak and seconds beside what was predicted."""
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
    data = prepare(table, data_needs(task), columns={})
    system, _ = measured_machine("cuda")
    space = build_space("default", task, [card], ["lora"], data.profile, system)
    configuration = space.walk(
        lambda key, one: {"epochs": 2, "batch_size": 16}.get(one.name, one.default)
    )
    configuration = replace(configuration, values={**configuration.values, **fixed})
    spec = trial_spec(tmp_path, task, data, card, configuration)
    (outcome,) = run(replace(spec, gradient_checkpointing=checkpointing))
    resources = ResourceModel({card.name: card}, data.profile, system, forms=task.forms)
    estimate = resources.predict(configuration, recomputes=checkpointing)
    predicted = (
        estimate.least_memory
        if checkpointing
        else estimate.memory + 15 * estimate.memory_per_example
    )
    peak = outcome.peak_gpu_memory
    with capsys.disabled():
        print(
            f"\n| {fixed}, checkpointing {checkpointing} | {peak / 1e9:.2f} GB | {predicted / 1e9:.2f} GB predicted "
            f"| {outcome.evaluation_time:.1f} s | {estimate.seconds:.1f} s predicted |"
        )


def test_the_gpu_is_measured_plausibly(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints what the child says of it."""
    system, _ = measured_machine("cuda")
    for gpu in system.gpus:
        speed = gpu.speed
        assert speed is not None
        with capsys.disabled():
            print(f"\n{gpu.name}: {speed}")
        # From a small card to several times the largest: TFLOPS, and bytes a second.
        assert 1e3 < speed.fp32_gflops < speed.fp16_gflops < 1e7
        assert (speed.bf16_gflops > speed.fp32_gflops) == gpu.computes_in_bf16
        assert 1e10 < speed.bandwidth < 1e14
        assert 1e-7 < speed.launch_seconds < 1e-3
