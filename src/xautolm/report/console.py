"""Where tables are printed."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 240


def table_console() -> Console:
    """Standard output: as wide as the terminal, or wide enough to cut nothing when it is a pipe or file."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
