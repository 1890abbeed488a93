"""How fast GPUs are: who is asked, what is kept of it, and what is done without an answer."""

from __future__ import annotations

import json
import logging
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from xautolm.errors import UsageError
from xautolm.hardware import measured_machine, system_profile
from xautolm.hardware.gpu_speed import UnusableGpuError
from xautolm.hardware.gpu_speed import gpu_speed as speed_of
from xautolm.options import FitOptions
from xautolm.records import GpuSpeed, SystemProfile
from xautolm.scenario import this_machine
from xautolm.serialization import from_plain, to_plain
from xautolm.settings import cache_folder
from xautolm.testing import FakeGpu, faked_driver

SPEED = GpuSpeed(
    fp32_gflops=3e5, fp16_gflops=6e5, bf16_gflops=6e5, bandwidth=3e12, launch_seconds=6e-6
)
SLOW = GpuSpeed(
    fp32_gflops=1e5, fp16_gflops=1e5, bf16_gflops=0.0, bandwidth=1e12, launch_seconds=9e-6
)
ANSWER = json.dumps(to_plain(SPEED))
NO_SPEEDS = [
    json.dumps({**to_plain(SPEED), name: value})
    for name, value in [
        ("bandwidth", 0.0),
        ("fp32_gflops", 0.0),
        ("launch_seconds", -1e-6),
        ("bf16_gflops", -1.0),
        ("fp16_gflops", float("nan")),
        ("launch_seconds", float("inf")),
    ]
]
"""Answers with amounts that no GPU has, by which times would be divided."""
H100 = FakeGpu(uuid="GPU-a", speed=SPEED)
A100 = FakeGpu(uuid="GPU-b", name="NVIDIA A100", speed=SLOW)


class Child:
    """Stands for the child that measures, and notes which GPUs it sees."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.seen: list[str] = []

    def __call__(
        self, command: list[str], env: dict[str, str], **options: object
    ) -> subprocess.CompletedProcess[str]:
        self.seen.append(env["CUDA_VISIBLE_DEVICES"])
        assert options["timeout"]
        if isinstance(self.answer, Exception):
            raise self.answer
        return subprocess.CompletedProcess(command, 0, stdout=self.answer, stderr="")


def asked(
    child: Child,
    monkeypatch: pytest.MonkeyPatch,
    name: str = "NVIDIA H100",
    driver: str = "580",
    uuid: str = "GPU-a",
) -> GpuSpeed | None:
    """Return what a new process would say of a GPU."""
    # Not `run` itself, by which other modules start other programs.
    standing = SimpleNamespace(run=child, SubprocessError=subprocess.SubprocessError)
    monkeypatch.setattr("xautolm.hardware.measuring.subprocess", standing)
    speed_of.cache_clear()
    return speed_of(name, uuid, driver)


@pytest.fixture(autouse=True)
def forgotten() -> object:
    """Let no test's measurement be that of the next."""
    yield
    speed_of.cache_clear()


def test_that_a_card_works_says_nothing_of_another_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(ANSWER)
    for uuid in ("GPU-a", "GPU-b", "GPU-a"):
        asked(child, monkeypatch, uuid=uuid)
    assert child.seen == ["GPU-a", "GPU-b"]


