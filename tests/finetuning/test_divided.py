"""Models that are divided over two processes of a processor (gloo), beside the same trainings in one process."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, pipeline

from tests.conformance.tiny import tiny_model
from tests.conftest import patience
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.execution import ForkServerLauncher, LocalExecutor
from xautolm.finetuning.predictor import Predictor
from xautolm.hardware import system_profile
from xautolm.records import Limits, TrialOutcome, TrialSpec
from xautolm.search_space import build_space, data_needs
from xautolm.session import ENTRY, PRELOAD, PRELOAD_LATER
from xautolm.tasks import TASKS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import TrialStatus

pytestmark = pytest.mark.timeout(300)

ROWS = 64
"""Training rows: one batch, so that both trainings take steps on the same rows, whatever order they draw them in."""
MICRO_BATCH = 16
TOLERANCE = 1e-4
"""On weights that two steps have moved by 1e-2 or more: sums over parts of a batch differ in their last digits."""

Divisible = Callable[..., TrialSpec]


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    """Start one server for all tests, which has loaded what trials need."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        made = LocalExecutor(ForkServerLauncher((*PRELOAD, *PRELOAD_LATER), 1), ENTRY)
        yield made
        made.close()


@pytest.fixture
def order(tmp_path: Path) -> Divisible:
    """Make specs of tiny models: `order("bert", "full")`."""

    def make(
        family: str, method: str, task: str = "text-classification", **fixed: object
    ) -> TrialSpec:
        kind = TASKS.get(task)
        table = support_tickets(96, seed=1)
        if task == "text-generation":
            table = pd.DataFrame({"text": table["text"], "target": table["label"]})
        data = prepare(table, data_needs(kind), columns={})
        card = tiny_model(family, tmp_path / family, list(table["text"]))
        machine = system_profile("cpu")
        space = build_space("default", kind, [card], [method], data.profile, machine, None)
        configuration = space.walk(lambda key, parameter: parameter.default)
        values = {
            **configuration.values,
            "epochs": 2,
            "batch_size": ROWS,
            "learning_rate": 5e-3,
            "warmup_ratio": 0.0,
            "dropout": 0.0,
            "lora_dropout": 0.0,
            "head_init": "random",
            "early_stopping": "off",
            **fixed,
        }
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        data.train[:ROWS].to_parquet(folder / "train.parquet")
        data.validation.to_parquet(folder / "validation.parquet")
        return TrialSpec(
            number=0,
            configuration=replace(configuration, values=values),
            task=task,
            labels=data.labels,
            card=card,
            data=str(folder),
            tokens=str(tmp_path / "tokens"),
            metric=kind.metrics[0],
            metrics=kind.metrics,
            limits=Limits(memory=3_000_000_000),
            micro_batch=MICRO_BATCH,
            device="cpu",
            threads=2,
            seed=0,
        )

    return make


def divided(spec: TrialSpec) -> TrialSpec:
    return replace(spec, devices=("cpu", "cpu"))


def run(executor: LocalExecutor, folder: Path, spec: TrialSpec) -> TrialOutcome:
    folder.mkdir()
    executor.start(spec, folder)
    deadline = time.monotonic() + patience(120)
    while time.monotonic() < deadline:
        for _, outcome in executor.finished(1.0):
            printed = (folder / "stderr.log").read_text()
            assert outcome.succeeded, (outcome.failure, printed)
            assert "Warning" not in printed, printed
            return outcome
    raise AssertionError("the trial did not end")


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(TrialFolder(folder).model / "model.safetensors")


def largest_difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    differences = [(first[name].float() - second[name].float()).abs().max() for name in first]
    return float(max(differences))


def trained_alike(
    executor: LocalExecutor,
    folder: Path,
    spec: TrialSpec,
    tolerance: float = TOLERANCE,
    tolerance_of_losses: float = 1e-3,
) -> TrialOutcome:
    """Train in one process and in two, compare what they leave, and return the outcome of the two."""
    alone = run(executor, folder / "alone", spec)
    together = run(executor, folder / "together", divided(spec))
    assert together.metrics == pytest.approx(dict(alone.metrics), abs=1e-6)
    for line, line_alone in zip(together.history, alone.history, strict=True):
        for metric in (*spec.metrics, "train_loss"):
            expected = pytest.approx(line_alone[metric], rel=tolerance_of_losses, abs=1e-3)
            assert line[metric] == expected
    untrained = load_file(Path(spec.card.path) / "model.safetensors")
    trained, trained_together = weights_of(folder / "alone"), weights_of(folder / "together")
    assert largest_difference(trained, trained_together) < tolerance
    # Both have learned something, or the comparison would say nothing.
    has_moved = False
    for name, weights in untrained.items():
        # A classifier's body has its family's name before those of the body alone.
        for trained_name in trained:
            if trained_name.endswith(name):
                has_moved = has_moved or not torch.equal(trained[trained_name], weights)
    assert has_moved
    return together


