"""bfloat16 on a processor: emulated where the instructions lack, so slow here, but as good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.finetuning.conftest import Order
from xautolm.finetuning import bf16_speed
from xautolm.finetuning.precision import arithmetic, as_array
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.run import run

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


def test_only_a_processor_is_switched_to_bfloat16() -> None:
    matrix = torch.randn(4, 4)
    for device, is_bf16, expected in (
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
        ("cuda:0", True, torch.float32),
    ):
        with arithmetic(device, is_bf16=is_bf16):
            assert (matrix @ matrix).dtype == expected


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