def test_a_child_that_sees_the_one_gpu_measures_it_once_for_card_driver_and_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(ANSWER)
    assert asked(child, monkeypatch) == SPEED
    assert asked(child, monkeypatch) == SPEED
    assert child.seen == ["GPU-a"]
    asked(child, monkeypatch, driver="590")
    asked(child, monkeypatch, name="NVIDIA A100")
    assert len(child.seen) == 3
    monkeypatch.setattr("xautolm.hardware.measuring.metadata.version", lambda package: "9.9")
    asked(child, monkeypatch)
    assert len(child.seen) == 4


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[]",
        f"a warning\n{ANSWER}",
        '{"fp32_gflops": "fast"}',
        subprocess.TimeoutExpired("x", 1),
        OSError("none"),
        *NO_SPEEDS,
    ],
)
def test_a_measurement_that_fails_is_warned_of_once_and_tried_again_by_the_next_process(
    answer: str | Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(Child(answer), monkeypatch) is None
        assert speed_of("NVIDIA H100", "GPU-a", "580") is None
    (record,) = caplog.records
    assert "speed of NVIDIA H100 could not be measured" in record.getMessage()
    assert asked(Child(ANSWER), monkeypatch) == SPEED


def test_a_kept_answer_that_is_damaged_is_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(ANSWER)
    asked(child, monkeypatch)
    (path,) = cache_folder().glob("gpu_speed/*.json")
    for times, damage in enumerate(['{"speed": {"bandwidth": 1}}', "[", *NO_SPEEDS], 2):
        path.write_text(damage, encoding="utf-8")
        assert asked(child, monkeypatch) == SPEED
        assert len(child.seen) == times


def test_where_the_cache_cannot_be_written_a_speed_is_measured_by_each_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = cache_folder() / "gpu_speed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Not a folder that may not be written to, which the superuser writes to all the same.
    folder.write_text("a file", encoding="utf-8")
    child = Child(ANSWER)
    with caplog.at_level(logging.WARNING):
        assert asked(child, monkeypatch) == SPEED
        assert asked(child, monkeypatch) == SPEED
    assert len(child.seen) == 2
    assert "the speed of NVIDIA H100 cannot be kept in the cache" in caplog.text


def test_each_gpu_of_a_search_has_the_speed_of_its_kind_and_the_slowest_counts() -> None:
    lost = FakeGpu(uuid="GPU-c", name="NVIDIA A10", speed=None)
    with faked_driver(H100, A100):
        system = this_machine(FitOptions()).system
        assert [gpu.speed for gpu in system.gpus] == [SPEED, SLOW]
        # Only a search pays for the measurement.
        assert system_profile().gpus[0].speed is None
    assert system.gpu_speed == SLOW
    with faked_driver(H100, lost):
        assert this_machine(FitOptions()).system.gpu_speed is None


def test_of_cards_of_a_kind_the_emptiest_visible_one_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = replace(H100, uuid="GPU-c", taken=20 * 10**9)
    hidden = replace(H100, uuid="GPU-d")
    uuids: list[str] = []
    with faked_driver(hidden, busy, H100, visible="GPU-c,GPU-a"):
        monkeypatch.setattr(
            "xautolm.hardware.gpu_speed.gpu_speed", lambda name, uuid, driver: uuids.append(uuid)
        )
        measured_machine()
    assert set(uuids) == {"GPU-a"}


def test_on_a_processor_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object) -> None:
        raise AssertionError("a processor is no GPU")

    monkeypatch.setattr("xautolm.hardware.gpu_speed.read_driver", forbidden)
    monkeypatch.setattr("xautolm.hardware.gpu_speed.gpu_speed", forbidden)
    system, places = measured_machine("cpu")
    assert system.gpu_speed is None
    assert [place.device for place in places] == ["cpu"]


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_gpu_on_which_cuda_does_not_work_is_refused_and_left_by_auto(
    device: str, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "AcceleratorError: CUDA error: no kernel image is available"
    with faked_driver(replace(H100, name="Tesla V100", obstacle=reason)):
        with pytest.raises(UsageError, match=f"CUDA does not work on Tesla V100: {reason}"):
            this_machine(FitOptions(device=device))
        machines = this_machine(FitOptions(device="auto"))
    assert machines.system.device == "cpu"
    assert [place.device for place in machines.places] == ["cpu"]
    assert f"not used: CUDA does not work on Tesla V100: {reason}" in caplog.text


BROKEN = replace(H100, uuid="GPU-x", obstacle="Error 802")


@pytest.mark.parametrize(
    "works",
    [
        A100,
        # The broken one is the emptiest of its name, because nobody can use it.
        replace(H100, taken=5 * 10**9),
        # Beside the broken one it would have too little memory to be worth using.
        replace(A100, memory=24 * 10**9),
    ],
    ids=["of another name", "of the same name", "much smaller"],
)
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_beside_a_gpu_that_works_one_that_does_not_is_left_out(
    works: FakeGpu, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    with faked_driver(BROKEN, works):
        system, places = measured_machine(device)
    (gpu,) = system.gpus
    assert (gpu.name, gpu.speed) == (works.name, works.speed)
    assert [place.gpu for place in places] == [works.uuid]
    (record,) = caplog.records
    assert record.getMessage() == (
        "GPU-x is left out, because CUDA does not work on it: NVIDIA H100: Error 802"
    )


def test_cards_of_a_name_are_refused_once_all_of_them_fail() -> None:
    with (
        faked_driver(BROKEN, replace(BROKEN, uuid="GPU-y")),
        pytest.raises(UsageError, match="CUDA does not work on NVIDIA H100: Error 802\n"),
    ):
        measured_machine("cuda")


def test_a_card_that_is_too_small_beside_those_that_work_or_was_not_named_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = replace(A100, memory=24 * 10**9)
    uuids: list[str] = []
    with faked_driver(H100, small):
        monkeypatch.setattr(
            "xautolm.hardware.gpu_speed.gpu_speed", lambda name, uuid, driver: uuids.append(uuid)
        )
        measured_machine("auto")
        assert uuids == [H100.uuid]
        measured_machine("cuda:1")
    assert uuids == [H100.uuid, small.uuid]


@pytest.mark.parametrize(
    ("code", "line", "works"),
    [
        (1, "AcceleratorError: CUDA error: no kernel image is available", False),
        (1, "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802", False),
        (1, "OutOfMemoryError: CUDA out of memory. Tried to allocate 64.00 MiB.", True),
        (
            1,
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 2: out of memory",
            True,
        ),
        (1, "AttributeError: module 'torch' has no attribute 'xpu'", True),
        (-9, "", True),
    ],
)
def test_trouble_with_the_gpu_is_an_obstacle_and_no_other_error_of_the_child(
    code: int, line: str, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, stdout="", stderr=f"a warning\n{line}\n")

    standing = SimpleNamespace(run=fails, SubprocessError=subprocess.SubprocessError)
    monkeypatch.setattr("xautolm.hardware.measuring.subprocess", standing)
    speed_of.cache_clear()
    if works:
        assert speed_of("NVIDIA H100", "GPU-a", "580") is None
        return
    with pytest.raises(UnusableGpuError) as caught:
        speed_of("NVIDIA H100", "GPU-a", "580")
    assert str(caught.value) == line


def test_records_from_before_speeds_were_measured_are_read() -> None:
    with faked_driver(H100):
        system = this_machine(FitOptions()).system
    plain = to_plain(system)
    assert from_plain(SystemProfile, plain) == system
    del plain["gpus"][0]["speed"]
    assert from_plain(SystemProfile, plain).gpu_speed is None


def test_a_precision_that_a_gpu_lacks_is_as_fast_as_float32() -> None:
    assert SPEED.operations_per_second("bf16") == 6e14
    assert SLOW.operations_per_second("bf16") == 1e14
    assert SPEED.operations_per_second("fp32") == 3e14
