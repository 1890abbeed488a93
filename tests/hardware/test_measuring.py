"""Children that measure: what of their end is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xautolm.hardware import measuring
from xautolm.hardware.measuring import ProgramFailedError, answer_of


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a module that a child can run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "a_program.py"


def test_what_a_child_prints_is_read(program: Path) -> None:
    program.write_text("import json, sys; print(json.dumps({'arguments': len(sys.argv)}))")
    assert answer_of("a_program") == {"arguments": 2}


def test_the_reason_of_a_failure_is_told(program: Path) -> None:
    program.write_text("raise RuntimeError('CUDA out of memory')")
    with pytest.raises(ProgramFailedError, match=r"exit code 1: .*CUDA out of memory"):
        answer_of("a_program")


def test_a_child_that_is_killed_has_no_reason_of_its_own(program: Path) -> None:
    program.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(subprocess.SubprocessError) as caught:
        answer_of("a_program")
    assert not isinstance(caught.value, ProgramFailedError)


def test_a_child_that_hangs_is_ended(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(measuring, "SECONDS", 0.5)
    with pytest.raises(subprocess.TimeoutExpired):
        answer_of("a_program")
