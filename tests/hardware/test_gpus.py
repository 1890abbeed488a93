"""Which GPUs are found, by a driver that does not exist: what is visible, free, divided, old or lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

from xautolm.errors import UsageError
from xautolm.hardware import gpus, measuring, system_profile, trial_places
from xautolm.settings import ALLOCATOR_VARIABLES, child_environment
from xautolm.testing import FakeGpu, faked_driver
from xautolm.testing.gpus import FakeNvml

GB = 10**9
A = FakeGpu(uuid="GPU-aa11")
B = FakeGpu(uuid="GPU-bb22")
C = FakeGpu(uuid="GPU-cc33")
DISPLAY = FakeGpu(uuid="GPU-dd44", name="NVIDIA T400", memory=4 * GB, capability=(7, 5))
SLICES = (
    FakeGpu(uuid="MIG-11", name="NVIDIA A100 MIG 1g.10gb", memory=10 * GB),
    FakeGpu(uuid="MIG-22", name="NVIDIA A100 MIG 1g.10gb", memory=10 * GB),
)
DIVIDED = FakeGpu(uuid="GPU-ee55", name="NVIDIA A100", capability=(8, 0), slices=SLICES)


def uuids(device: str = "auto") -> list[str]:
    return [place.gpu for place in trial_places(device)]


def test_without_a_driver_trials_run_on_the_processor() -> None:
    with faked_driver():
        assert system_profile().device == "cpu"
        assert [place.device for place in trial_places()] == ["cpu"]


def test_each_gpu_is_a_place_and_index_0_of_what_its_trial_sees() -> None:
    with faked_driver(A, B):
        system = system_profile()
        assert system.device == "cuda"
        assert [gpu.compute_capability for gpu in system.gpus] == [9.0, 9.0]
        assert system.device_memory == 80 * GB
        places = trial_places()
        assert [place.device for place in places] == ["cuda:0", "cuda:0"]
        assert [place.gpu for place in places] == ["GPU-aa11", "GPU-bb22"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0,2", ["GPU-aa11", "GPU-cc33"]),
        ("2,0", ["GPU-cc33", "GPU-aa11"]),
        ("GPU-bb22", ["GPU-bb22"]),
        ("GPU-b", ["GPU-bb22"]),
        # Two begin so.
        ("GPU-", [""]),
        # Behind what means nothing, nothing is seen.
        ("1,7,0", ["GPU-bb22"]),
        ("1,1", ["GPU-bb22"]),
        ("", [""]),
        ("-1", [""]),
        ("NoDevFiles", [""]),
    ],
)
def test_what_cuda_may_see_is_all_that_is_found(visible: str, expected: list[str]) -> None:
    with faked_driver(A, B, C, visible=visible):
        assert uuids() == expected
        assert len(system_profile().gpus) == len([uuid for uuid in expected if uuid])


def test_slices_are_places_of_their_own_with_their_own_memory() -> None:
    with faked_driver(DIVIDED):
        assert uuids() == ["MIG-11", "MIG-22"]
        assert system_profile().device_memory == 10 * GB
        assert [gpu.compute_capability for gpu in system_profile().gpus] == [8.0, 8.0]
    with faked_driver(DIVIDED, visible="MIG-22"):
        assert uuids() == ["MIG-22"]
    # Of a divided GPU that is named by its index, CUDA sees the first slice.
    with faked_driver(DIVIDED, visible="0"):
        assert uuids() == ["MIG-11"]


def test_a_card_for_the_display_does_not_make_the_large_one_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with faked_driver(DISPLAY, A):
        assert uuids() == ["GPU-aa11"]
        assert [gpu.compute_capability for gpu in system_profile().gpus] == [9.0]
        # Whoever names it gets it.
        monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        assert uuids("cuda:0") == ["GPU-dd44"]


def test_a_gpu_that_others_fill_is_left_to_them() -> None:
    filled = FakeGpu(uuid="GPU-ff66", taken=70 * GB)
    with faked_driver(filled, A):
        assert uuids() == ["GPU-aa11"]
    with faked_driver(filled):
        (place,) = trial_places()
        assert place.free_memory == 10 * GB


def test_a_gpu_without_memory_of_its_own_has_the_processors() -> None:
    shared = FakeGpu(uuid="GPU-5a", name="NVIDIA GB10", memory=0, capability=(12, 1))
    with faked_driver(shared):
        assert system_profile().device_memory == psutil.virtual_memory().total
        assert system_profile("cpu").device == "cpu"


def test_a_gpu_that_is_lost_is_left_out_and_keeps_its_index(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = FakeGpu(uuid="GPU-0", is_lost=True)
    with faked_driver(lost, B):
        assert uuids() == ["GPU-bb22"]
        assert "GPU 0 does not answer" in caplog.text
    with faked_driver(lost, B, visible="1"):
        assert uuids() == ["GPU-bb22"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cuda": 12_080}, "the driver runs CUDA 12.8 at most, and PyTorch was built for 13.0"),
        ({"torch_cuda": ""}, "PyTorch was installed without CUDA"),
        ({"visible": ""}, "CUDA_VISIBLE_DEVICES='' leaves none of 2"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_refused_with_the_reason(
    arguments: dict[str, str | int], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with faked_driver(A, B, **arguments):
        with pytest.raises(UsageError, match=reason):
            system_profile("cuda")
        assert system_profile("auto").device == "cpu"
        # Whoever hides them knows; whoever has an old driver may not.
        assert (reason in caplog.text) == ("visible" not in arguments)


@pytest.mark.parametrize(
    ("device", "reason"), [("cuda:2", "there are 2, counted from 0"), ("gpu", "Unknown device")]
)
def test_devices_that_are_not_there(device: str, reason: str) -> None:
    with faked_driver(A, B), pytest.raises(UsageError, match=reason):
        system_profile(device)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_driver_that_was_updated_without_a_restart_is_said(
    device: str, caplog: pytest.LogCaptureFixture
) -> None:
    # The library's version is not the kernel module's.
    with faked_driver(A, error=18):
        if device == "cuda":
            with pytest.raises(
                UsageError, match="does not answer, and none is used: NVML error 18"
            ):
                system_profile(device)
        else:
            assert system_profile(device).device == "cpu"
    assert "does not answer, and none is used: NVML error 18" in caplog.text


@pytest.mark.parametrize("error", [9, 12])
def test_a_machine_with_parts_of_a_driver_only_is_no_trouble(
    error: int, caplog: pytest.LogCaptureFixture
) -> None:
    with faked_driver(error=error):
        assert system_profile().device == "cpu"
        assert caplog.text == ""
        with pytest.raises(UsageError, match=f"NVML error {error}"):
            system_profile("cuda")


def test_a_gpu_that_is_to_be_divided_and_has_no_slice_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    undivided = replace(DIVIDED, slices=())
    with faked_driver(A, undivided):
        assert uuids() == ["GPU-aa11"]
        assert "GPU 1 is to be divided (MIG), but has no slice" in caplog.text
    with faked_driver(undivided), pytest.raises(UsageError, match="GPU 0 is to be divided"):
        system_profile("cuda")


@pytest.mark.parametrize("visible", ["7", "1gpu", "gpu-aa11", "all", "0;1"])
def test_a_name_of_no_gpu_does_not_quietly_lead_to_the_processor(
    visible: str, caplog: pytest.LogCaptureFixture
) -> None:
    with faked_driver(A, B, visible=visible):
        assert system_profile().device == "cpu"
    assert f"CUDA_VISIBLE_DEVICES='{visible}' leaves none of 2" in caplog.text


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_whoever_hides_all_gpus_is_not_warned(
    visible: str, caplog: pytest.LogCaptureFixture
) -> None:
    with faked_driver(A, B, visible=visible):
        assert system_profile().device == "cpu"
    assert caplog.text == ""


def test_what_keeps_gpus_idle_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    lost = FakeGpu(uuid="GPU-0", is_lost=True)
    with faked_driver(lost, A, torch_cuda=""):
        # A search looks at the machine twice.
        system_profile()
        trial_places()
    messages = [record.message for record in caplog.records]
    assert len(messages) == len(set(messages)) == 2


def test_no_driver_where_a_gpu_is_asked_for() -> None:
    with faked_driver(), pytest.raises(UsageError, match="no NVIDIA driver answers"):
        system_profile("cuda")


@pytest.fixture
def cuda_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Let CUDA count the large card before that for the display; gives the commands of the children that ask it."""
    commands = []

    def answer(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        assert "CUDA_VISIBLE_DEVICES" not in options["env"]
        commands.append(command)
        fastest_first = json.dumps(["GPU-aa11", "GPU-dd44"])
        return subprocess.CompletedProcess(command, 0, stdout=fastest_first, stderr="")

    child = SimpleNamespace(run=answer, SubprocessError=subprocess.SubprocessError)
    monkeypatch.setattr(measuring, "subprocess", child)
    gpus._uuids_of_cuda.cache_clear()
    yield commands
    gpus._uuids_of_cuda.cache_clear()


def test_indices_of_different_cards_count_as_cuda_counts(
    monkeypatch: pytest.MonkeyPatch, cuda_counts: list[list[str]]
) -> None:
    with faked_driver(DISPLAY, A, visible="0"):
        assert uuids() == ["GPU-aa11"]
    with faked_driver(DISPLAY, A):
        assert uuids("cuda:0") == ["GPU-aa11"]
        assert uuids("cuda:1") == ["GPU-dd44"]
    # Once for all of them.
    assert len(cuda_counts) == 1
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with faked_driver(DISPLAY, A, visible="0"):
        assert uuids() == ["GPU-dd44"]
    with faked_driver(DISPLAY, A):
        assert uuids("cuda:0") == ["GPU-dd44"]


@pytest.mark.parametrize("visible", [None, "", "-1", "GPU-aa11", "GPU-aa11,GPU-dd44"])
def test_cuda_is_not_asked_for_an_order_that_nothing_depends_on(
    visible: str | None, cuda_counts: list[list[str]]
) -> None:
    with faked_driver(DISPLAY, A, visible=visible):
        uuids()
    assert cuda_counts == []


def test_slices_that_differ_need_no_order_of_their_one_gpu(cuda_counts: list[list[str]]) -> None:
    large = FakeGpu(uuid="MIG-33", name="NVIDIA A100 MIG 3g.40gb", memory=40 * GB)
    divided = replace(DIVIDED, slices=(*SLICES, large))
    with faked_driver(divided, visible="0"):
        assert uuids() == ["MIG-11"]
    assert cuda_counts == []


def test_trials_let_segments_of_memory_grow_unless_they_are_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert child_environment(1)["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128")
    assert "PYTORCH_ALLOC_CONF" not in child_environment(1)


def test_the_server_does_not_look_for_slices_which_only_cuda_itself_could_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-11")
    assert "CUDA_VISIBLE_DEVICES" not in child_environment(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert child_environment(1)["CUDA_VISIBLE_DEVICES"] == "1"


def test_the_made_up_driver_has_the_names_of_the_real_ones_library() -> None:
    library = pytest.importorskip("pynvml")
    for name in vars(FakeNvml):
        if name.startswith("_"):
            continue
        assert hasattr(library, name), name
    constants = [name for name in vars(FakeNvml) if name.startswith("NVML_")]
    assert constants
    for name in constants:
        assert getattr(FakeNvml, name) == getattr(library, name)
