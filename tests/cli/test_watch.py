"""`xautolm watch` as it is typed: it says where it is reached, ends in order, and refuses what it cannot show."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.played import played
from xautolm.cli import app
from xautolm.errors import UsageError
from xautolm.watching import WatchServer


def test_it_says_where_it_is_reached_and_ends_with_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "run")

    def interrupted(self: WatchServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WatchServer, "serve_forever", interrupted)
    result = CliRunner().invoke(app, ["watch", str(tmp_path / "run"), "--port", "0"])
    assert result.exit_code == 0 and result.stderr == "stopped\n"
    assert result.stdout.startswith("http://127.0.0.1:")


def test_a_port_in_use(tmp_path: Path) -> None:
    played(tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        result = CliRunner().invoke(app, ["watch", str(tmp_path / "run"), "--port", str(port)])
    assert isinstance(result.exception, UsageError)
    assert f"Port {port} is in use" in str(result.exception) and "--port" in str(result.exception)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["watch", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    assert "no folder of runs" in str(result.exception)
