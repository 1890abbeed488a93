"""`xautolm push` as it is typed: what a dry run prints, and what is asked of the hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.played import played
from tests.small_hub import SmallHub, small_hub
from xautolm.cli import app
from xautolm.run_folder import RunFolder

__all__ = ["small_hub"]
PUSH = [sys.executable, "-m", "xautolm", "push"]


def test_a_dry_run_shows_the_files_and_the_card(tmp_path: Path) -> None:
    played(tmp_path / "run")
    result = CliRunner().invoke(app, ["push", str(tmp_path / "run"), "me/tickets", "--dry-run"])
    assert result.exit_code == 0, result.output
    first_line, *lines = result.stdout.splitlines()
    assert first_line.startswith("me/tickets, private: ")
    assert any(line.startswith("  xautolm.json  ") for line in lines)
    assert "model-index:" in lines


def test_a_push_of_a_process_of_its_own(
    tmp_path: Path, small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "run")
    weights = RunFolder(tmp_path / "run").best / "model.safetensors"
    weights.write_bytes(b"weights")
    command = [*PUSH, str(tmp_path / "run"), "me/tickets"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2 and "Nobody has signed in" in refused.stderr
    assert "Traceback" not in refused.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    small_hub.writers.add("hf_writer")
    done = subprocess.run([*command, "--public"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{small_hub.address}/me/tickets\n"), done.stderr
    shelf = small_hub.shelves["me/tickets"]
    assert shelf.files["model.safetensors"] == b"weights" and not shelf.private
