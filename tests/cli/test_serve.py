"""`xautolm serve` as it is typed: it says where it is reached, and ends in order."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.played import FakePredictor, fake_predictor, played
from xautolm.cli import app
from xautolm.errors import UsageError
from xautolm.serving import Server

__all__ = ["fake_predictor"]


def test_it_says_where_it_is_reached_and_ends_with_ctrl_c(
    tmp_path: Path, fake_predictor: type[FakePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "run")

    def interrupted(self: Server) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "run"), "--port", "0"])
    assert result.exit_code == 0 and result.stderr == "stopped\n"
    assert result.stdout.startswith("http://127.0.0.1:")
    assert fake_predictor.loads == 1


def test_a_port_in_use(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    played(tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        command = ["serve", str(tmp_path / "run"), "--port", str(port)]
        result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UsageError)
    assert f"Port {port} is in use" in str(result.exception) and "--port" in str(result.exception)
    assert fake_predictor.loads == 0
