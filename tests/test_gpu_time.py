"""Seconds on a GPU whose speed was measured: what small and large models are bound by, and what each part adds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.foresight import DATA_SHEET, PEFT
from xautolm.options import FitOptions
from xautolm.records import (
    Configuration,
    DataProfile,
    Gpu,
    GpuSpeed,
    Limits,
    Scalar,
    SystemProfile,
)
from xautolm.resources import FIXED_SECONDS, Estimate, ResourceModel
from xautolm.scenario import this_machine
from xautolm.search_space import build_space
from xautolm.tasks import TASKS
from xautolm.testing import FakeGpu, faked_driver, success
from xautolm.zoo import ZOO

SPEED = GpuSpeed(
    fp32_gflops=3e5, fp16_gflops=6e5, bf16_gflops=6e5, bandwidth=3e12, launch_seconds=6e-6
)
GB = 10**9
LOTS = Limits(gpu_memory=10_000 * GB)
SMALL, LARGE = "minilm-l6", "llama-3.2-3b"
UNMEASURED = [
    ("text-classification", "minilm-l6", "full.v1", (3.3624712416, 3.1208237472)),
    ("text-generation", "llama-3.2-1b", "lora.v1", (52.32930148761601, 15.332325371904002)),
    ("text-classification", "t5-base", "full.v1", (8.756759423999998, 4.918919808)),
]
"""What is predicted where a GPU could not be measured, of all epochs and of the first."""


def system_with(machine: SystemProfile, speed: GpuSpeed | None) -> SystemProfile:
    gpu = Gpu(name="H100", memory=80 * GB, compute_capability=9.0, speed=speed)
    return replace(machine, device="cuda", gpus=(gpu,))


def planned(
    data: DataProfile,
    system: SystemProfile,
    model: str,
    method: str,
    task: str = "text-classification",
    **values: Scalar,
) -> tuple[ResourceModel, Configuration]:
    """Return what predicts, and a configuration: the default but for some values."""
    task_type, card = TASKS.get(task), ZOO.get(model)
    space = build_space("default", task_type, [card], [method.partition(".")[0]], data, system)
    default = space.default()
    configuration = replace(default, values={**default.values, **values})
    return ResourceModel({model: card}, data, system, task_type.forms), configuration


@pytest.fixture
def data(profile: DataProfile) -> DataProfile:
    return replace(profile, train_examples=10_000, validation_examples=2_000)


@pytest.fixture
def gpu(machine: SystemProfile) -> SystemProfile:
    return system_with(machine, SPEED)


def estimate_of(
    data: DataProfile,
    system: SystemProfile,
    model: str,
    method: str,
    task: str = "text-classification",
    **values: Scalar,
) -> Estimate:
    resources, configuration = planned(data, system, model, method, task, **values)
    return resources.predict_within(configuration, LOTS)


@pytest.mark.parametrize(
    ("task", "model", "method", "seconds"), UNMEASURED, ids=lambda value: str(value)[:20]
)
def test_a_gpu_that_could_not_be_measured_is_taken_for_one_of_an_assumed_speed(
    task: str,
    model: str,
    method: str,
    seconds: tuple[float, float],
    profile: DataProfile,
    machine: SystemProfile,
) -> None:
    system = system_with(machine, None)
    resources, configuration = planned(profile, system, model, method, task)
    estimate = resources.predict_within(configuration, Limits())
    assert (estimate.seconds, estimate.first_result_seconds) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("model", "task", "by_operations", "by_launches"),
    [(SMALL, "text-classification", 0.1, 0.9), (LARGE, "text-generation", 0.8, 0.15)],
)
def test_a_small_encoder_is_bound_by_launches_and_a_large_decoder_by_operations(
    model: str,
    task: str,
    by_operations: float,
    by_launches: float,
    data: DataProfile,
    machine: SystemProfile,
) -> None:
    def epoch(speed: GpuSpeed) -> float:
        system = system_with(machine, speed)
        texts = replace(data, tokens_mean=200.0, tokens_max=512) if model == LARGE else data
        return estimate_of(texts, system, model, "lora.v1", task, batch_size=32).epoch_seconds

    whole = epoch(SPEED)
    twice_as_strong = replace(
        SPEED,
        fp32_gflops=2 * SPEED.fp32_gflops,
        fp16_gflops=2 * SPEED.fp16_gflops,
        bf16_gflops=2 * SPEED.bf16_gflops,
    )
    twice_as_quick = replace(SPEED, launch_seconds=SPEED.launch_seconds / 2)
    # What is saved is half of that part.
    operations = 2 * (whole - epoch(twice_as_strong)) / whole
    launches = 2 * (whole - epoch(twice_as_quick)) / whole
    if model == SMALL:
        assert operations < by_operations and launches > by_launches
    else:
        assert operations > by_operations and launches < by_launches


def test_a_step_of_a_base_encoder_takes_as_long_as_is_known_of_steps_bound_by_launches(
    data: DataProfile, gpu: SystemProfile
) -> None:
    estimate = estimate_of(data, gpu, "bert-base-uncased", "full.v1", batch_size=16)
    steps = data.train_examples / 16
    # 10 to 20 ms, whatever the GPU.
    assert 0.006 < estimate.epoch_seconds / steps < 0.02


def test_precision_counts_where_operations_do(data: DataProfile, gpu: SystemProfile) -> None:
    texts = replace(data, tokens_mean=400.0, tokens_max=512)

    def epoch(precision: str) -> float:
        estimate = estimate_of(
            texts, gpu, "roberta-large", "full.v1", precision=precision, batch_size=64
        )
        return estimate.epoch_seconds

    assert 1.5 < epoch("fp32") / epoch("bf16") < 2


def test_the_optimizer_moves_what_is_trained(data: DataProfile, machine: SystemProfile) -> None:
    slow_memory = replace(SPEED, bandwidth=1e10)
    card = ZOO.get("roberta-large")

    def moving(method: str, **values: Scalar) -> float:
        """Return the seconds of an epoch that go into moving the optimizer's bytes."""
        chosen = {"batch_size": 10, "freeze_embeddings": False, **values}
        resources, configuration = planned(
            data, system_with(machine, slow_memory), "roberta-large", method, **chosen
        )
        unmoved = replace(resources, system=system_with(machine, replace(SPEED, bandwidth=1e30)))
        whole = resources.predict(configuration).epoch_seconds
        return whole - unmoved.predict(configuration).epoch_seconds

    # Weights and two moments of 4 bytes, read and written in each of 1,000 steps, and gradients four times.
    adam = moving("full.v1")
    assert adam == pytest.approx(1000 * 4 * (2 * 3 + 4) * card.parameters / 1e10)
    assert moving("full.v1", optimizer="sgd") == pytest.approx(0.8 * adam)
    assert moving("full.v1", gradient_accumulation_steps=4) == pytest.approx(adam / 4)
    # Adapters only: the rest stays as it is.
    adapters = moving("lora.v1", lora_targets="attention", lora_r=8)
    assert adapters == pytest.approx(adam * 24 * 2 * 2 * 8 * 1024 / card.parameters)
    assert moving("probe.v1") == 0


