"""Several GPUs for one model: what is planned, how trials share the GPUs, and where it is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest

from xautolm import AutoLM
from xautolm.budget import Clock
from xautolm.errors import NoModelError, UsageError
from xautolm.limits import limits_of_divided, most_devices
from xautolm.opening import Opening
from xautolm.options import FitOptions
from xautolm.records import (
    Configuration,
    DataProfile,
    Gpu,
    Limits,
    Machines,
    Place,
    SystemProfile,
    TrialOutcome,
    TrialSpec,
)
from xautolm.report.screen import Quiet
from xautolm.resources import ResourceModel, reason_against_division
from xautolm.search_space import build_space
from xautolm.tasks import TASKS
from xautolm.testing import FakeExecutor, FakeGpu, faked_driver, success
from xautolm.vocabulary import DeviceKind, TrialStatus
from xautolm.zoo import ZOO

TASK = TASKS.get("text-classification")
H100 = Gpu(name="NVIDIA H100", memory=80_000_000_000, compute_capability=9.0)
GPUS = [FakeGpu(uuid=f"GPU-{letter}") for letter in "abcd"]


class Watching(FakeExecutor):
    """Notes how many trials use each GPU, and how many trials run, whenever one is started."""

    def __init__(self) -> None:
        super().__init__(play)
        self.most_on_a_gpu = 0
        self.most_at_once = 0

    def start(self, spec: TrialSpec, folder: Path) -> None:
        super().start(spec, folder)
        uses: Counter[str] = Counter()
        for running, _ in self.waiting.values():
            uses.update(running.devices or (running.gpu,))
        self.most_on_a_gpu = max(self.most_on_a_gpu, *uses.values())
        self.most_at_once = max(self.most_at_once, len(self.waiting))


def play(spec: TrialSpec) -> TrialOutcome:
    score = 0.5 + 0.001 * spec.number
    return success(seconds=10.0, f1_macro=score, accuracy=score, f1_weighted=score, mcc=score)


def fit(folder: Path, tickets: pd.DataFrame, **options: object) -> Watching:
    executor = Watching()
    auto = AutoLM(out=str(folder / "run"), sampler="random", models=("minilm-l6",), **options)
    auto.fit(tickets, screen=Quiet(), executor=executor)
    return executor


def large_model(
    profile: DataProfile, machine: SystemProfile, method: str = "full", **fields: object
) -> tuple[ResourceModel, Configuration]:
    """Return what predicts an encoder of 3 billion weights on eight H100, and its default."""
    card = replace(
        ZOO.things["roberta-large"], parameters=3_000_000_000, layers=36, hidden_size=2560
    )
    gpus = replace(machine, device="cuda", gpus=(H100,) * 8)
    space = build_space("default", TASK, [card], [method], profile, gpus)
    cards = {card.name: card}
    resources = ResourceModel(cards, profile, gpus, forms=TASK.forms, most_devices=8, **fields)
    return resources, space.default()


def test_a_model_is_divided_over_as_few_gpus_as_it_fits_on(
    profile: DataProfile, machine: SystemProfile
) -> None:
    resources, configuration = large_model(profile, machine)

    def planned(memory: float) -> tuple[int, bool, str]:
        limits = Limits(gpu_memory=int(memory))
        obstacle = resources.obstacle(configuration, limits).partition(":")[0]
        devices = resources.devices(configuration, limits)
        return devices, resources.lacks_masters(configuration, limits), obstacle

    whole = resources.predict(configuration).least_memory
    narrow = resources.predict(configuration, has_masters=False).least_memory
    on_four = resources.predict(configuration, devices=4).least_memory
    on_eight = resources.predict(configuration, devices=8).least_memory
    assert planned(1.01 * whole) == (1, False, "")
    # One GPU is preferred, also where only weights without masters fit on it.
    assert planned(1.01 * narrow) == (1, True, "")
    assert planned(1.01 * on_four) == (4, False, "")
    assert planned(1.01 * on_eight) == (8, False, "")
    assert planned(0.5 * on_eight) == (1, False, "out_of_memory")


def test_weights_are_divided_and_activations_are_not(
    profile: DataProfile, machine: SystemProfile
) -> None:
    resources, configuration = large_model(profile, machine)
    whole = resources.predict(configuration)
    divided = resources.predict(configuration, devices=4)
    assert divided.memory_per_example == whole.memory_per_example
    # Of 16 bytes for a weight four stay, and what is put together while it computes is a small part.
    weights = whole.memory - whole.memory_per_example
    own_weights = divided.memory - divided.memory_per_example
    assert 0.2 < own_weights / weights < 0.35
    on_eight = resources.predict(configuration, devices=8)
    assert on_eight.memory < divided.memory


def test_the_batch_is_divided_over_the_gpus(profile: DataProfile, machine: SystemProfile) -> None:
    resources, configuration = large_model(profile, machine)
    limits = Limits(gpu_memory=10**12)
    batch_size = configuration.values["batch_size"]
    assert resources.micro_batch(configuration, limits) == batch_size
    asked = replace(resources, devices_asked=4)
    assert asked.devices(configuration, limits) == 4
    assert asked.micro_batch(configuration, limits) * 4 == batch_size


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"quantization": "4bit"}, "weights of 4bit cannot be divided over 2 GPUs"),
        ({"precision": "fp16"}, "trainings in float16 cannot be divided over 2 GPUs"),
        ({"batch_size": 9}, "a batch of 9 cannot be divided over 2 GPUs"),
    ],
)
def test_what_cannot_be_divided_is_not_proposed(
    profile: DataProfile, machine: SystemProfile, changes: dict[str, object], reason: str
) -> None:
    resources, default = large_model(profile, machine, "lora", devices_asked=2)
    configuration = replace(default, values={**default.values, **changes})
    assert reason_against_division(configuration, 2) == reason
    obstacle = resources.obstacle(configuration, Limits(gpu_memory=10**12))
    assert obstacle == (f"invalid_config: {reason}" if reason else "")


def test_the_pace_of_divided_trials_is_their_own(
    profile: DataProfile, machine: SystemProfile
) -> None:
    resources, configuration = large_model(profile, machine)

    def seconds(devices: int) -> float:
        return resources.predict(configuration, devices=devices).epoch_seconds

    alone, unmeasured = seconds(1), seconds(4)
    assert unmeasured == alone
    history = ({"epoch": 1.0, "seconds": alone},)
    outcome = TrialOutcome(status=TrialStatus.COMPLETE, history=history, evaluation_time=alone)
    resources.observe(configuration, outcome)
    four_times_as_fast = ({"epoch": 1.0, "seconds": alone / 4},)
    resources.observe(configuration, replace(outcome, history=four_times_as_fast, devices=4))
    assert seconds(4) == pytest.approx(seconds(1) / 4)


def test_a_probe_has_one_gpu(profile: DataProfile, machine: SystemProfile) -> None:
    resources, configuration = large_model(profile, machine, "probe", devices_asked=4)
    limits = Limits(gpu_memory=10**12)
    assert resources.devices(configuration, limits) == 1
    assert not resources.obstacle(configuration, limits)


def test_divided_trials_and_others_share_the_gpus(tmp_path: Path, tickets: pd.DataFrame) -> None:
    with faked_driver(*GPUS):
        executor = fit(tmp_path, tickets, trials=9, devices_per_trial=2)
    assert len(executor.specs) == 9
    # Two trainings, or one beside two probes.
    assert executor.most_on_a_gpu == 1 and executor.most_at_once in (2, 3)
    for spec in executor.specs:
        trains = spec.configuration.method != "probe.v1"
        assert len(spec.devices) == (2 if trains else 0)
        assert not trains or spec.devices[0] == spec.gpu
    divided = [spec for spec in executor.specs if spec.devices]
    whole = [spec for spec in executor.specs if not spec.devices]
    assert divided and whole
    # Two trials' share of the main memory, and each GPU's own.
    assert divided[0].limits.memory == 2 * whole[0].limits.memory
    assert divided[0].limits.gpu_memory == whole[0].limits.gpu_memory


def test_a_model_that_needs_all_gpus_waits_until_they_are_free(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    with faked_driver(*GPUS):
        executor = fit(tmp_path, tickets, trials=5, devices_per_trial="4")
    assert len(executor.specs) == 5 and executor.most_on_a_gpu == 1
    divided = [spec for spec in executor.specs if spec.devices]
    assert {spec.devices for spec in divided} == {("GPU-a", "GPU-b", "GPU-c", "GPU-d")}


def leave_after_first_trial(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let an hour be left of the budget until a trial has ended, and so many seconds from then on."""
    seconds_left = 3600.0

    def left(clock: Clock) -> float:
        return seconds_left

    def finished(executor: FakeExecutor, timeout: float) -> list[tuple[int, TrialOutcome]]:
        nonlocal seconds_left
        seconds_left = seconds
        return own_finished(executor, timeout)

    own_finished = FakeExecutor.finished
    monkeypatch.setattr(Clock, "left", property(left))
    monkeypatch.setattr(FakeExecutor, "finished", finished)


