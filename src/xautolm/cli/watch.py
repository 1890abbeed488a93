"""`xautolm watch`: the page of a run while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[
    Path, typer.Argument(help="Folder of a run, or a folder of several.", show_default=False)
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of this machine; 0 for a free one.")
]
Store = Annotated[
    str | None,
    typer.Option(
        help="Experience store of the store's page: a file or a database URL.", show_default=False
    ),
]


def watch(run: Run, port: Port = 8010, store: Store = None) -> None:
    """Show the page of a run in a browser of this machine, live while it is searched, until Ctrl-C."""
    from xautolm.report.console import say
    from xautolm.watching import WatchServer

    with WatchServer(run.absolute(), port, store) as server:
        say(f"{server.address}/ shows {run}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped", is_error=True)