def test_without_masters_the_optimizer_moves_half(data: DataProfile, gpu: SystemProfile) -> None:
    resources, configuration = planned(data, gpu, LARGE, "full.v1", "text-generation", batch_size=1)
    unmoved = replace(resources, system=system_with(gpu, replace(SPEED, bandwidth=1e30)))
    moving = [
        resources.predict(configuration, has_masters=has_masters).epoch_seconds
        - unmoved.predict(configuration, has_masters=has_masters).epoch_seconds
        for has_masters in (True, False)
    ]
    assert moving[0] == pytest.approx(2 * moving[1]) and moving[1] > 0


def test_frozen_layers_save_the_gradients_of_their_weights(
    data: DataProfile, machine: SystemProfile
) -> None:
    free = replace(SPEED, launch_seconds=0.0, bandwidth=1e30)
    texts = replace(data, validation_examples=1)

    def epoch(method: str, **values: Scalar) -> float:
        system = system_with(machine, free)
        return estimate_of(texts, system, "roberta-large", method, **values).epoch_seconds

    probe = epoch("probe.v1")
    assert epoch("full.v1") == pytest.approx(3 * probe, rel=1e-3)
    assert epoch("lora.v1", lora_targets="attention", lora_r=8) == pytest.approx(
        2 * probe, rel=0.02
    )
    assert epoch("partial.v1", trainable_layers=12) == pytest.approx(2 * probe, rel=1e-3)


def test_adapters_launch_kernels_of_their_own(data: DataProfile, gpu: SystemProfile) -> None:
    def epoch(**values: Scalar) -> float:
        return estimate_of(data, gpu, "bert-base-uncased", "lora.v1", **values).epoch_seconds

    plain = epoch(lora_targets="attention")
    miss = epoch(lora_targets="attention", lora_variant="miss")
    dora = epoch(lora_targets="attention", lora_variant="dora")
    assert miss < plain < dora
    assert epoch(lora_targets="all-linear") > plain


@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_dora_moves_whole_matrices_in_each_pass(
    targets: str, data: DataProfile, machine: SystemProfile
) -> None:
    texts = replace(data, train_examples=160, validation_examples=1)

    def moving(variant: str) -> float:
        """Return the bytes that a step moves."""
        seconds = []
        for bandwidth in (1e9, 1e30):
            speed = replace(SPEED, bandwidth=bandwidth)
            values = {"lora_variant": variant, "lora_targets": targets, "batch_size": 16}
            estimate = estimate_of(
                texts, system_with(machine, speed), "roberta-large", "lora.v1", **values
            )
            seconds.append(estimate.epoch_seconds)
        return (seconds[0] - seconds[1]) * 1e9 / 10

    square = 1024**2
    # Of all matrices, one has inputs four times as wide, and two have four times the weights.
    squares = {"attention": (2, 2), "all-linear": (5 + 16, 4 + 8)}
    of_inputs, of_weights = squares[targets]
    expected = 24 * square * (12 * of_inputs + 14 * of_weights)
    assert moving("dora") - moving("lora") == pytest.approx(expected, rel=0.05)


