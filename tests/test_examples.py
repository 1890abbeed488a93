"""Every example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("[0-9]*.py"))
SEARCHES = {"01_first.py"}
"""Examples that search for a minute."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.name in SEARCHES else [])
        for path in EXAMPLES
    ],
    ids=lambda path: path.name,
)
def test_example(path: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, path, tmp_path / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (tmp_path / "run" / "report.html").exists() == ("OUT" in path.read_text())
