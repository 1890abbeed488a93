"""`xautolm report`: the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xautolm.cli.options import option

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Out = Annotated[Path | None, option("Where to write the page.", "report.html in the run")]


def report(run: Run, out: Out = None) -> None:
    """Write one self-contained HTML page about a run."""
    from xautolm.operations import report_run
    from xautolm.run_folder import RunFolder

    page = report_run(RunFolder(run.absolute()), out)
    typer.echo(str(page))