def test_an_encoder_is_trained_as_in_one_process(
    executor: LocalExecutor, order: Divisible, tmp_path: Path
) -> None:
    spec = order("bert", "full")
    outcome = trained_alike(executor, tmp_path, spec)
    assert "model and batches are divided over 2 devices" in outcome.adjustments
    folder = tmp_path / "together"
    # One process has written, and nothing is left but a plain folder.
    lines = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    epochs = [line["epoch"] for line in lines if "mcc" in line and "partial_rows" not in line]
    assert epochs == [1.0, 2.0]
    assert not (folder / "ranks").exists() and not (folder / "checkpoints").exists()
    classify = pipeline("text-classification", model=str(folder / "model"))
    assert classify("I was charged twice for order 4417.")[0]["label"] in spec.labels
    # Two processes have taken more memory than one.
    assert outcome.peak_memory is not None and outcome.peak_memory > 600_000_000
    rows = pd.read_parquet(Path(spec.data) / "validation.parquet")
    # An odd number: what one process answers twice to have as many as the other must not count twice.
    assert len(rows) % 2 == 1
    own, theirs = (Predictor(tmp_path / name / "model", "cpu") for name in ("alone", "together"))
    assert own.answers(rows) == pytest.approx(theirs.answers(rows), abs=1e-3)


@pytest.mark.slow
def test_adapters_of_a_decoder_that_says_words_are_trained_as_in_one_process(
    executor: LocalExecutor, order: Divisible, tmp_path: Path
) -> None:
    spec = order("llama", "lora", "text-generation")
    trained_alike(executor, tmp_path, spec)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "together" / "model")
    assert not any("lora" in name for name, _ in model.named_parameters())
    rows = pd.read_parquet(Path(spec.data) / "validation.parquet")
    own, theirs = (Predictor(tmp_path / name / "model", "cpu") for name in ("alone", "together"))
    assert own.answers(rows) == theirs.answers(rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "method", "task"),
    [
        ("bert", "lora", "text-classification"),
        ("qwen3", "full", "text-classification"),
        ("llama", "full", "text-generation"),
        ("t5", "full", "text-generation"),
    ],
)
def test_other_architectures_and_methods(
    executor: LocalExecutor, order: Divisible, tmp_path: Path, family: str, method: str, task: str
) -> None:
    fixed: dict[str, object] = {}
    if method == "full":
        # First steps of Adam go as far for a gradient of rounding errors as for any, in either direction.
        fixed = {"optimizer": "sgd", "learning_rate": 0.05}
    spec = order(family, method, task, **fixed)
    if family == "t5":
        # Its loss is the mean over the tokens of a micro-batch, whose rows are others where the batch is divided.
        trained_alike(executor, tmp_path, spec, tolerance=1e-3, tolerance_of_losses=5e-3)
    else:
        trained_alike(executor, tmp_path, spec)


@pytest.mark.slow
def test_a_body_in_bfloat16_is_written_so(
    executor: LocalExecutor, order: Divisible, tmp_path: Path
) -> None:
    # As on GPUs, whose names say so: nothing but the order tells where it runs.
    spec = replace(order("llama", "lora", "text-generation", precision="bf16"), gpu="GPU-a")
    spec = replace(spec, devices=("GPU-a", "GPU-b"), gradient_checkpointing=True)
    assert run(executor, tmp_path / "trial", spec).succeeded
    assert {weights.dtype for weights in weights_of(tmp_path / "trial").values()} == {
        torch.bfloat16
    }


@pytest.mark.slow
def test_both_stop_at_the_same_step_before_the_time_is_up(
    executor: LocalExecutor, order: Divisible, tmp_path: Path
) -> None:
    spec = order("bert", "full", epochs=2000)
    spec = replace(spec, limits=replace(spec.limits, seconds=patience(10)))
    outcome = run(executor, tmp_path / "trial", divided(spec))
    assert outcome.status is TrialStatus.TRUNCATED or any(
        line.startswith("epochs 2e+03 to") for line in outcome.adjustments
    )