@pytest.fixture
def asks_beside_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training be proposed while the probe runs, as later ones are while any trial runs."""
    monkeypatch.setattr(Opening, "awaits_probes", lambda *_: False)


@pytest.mark.usefixtures("asks_beside_probes")
def test_what_waits_for_gpus_when_the_time_is_over_is_never_started(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_after_first_trial(monkeypatch, 0.0)
    with faked_driver(*GPUS):
        executor = fit(tmp_path, tickets, budget="1h", devices_per_trial=4)
    # The probe ran on one; the training needs all, and waited for it.
    assert [spec.configuration.method for spec in executor.specs] == ["probe.v1"]
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/run/study.db")
    states = [trial.state for trial in study.trials]
    assert optuna.trial.TrialState.RUNNING not in states
    assert states.count(optuna.trial.TrialState.COMPLETE) == 1


@pytest.mark.usefixtures("asks_beside_probes")
@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_a_search_that_goes_on_begins_with_what_waited_for_gpus(
    tmp_path: Path,
    tickets: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    end: type[BaseException],
) -> None:
    def fail(executor: FakeExecutor, timeout: float) -> None:
        raise end("while a training waits for the GPU of the probe")

    def waiting() -> list[int]:
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/run/study.db")
        states = (optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.WAITING)
        return [trial.number for trial in study.get_trials(states=states)]

    options = {"trials": 4, "devices_per_trial": 4}
    with faked_driver(*GPUS):
        with monkeypatch.context() as ending:
            ending.setattr(FakeExecutor, "finished", fail)
            with pytest.raises((end, NoModelError)):
                fit(tmp_path, tickets, **options)
        # The second is the training, without a folder. What ends by an error of ours leaves both as they were.
        assert 1 in waiting()
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/run/study.db")
        method = study.trials[1].params["method"]
        executor = fit(tmp_path, tickets, **options)
    assert not waiting()
    first_training = next(spec for spec in executor.specs if spec.devices)
    assert first_training.configuration.method == method


@pytest.mark.usefixtures("asks_beside_probes")
def test_what_waited_so_long_that_no_result_is_possible_is_not_started(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than a trial takes to load its model.
    leave_after_first_trial(monkeypatch, 1.0)
    with faked_driver(*GPUS):
        executor = fit(tmp_path, tickets, budget="1h", devices_per_trial=4)
    assert [spec.configuration.method for spec in executor.specs] == ["probe.v1"]


def test_a_number_that_no_batch_is_a_multiple_of_is_refused_before_anything_runs(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    reason = "--devices-per-trial 3; a batch of 16 cannot be divided over 3 GPUs"
    with faked_driver(*GPUS), pytest.raises(UsageError, match=reason):
        fit(tmp_path, tickets, devices_per_trial=3)
    assert not (tmp_path / "run").exists()


def test_gpus_before_ampere_train_divided_models_in_float32(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    turing = [replace(gpu, name="NVIDIA T4", capability=(7, 5)) for gpu in GPUS]
    with faked_driver(*turing):
        executor = fit(tmp_path, tickets, trials=4, devices_per_trial=2)
        alone = fit(tmp_path / "alone", tickets, trials=4)
    assert len(executor.specs) == 4
    divided = [spec for spec in executor.specs if spec.devices]
    assert {spec.configuration.values["precision"] for spec in divided} == {"fp32"}
    formats = {spec.configuration.values.get("precision") for spec in alone.specs}
    assert "fp16" in formats


def test_what_fits_on_one_gpu_has_one(tmp_path: Path, tickets: pd.DataFrame) -> None:
    with faked_driver(*GPUS):
        executor = fit(tmp_path, tickets, trials=8)
    assert executor.most_at_once == 4 and executor.most_on_a_gpu == 1
    assert not any(spec.devices for spec in executor.specs)


def machines(
    machine: SystemProfile, *uuids: str, device: str = "cuda", at_once: int | None = None
) -> Machines:
    system = replace(machine, device=device, gpus=(H100,) * len(uuids))
    places = tuple(Place(device="cuda:0", gpu=uuid) for uuid in uuids) or (Place(device=device),)
    return Machines(system=system, places=places, slots=len(places), at_once=at_once)


@pytest.mark.parametrize(
    ("uuids", "device", "options", "reason"),
    [
        ((), "cpu", {}, "the device is cpu"),
        (("GPU-a",), "cuda", {}, "there are 1 GPUs"),
        (("MIG-a", "MIG-b"), "cuda", {}, r"slices of a GPU \(MIG\)"),
        (("GPU-a", "GPU-b"), "cuda", {"executor": "ray"}, "on a cluster each trial has one GPU"),
    ],
)
def test_several_gpus_for_a_model_are_refused_where_that_cannot_be(
    machine: SystemProfile,
    uuids: tuple[str, ...],
    device: str,
    options: dict[str, object],
    reason: str,
) -> None:
    here = machines(machine, *uuids, device=device)
    asked = FitOptions.parse({"devices_per_trial": 2, **options})
    with pytest.raises(UsageError, match=f"--devices-per-trial 2; {reason}"):
        most_devices(asked, here)
    # Where it is left to the planner, each model has one.
    assert most_devices(FitOptions.parse(options), here) == 1
    assert most_devices(FitOptions.parse({"devices_per_trial": 1, **options}), here) == 1


def test_other_systems_have_no_way_to_connect_gpus(
    machine: SystemProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machines(machine, "GPU-a", "GPU-b")
    assert most_devices(FitOptions.parse({}), here) == 2
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(UsageError, match="NCCL, which is for Linux only"):
        most_devices(FitOptions.parse({"devices_per_trial": 2}), here)


def test_a_processor_refuses_before_data_is_read() -> None:
    auto = AutoLM(device="cpu", devices_per_trial=2)
    with pytest.raises(UsageError, match="only models on GPUs of NVIDIA are divided"):
        auto.fit("there-is-no-such-file.csv", screen=Quiet(), executor=FakeExecutor(play))


def test_main_memory_of_a_divided_trial_ends_at_that_of_the_machine(
    machine: SystemProfile,
) -> None:
    most = int(0.9 * machine.memory)
    limits = Limits(memory=most // 2)
    assert limits_of_divided(limits, 2, machine).memory == 2 * (most // 2)
    assert limits_of_divided(limits, 8, machine).memory == most
    assert limits_of_divided(Limits(), 2, machine) == Limits()
    assert machine.device == DeviceKind.CPU
