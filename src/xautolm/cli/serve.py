"""`xautolm serve`: the winner as a web service of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of this machine; 0 for a free one.")
]


def serve(run: Run, port: Port = 8000) -> None:
    """Answer POST /predict with the best model of a run, for programs of this machine, until Ctrl-C."""
    from xautolm.best_model import BestModel
    from xautolm.report.console import say
    from xautolm.run_folder import RunFolder
    from xautolm.serving import Server

    model = BestModel(RunFolder(run.absolute()))
    with Server(model, port) as server:
        say(
            f"{server.address}/predict (described in {server.address}/openapi.json); Ctrl-C ends it"
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped", is_error=True)