def test_computing_layers_again_costs_another_forward_pass_where_memory_is_short(
    data: DataProfile, machine: SystemProfile
) -> None:
    free = replace(SPEED, launch_seconds=0.0, bandwidth=1e30)
    resources, configuration = planned(
        data, system_with(machine, free), "roberta-large", "full.v1", precision="fp32"
    )
    ample = resources.predict_within(configuration, LOTS)
    limit = (ample.memory + ample.least_memory) / 2
    short = Limits(gpu_memory=int(limit))
    scarce = resources.predict_within(configuration, short)
    assert scarce.epoch_seconds / ample.epoch_seconds == pytest.approx(4 / 3)
    assert scarce.validation_seconds == ample.validation_seconds
    # A trial that ran so says nothing of another speed.
    first_epoch = scarce.first_result_seconds - FIXED_SECONDS
    resources.observe(configuration, success(seconds=first_epoch, f1_macro=0.5), short)
    assert resources.predict_within(configuration, LOTS).seconds == pytest.approx(ample.seconds)
    # ALBERT has none.
    albert = replace(resources.cards["roberta-large"], family="albert")
    without = replace(resources, cards={"roberta-large": albert}, ratios=[])
    estimate = without.predict_within(configuration, LOTS)
    limits = Limits(gpu_memory=int(0.9 * estimate.memory))
    assert without.predict_within(configuration, limits).seconds == estimate.seconds


def test_trainings_come_in_the_order_of_the_seconds_that_peft_published() -> None:
    published = [row for row in PEFT if row.relative_seconds is not None]
    by_measurement = sorted(published, key=lambda row: row.relative_seconds or 0)
    assert sorted(published, key=lambda row: row.step_seconds(DATA_SHEET)) == by_measurement
    first, *_, whole = published
    ratio = whole.step_seconds(DATA_SHEET) / first.step_seconds(DATA_SHEET)
    # 2.28 were published: more than the gradients of weights, and the optimizer, explain.
    assert 1.5 < ratio < 2.28
    for row in published[:-1]:
        relative = row.step_seconds(DATA_SHEET) / first.step_seconds(DATA_SHEET)
        assert relative == pytest.approx(row.relative_seconds, rel=0.05)


def test_answers_take_a_small_pass_for_each_word(data: DataProfile, machine: SystemProfile) -> None:
    def validation(speed: GpuSpeed, **changes: float) -> float:
        texts = replace(data, **changes)
        system = system_with(machine, speed)
        estimate = estimate_of(texts, system, "llama-3.2-1b", "zero_shot.v1", "text-generation")
        return estimate.validation_seconds

    whole = validation(SPEED)
    # 63 batches of 32 texts, 32 words, 16 layers of 45 kernels, and what is besides: launches alone.
    launches = 63 * 33 * (50 + 16 * 45) * SPEED.launch_seconds
    # All weights are read for each word, in 2 bytes.
    reading = 63 * 32 * 2 * ZOO.get("llama-3.2-1b").parameters / SPEED.bandwidth
    assert whole > launches + reading
    computing = whole - launches - reading
    without = validation(replace(SPEED, launch_seconds=0.0, bandwidth=1e30))
    assert computing == pytest.approx(without)
    assert validation(SPEED, validation_examples=4_000) == pytest.approx(2 * whole, rel=0.02)


def test_an_untrained_model_is_only_validated(data: DataProfile, gpu: SystemProfile) -> None:
    estimate = estimate_of(data, gpu, "llama-3.2-1b", "zero_shot.v1", "text-generation")
    assert estimate.epoch_seconds == 0 and estimate.validation_seconds > 0


def test_a_trial_corrects_the_next_prediction_of_its_kind(
    data: DataProfile, gpu: SystemProfile
) -> None:
    resources, configuration = planned(data, gpu, SMALL, "full.v1")
    before = resources.predict_within(configuration, LOTS).first_result_seconds - FIXED_SECONDS
    resources.observe(configuration, success(seconds=2 * before, f1_macro=0.5), LOTS)
    after = resources.predict_within(configuration, LOTS).first_result_seconds - FIXED_SECONDS
    assert after == pytest.approx(2 * before)


def test_a_search_predicts_with_what_is_measured_of_its_gpu(data: DataProfile) -> None:
    slow = replace(SPEED, launch_seconds=60e-6)
    seconds = []
    for speed in (SPEED, slow):
        with faked_driver(FakeGpu(uuid="GPU-a", speed=speed)):
            system = this_machine(FitOptions()).system
        seconds.append(estimate_of(data, system, SMALL, "full.v1").epoch_seconds)
    assert seconds[1] > 8 * seconds[0]
