"""Number formats: bfloat16 on a processor, emulated where the instructions lack; weights that stay frozen; TF32."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, Trainer

from tests.finetuning.conftest import Order
from xautolm.finetuning import bf16_speed
from xautolm.finetuning.precision import arithmetic, as_array
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.run import _set_up_gpu, run
from xautolm.finetuning.training import make_trainer
from xautolm.metrics import scores
from xautolm.records import Limits
from xautolm.tasks import TASKS
from xautolm.testing import FakeGpu, faked_cuda

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.mark.parametrize(
    ("device", "is_bf16", "kind"),
    [("cpu", True, "cpu"), ("cuda:0", True, "cuda"), ("mps", True, ""), ("cpu", False, "")],
)
def test_passes_are_switched_to_bfloat16_where_that_is_asked_for(
    device: str, is_bf16: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    switched: list[tuple[str, torch.dtype]] = []

    def autocast(kind: str, dtype: torch.dtype) -> contextlib.nullcontext[None]:
        switched.append((kind, dtype))
        return contextlib.nullcontext()

    monkeypatch.setattr("torch.autocast", autocast)
    with arithmetic(device, is_bf16=is_bf16):
        assert switched == ([(kind, torch.bfloat16)] if kind else [])


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "highest"), ((8, 0), "high"), ((12, 1), "high")]
)
def test_a_trial_starts_cuda_on_its_gpu_with_tf32_where_there_is_one(
    order: Order, capability: tuple[int, int], precision: str
) -> None:
    gpu = FakeGpu(uuid="GPU-own", memory=80 * 10**9, capability=capability)
    spec = replace(order(), device="cuda:0", limits=Limits(gpu_memory=20 * 10**9))
    try:
        with faked_cuda(gpu) as cuda:
            _set_up_gpu(spec)
        assert cuda.started_with == [gpu] and cuda.memory_share == 0.25
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("model", "head"),
    [
        ("minilm-l2", "2_Dense/model.safetensors linear.weight"),
        # Its head is opened for the training, and closed again in the family's own form.
        pytest.param("minilm-l6", "model.safetensors classifier.weight", marks=pytest.mark.slow),
    ],
)
def test_frozen_weights_lie_in_bfloat16_and_what_is_trained_in_float32(
    order: Order, folder: Path, model: str, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[Trainer] = []
    frozen: dict[str, torch.dtype] = {}
    trained: dict[str, torch.dtype] = {}

    def noted(*arguments: object) -> Trainer:
        trainers.append(make_trainer(*arguments))
        # Now: when the trial has ended, adapters are merged.
        for name, weight in trainers[-1].model.named_parameters():
            (trained if weight.requires_grad else frozen)[name] = weight.dtype
        return trainers[-1]

    monkeypatch.setattr("xautolm.finetuning.gradient.make_trainer", noted)
    fixed = {"precision": "bf16", "lora_bias": "all"}
    spec = order(model, "lora", rows=40, epochs=1, **fixed)
    # As a trial on a GPU loads them; that the processor does the computing makes no difference to it.
    spec = replace(spec, gpu="GPU-none")
    outcome = run(spec, folder)
    assert outcome.succeeded
    (trainer,) = trainers
    assert set(trained.values()) == {torch.float32}
    assert any("lora_A" in name for name in trained) and any(".bias" in name for name in trained)
    assert {frozen[name] for name in frozen if "base_layer.weight" in name} == {torch.bfloat16}
    assert trainer.state.total_flos == 0, "operations are counted, for a number that nobody reads"

    # The body is saved in the digits that it has, and loads in float32 for its head's sake.
    weights = load_file(folder / "model" / "model.safetensors")
    matrices = {tensor.dtype for name, tensor in weights.items() if "query.weight" in name}
    assert matrices == {torch.bfloat16}
    file, _, name = head.partition(" ")
    assert load_file(folder / "model" / file)[name].dtype == torch.float32
    plain = AutoModel.from_pretrained(folder / "model")
    assert {weight.dtype for weight in plain.parameters()} == {torch.float32}
    predictor = Predictor(folder / "model", "cpu")
    assert predictor.settings.precision == "bf16"
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    task = TASKS.get(spec.task)
    again = scores(
        spec.metrics,
        task.encode(list(table["label"]), spec.labels),
        task.predictions(predictor.answers(table)),
    )
    assert again["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=0.1)


def test_a_body_whose_masters_do_not_fit_is_trained_and_saved_in_bfloat16(
    order: Order, folder: Path
) -> None:
    spec = order("minilm-l2", "full", rows=40, epochs=1, precision="bf16")
    outcome = run(replace(spec, gpu="GPU-none", lacks_masters=True), folder)
    assert outcome.succeeded
    assert any("float32 masters would not fit" in line for line in outcome.adjustments)
    trained = load_file(folder / "model" / "model.safetensors")
    untrained = load_file(Path(spec.card.path) / "model.safetensors")
    (name,) = [name for name in trained if name.endswith("layer.0.output.dense.weight")]
    assert trained[name].dtype == torch.bfloat16
    (before,) = [untrained[key] for key in untrained if key.endswith(name)]
    assert not torch.equal(trained[name], before.to(torch.bfloat16)), "no step left a trace"


def test_numbers_in_bfloat16_and_with_gradients_become_an_array() -> None:
    weights = torch.tensor([[0.5, -2.0]], dtype=torch.bfloat16, requires_grad=True)
    array = as_array(weights)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[0.5, -2.0]])


def test_a_probe_in_bfloat16_has_nearly_the_same_features_and_score(
    order: Order, tmp_path: Path
) -> None:
    spec = order("minilm-l2", "probe", rows=200, pooling="mean")
    scores, features = [], []
    for name, is_bf16 in (("fp32", False), ("bf16", True)):
        (tmp_path / name).mkdir()
        outcome = run(
            replace(spec, computes_in_bf16=is_bf16, tokens=str(tmp_path / f"{name}-tokens")),
            tmp_path / name,
        )
        scores.append(outcome.metrics["f1_macro"])
        (kept,) = (tmp_path / f"{name}-tokens").glob("features-*/validation-mean-last.npy")
        features.append(np.load(kept))
    assert scores[1] == pytest.approx(scores[0], abs=0.1)
    difference = np.abs(features[1] - features[0]).max() / np.abs(features[0]).max()
    assert 0 < difference < 0.05


@pytest.mark.slow  # bfloat16 is emulated where the processor lacks it
def test_a_training_in_bfloat16_scores_as_one_in_float32(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = []
    for precision in ("fp32", "bf16"):
        folder = tmp_path / precision
        folder.mkdir()
        spec = order(
            "minilm-l6", "full", rows=120, epochs=1, precision=precision, head_init="probe"
        )
        assert spec.configuration.values["precision"] == precision
        spec = replace(
            spec, computes_in_bf16=precision == "bf16", tokens=str(tmp_path / f"{precision}-tokens")
        )
        outcome = run(spec, folder)
        assert outcome.succeeded
        scores.append(outcome.metrics["f1_macro"])
    assert scores[0] > 0.5 and scores[1] == pytest.approx(scores[0], abs=0.1)
    # What was trained is kept in float32, and answers in either format nearly alike.
    predictor = Predictor(folder / "model", "cpu")
    assert {weights.dtype for weights in predictor.model.parameters()} == {torch.float32}
    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    plain = predictor.answers(table)
    monkeypatch.setattr("xautolm.finetuning.predictor.computes_in_bf16", lambda: True)
    half = predictor.answers(table)
    assert half.dtype == np.float32 and not np.array_equal(plain, half)
    assert np.abs(plain - half).max() < 0.05 * np.abs(plain).max()


def test_the_ratio_is_slow_over_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    now = [0.0]
    monkeypatch.setattr("xautolm.finetuning.bf16_speed.time.perf_counter", lambda: now[0])

    def slow() -> None:
        now[0] += 0.03 + 0.01 * (next(ticks) % 2)

    def fast() -> None:
        now[0] += 0.02

    assert bf16_speed.ratio(slow, fast) == pytest.approx(1.5)
