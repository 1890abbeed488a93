"""Whether bfloat16 is used on a processor: flags, a measurement, and what is kept of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from xautolm.hardware import bf16, bf16_speedup, measuring, system_profile
from xautolm.records import SystemProfile
from xautolm.serialization import from_plain, to_plain

WITH_FLAG = "processor : 0\nmodel name : Fast (R) 9\nflags : fpu avx512f avx512_bf16\n\nprocessor : 1\nflags : fpu\n"
WITHOUT = "processor : 0\nmodel name : Slow\nflags : fpu avx512f avx512_vnni\n"


class Child:
    """Stands for the child that measures, and counts how often it is asked."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.times = 0

    def __call__(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.times += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return subprocess.CompletedProcess(command, 0, stdout=self.answer, stderr="")


def speedup_on(flags: str, child: Child, folder: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return what a new process would say on a processor with these flags."""
    path = folder / "cpuinfo"
    path.write_text(flags)
    monkeypatch.setattr(bf16, "CPU_INFO", path)
    # Not `run` itself, by which other modules start other programs.
    standing = SimpleNamespace(run=child, SubprocessError=subprocess.SubprocessError)
    monkeypatch.setattr(measuring, "subprocess", standing)
    bf16_speedup.cache_clear()
    return bf16_speedup()


@pytest.fixture(autouse=True)
def forgotten() -> object:
    """Let no test's measurement be that of the next."""
    yield
    bf16_speedup.cache_clear()


def test_without_the_instructions_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child('{"speedup": 9.0}')
    assert speedup_on(WITHOUT, child, tmp_path, monkeypatch) == 0
    assert child.times == 0


def test_with_them_it_is_measured_once_for_each_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child('{"speedup": 1.4}')
    assert speedup_on(WITH_FLAG, child, tmp_path, monkeypatch) == 1.4
    assert speedup_on(WITH_FLAG, child, tmp_path, monkeypatch) == 1.4
    assert child.times == 1
    other = WITH_FLAG.replace("Fast", "Other").replace("avx512_bf16", "amx_bf16")
    assert speedup_on(other, child, tmp_path, monkeypatch) == 1.4
    assert child.times == 2


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[]",
        '{"speedup": NaN}',
        '{"speedup": -1.0}',
        '{"speedup": Infinity}',
        subprocess.TimeoutExpired("x", 1),
        OSError("no such program"),
    ],
)
def test_a_measurement_that_fails_leaves_float32_and_is_tried_again(
    answer: str | Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert speedup_on(WITH_FLAG, Child(answer), tmp_path, monkeypatch) == 0
    assert speedup_on(WITH_FLAG, Child('{"speedup": 1.3}'), tmp_path, monkeypatch) == 1.3


def test_the_machine_says_it_and_records_from_before_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert speedup_on(WITH_FLAG, Child('{"speedup": 1.4}'), tmp_path, monkeypatch) == 1.4
    machine = system_profile("cpu")
    assert machine.bf16_speedup == 1.4 and machine.computes_in_bf16
    plain = to_plain(machine)
    assert from_plain(SystemProfile, plain) == machine
    del plain["bf16_speedup"]
    assert not from_plain(SystemProfile, plain).computes_in_bf16
