from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import patience
from xautolm import AutoLM


@pytest.mark.slow
def test_the_demo_as_the_readme_promises_it(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from xautolm.cli import main; main()",
        "demo",
        "--out",
        str(tmp_path / "demo"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ), timeout=patience(900)
    )
    assert done.returncode == 0, done.stderr
    assert "Pareto front" in done.stdout and "Where is my parcel?" in done.stdout
    best = AutoLM.load(tmp_path / "demo").best_.outcome.metrics["f1_macro"]
    assert 0.7 < best < 0.99  # learnable, but with ambiguity and wrong labels in it
