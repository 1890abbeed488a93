"""What a trained model costs in use is measured of real trials, and costs none of them its result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.finetuning.conftest import Order
from xautolm.execution.local import left_outcome
from xautolm.finetuning import costs_of_use
from xautolm.finetuning.costs_of_use import weight_bytes, with_costs_of_use
from xautolm.finetuning.run import run
from xautolm.testing import success
from xautolm.trial_folder import TrialFolder

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize("method", ["full", "probe"])
def test_a_trial_times_its_model_when_that_is_asked_for(
    order: Order, folder: Path, method: str
) -> None:
    model = "scratch-tiny" if method == "full" else "minilm-l2"
    spec = replace(order(model, method, epochs=1), measures_latency=True)
    outcome = run(spec, folder)
    weights = sum(file.stat().st_size for file in (folder / "model").rglob("*.safetensors"))
    assert outcome.model_size == weights > 10_000
    assert outcome.latency is not None and 0 < outcome.latency < 1
    assert outcome.succeeded and "latency" not in outcome.metrics


def test_other_trials_only_say_their_size(order: Order, folder: Path) -> None:
    outcome = run(order(epochs=1), folder)
    assert outcome.latency is None and outcome.model_size == weight_bytes(folder / "model")


def test_a_measurement_that_fails_costs_no_trial_its_result(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "model").mkdir(parents=True)
    spec = replace(order(epochs=1), measures_latency=True)
    # There is no model in the folder.
    outcome = with_costs_of_use(success(f1_macro=0.5), spec, folder, None)
    assert outcome.succeeded and outcome.latency is None and outcome.model_size == 0
    (note,) = outcome.adjustments
    assert note.startswith("latency was not measured: ")


def test_a_process_that_is_killed_while_it_measures_has_left_its_scores(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_killed(*values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(costs_of_use, "Predictor", be_killed)
    (folder / "model").mkdir(parents=True)
    spec = replace(order(epochs=1), measures_latency=True)
    with pytest.raises(KeyboardInterrupt):
        with_costs_of_use(success(f1_macro=0.5), spec, folder, None)
    outcome = left_outcome(TrialFolder(folder))
    assert outcome is not None and outcome.succeeded and outcome.metrics == {"f1_macro": 0.5}
    assert outcome.adjustments == ("latency was not measured: the process ended before",)


def test_no_time_is_spent_on_it_after_the_limit(
    order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(costs_of_use, "Predictor", fail)
    (folder / "model").mkdir(parents=True)
    spec = replace(order(epochs=1), measures_latency=True)
    passed = time.monotonic()
    outcome = with_costs_of_use(success(f1_macro=0.5), spec, folder, passed)
    assert outcome.adjustments == ("latency was not measured: no time was left",)


def test_adapters_count_with_the_model_beside_which_they_lie(tmp_path: Path) -> None:
    base, adapters = tmp_path / "base", tmp_path / "adapters"
    base.mkdir()
    adapters.mkdir()
    (base / "model.safetensors").write_bytes(b"b" * 1000)
    (adapters / "adapter_model.safetensors").write_bytes(b"a" * 10)
    (adapters / "adapter_config.json").write_text(f'{{"base_model_name_or_path": "{base}"}}')
    assert weight_bytes(adapters) == 1010
