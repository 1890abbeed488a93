"""What is predicted of a trial when it begins, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from xautolm import AutoLM
from xautolm.forecaster import DEFAULT_MEMORY, DEFAULT_SECONDS, Forecaster
from xautolm.forecasts import FEWEST_RATIOS
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Limits,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
)
from xautolm.report.screen import Quiet
from xautolm.resources import ResourceModel
from xautolm.run_folder import RunFolder
from xautolm.tasks import TASKS
from xautolm.testing import FakeExecutor, success
from xautolm.trial_folder import FORECAST, TrialFolder
from xautolm.zoo import ZOO

TRAINING = Configuration(
    values={
        "model": "minilm-l6",
        "method": "full.v1",
        "max_length": 64,
        "epochs": 3,
        "batch_size": 16,
    },
    space="default.v1",
)
PROBE = Configuration(
    values={"model": "minilm-l6", "method": "probe.v1", "max_length": 64}, space="default.v1"
)


@pytest.fixture
def resources(profile: DataProfile, machine: SystemProfile) -> ResourceModel:
    forms = TASKS.get("text-classification").forms
    return ResourceModel(dict(ZOO.things), profile, machine, forms=forms)


@pytest.fixture
def past(
    profile: DataProfile, machine: SystemProfile, resources: ResourceModel
) -> Callable[[Configuration, float, int], Experience]:
    """Return what makes trials that took so many times as long as estimated, and half of the memory."""

    def made(configuration: Configuration, ratio: float, number: int) -> Experience:
        plain = replace(resources, ratios=[], past_ratios=[])
        estimate = plain.predict(configuration)
        memory = plain.peak_memory(configuration, Limits())
        outcome = replace(
            success(ratio * (estimate.seconds - 3.0), f1_macro=0.5),
            wall_time=ratio * estimate.seconds,
            peak_memory=round(memory / 2),
        )
        # A success of one epoch, where three were planned.
        outcome = replace(outcome, history=({"epoch": configuration.values.get("epochs", 1)},))
        return Experience(
            id=f"{number:024x}", created=f"2026-01-01T00:00:{number % 60:02}+00:00", run="r", trial=number,
            task="text-classification", data=profile, system=machine, configuration=configuration,
            outcome=outcome, limits=Limits(), objectives=("f1_macro",), seed=0, versions={},
        )  # fmt: skip

    return made


def test_before_anything_was_measured_intervals_are_wide(resources: ResourceModel) -> None:
    forecast = Forecaster(resources).forecast(TRAINING, Limits())
    estimate = resources.predict(TRAINING).seconds
    assert forecast.seconds.expected == pytest.approx(estimate)
    assert forecast.seconds.low == pytest.approx(DEFAULT_SECONDS.low * estimate)
    memory = resources.peak_memory(TRAINING, Limits())
    assert forecast.memory.high == pytest.approx(DEFAULT_MEMORY.high * memory)
    assert forecast.failure is None and forecast.quality is None


def test_past_trials_on_such_a_machine_narrow_them_by_kind(
    resources: ResourceModel, past: Callable[..., Experience], machine: SystemProfile
) -> None:
    trainings = [past(TRAINING, 2.0, number) for number in range(FEWEST_RATIOS)]
    resources.learn(trainings)
    elsewhere = replace(machine, physical_cores=64)
    foreign = Forecaster(resources)
    foreign.learn([replace(training, system=elsewhere) for training in trainings])
    wide = foreign.forecast(TRAINING, Limits()).seconds
    forecaster = Forecaster(resources)
    forecaster.learn(trainings)
    narrow = forecaster.forecast(TRAINING, Limits())
    assert narrow.seconds.high / narrow.seconds.low < 1.01 < wide.high / wide.low
    measured = trainings[0].outcome
    assert narrow.seconds.expected == pytest.approx(measured.wall_time)
    assert narrow.memory.expected == pytest.approx(measured.peak_memory, rel=1e-6)
    # Nothing is known of how far times of probes are off.
    probe = forecaster.forecast(PROBE, Limits()).seconds
    assert probe.high / probe.low == pytest.approx(DEFAULT_SECONDS.high / DEFAULT_SECONDS.low)


def test_enough_trials_of_the_search_itself_count_alone(
    resources: ResourceModel, past: Callable[..., Experience]
) -> None:
    forecaster = Forecaster(resources)
    odd = [past(TRAINING, 0.1 + number, number) for number in range(FEWEST_RATIOS)]
    forecaster.learn(odd)
    assert forecaster.forecast(TRAINING, Limits()).seconds.low < resources.predict(TRAINING).seconds
    for number in range(FEWEST_RATIOS):
        own = past(TRAINING, 2.0, number)
        resources.observe(own.configuration, own.outcome)
        forecaster.observe(own)
    seconds = forecaster.forecast(TRAINING, Limits()).seconds
    assert seconds.low == pytest.approx(seconds.high) == pytest.approx(own.outcome.wall_time)


def test_what_a_sampler_says_is_kept_and_anything_else_is_not_taken_for_it(
    resources: ResourceModel,
) -> None:
    forecaster = Forecaster(resources)

    def said(explanation: dict[str, object]) -> tuple[float | None, float | None]:
        forecast = forecaster.forecast(TRAINING, Limits(), explanation, lead=1)
        return forecast.failure, forecast.quality

    assert said({"failure": 0.25, "expected": [3.0, 0.5]}) == (0.25, 0.5)
    assert said({"failure": "likely", "expected": [3.0]}) == (None, None)
    assert said({"origin": "prior", "expected": "high"}) == (None, None)


def test_each_trial_of_a_search_keeps_its_forecast_and_the_report_compares_it(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    seen: list[bool] = []

    def play(spec: TrialSpec) -> TrialOutcome:
        forecast = TrialFolder(tmp_path / "run" / "trials" / f"{spec.number:04d}").read_forecast()
        seen.append(forecast is not None)
        if spec.number % 3 == 2:
            raise MemoryError("no room")
        return success(5.0, f1_macro=0.5, accuracy=0.5, f1_weighted=0.5, mcc=0.5)

    auto = AutoLM(out=str(tmp_path / "run"), trials=5, device="cpu", sampler="random")
    auto.fit(tickets, screen=Quiet(), executor=FakeExecutor(play))
    assert seen == [True] * 5, "kept before the trial begins"
    folder = RunFolder(tmp_path / "run")
    forecasts = folder.forecasts()
    assert sorted(forecasts) == [0, 1, 2, 3, 4]
    for forecast in forecasts.values():
        assert 0 < forecast.seconds.low <= forecast.seconds.expected <= forecast.seconds.high
        assert 5e8 < forecast.memory.expected < 5e10
    page = auto.report().read_text()
    assert "Forecasts against what happened" in page and "Wall time" in page
    # A file that is damaged, or was never there, costs the comparison of its trial alone.
    (folder.trial(0) / FORECAST).write_text("{")
    (folder.trial(1) / FORECAST).unlink()
    assert sorted(folder.forecasts()) == [2, 3, 4]
    for number in (2, 3, 4):
        (folder.trial(number) / FORECAST).unlink()
    assert "Forecasts against what happened" not in auto.report().read_text()
