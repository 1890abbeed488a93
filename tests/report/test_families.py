from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from xautolm.cli import app


def test_the_page_in_the_docs_is_current() -> None:
    done = CliRunner().invoke(app, ["models", "matrix"])
    assert done.exit_code == 0
    assert done.stdout == (Path(__file__).parents[2] / "docs" / "families.md").read_text()
