"""Adapters of a large model: left by each trial, asked as they are, and merged once for the winner."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.conformance.tiny import tiny_model
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.finetuning import adapters, merging
from xautolm.finetuning.predictor import Predictor
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.run_folder import RunFolder, holds_adapters
from xautolm.search_space import build_space, data_needs
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
TASK = TASKS.get("text-generation")


@pytest.fixture(params=["none", pytest.param("4bit", marks=pytest.mark.slow)])
def trained(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrialSpec, TrialOutcome, RunFolder]:
    """A trial of LoRA on a decoder that counts as large, as on a GPU, in the folder of a run."""
    monkeypatch.setattr(adapters, "LEAST_PARAMETERS", 1)
    table = support_tickets(60, seed=1).rename(columns={"label": "target"})
    card = tiny_model("llama", tmp_path / "base", list(table["text"]))
    data = prepare(table, data_needs(TASK), columns={})
    space = build_space("default", TASK, [card], ["lora"], data.profile, system_profile("cpu"))
    fixed = {"epochs": 1, "precision": "bf16", "learning_rate": 1e-2}
    configuration = space.walk(lambda key, parameter: fixed.get(parameter.name, parameter.default))
    values = {**configuration.values, "quantization": request.param}
    configuration = replace(configuration, values=values)
    folder = RunFolder(tmp_path / "run")
    folder.data.mkdir(parents=True)
    folder.trial(0).mkdir(parents=True)
    spec = replace(trial_spec(folder.data, TASK, data, card, configuration), gpu="GPU-none")
    return spec, run(spec, folder.trial(0)), folder


def test_a_large_model_leaves_adapters_which_are_merged_once(
    trained: tuple[TrialSpec, TrialOutcome, RunFolder],
) -> None:
    spec, outcome, folder = trained
    model = folder.model(0)
    assert outcome.succeeded and holds_adapters(model)
    whole = sum(path.stat().st_size for path in Path(spec.card.path).glob("*.safetensors"))
    left = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    assert left < whole / 2, "the folder holds more than adapters"

    table = pd.read_parquet(Path(spec.data) / "validation.parquet")
    before = Predictor(model, "cpu").answers(table)
    assert merging.run(spec, folder.root).succeeded
    assert not holds_adapters(model)
    weights = load_file(model / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert not any("lora" in name for name in weights)
    untrained = load_file(Path(spec.card.path) / "model.safetensors")
    moved = [
        name
        for name, tensor in weights.items()
        if not torch.equal(tensor, untrained[name].to(torch.bfloat16))
    ]
    assert any("q_proj" in name for name in moved), "nothing was merged"
    after = Predictor(model, "cpu").answers(table)
    same = sum(first == second for first, second in zip(before, after, strict=True))
    assert same >= 0.5 * len(before), "rounding to bfloat16 changes some words, not most answers"
    plain = AutoModelForCausalLM.from_pretrained(model)
    assert plain.dtype == torch.bfloat16


def test_a_head_of_the_tasks_own_is_merged_in_each_trial(
    trained: tuple[TrialSpec, TrialOutcome, RunFolder],
) -> None:
    spec, _, _ = trained
    classifier = replace(spec, task="text-classification")
    model = object.__new__(adapters.PeftModel)
    assert adapters.leaves_adapters(model, spec)
    values = {**classifier.configuration.values, "form": "classify"}
    configuration = replace(classifier.configuration, values=values)
    assert not adapters.leaves_adapters(model, replace(classifier, configuration=configuration))
