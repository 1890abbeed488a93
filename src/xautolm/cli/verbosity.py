"""How much the program says: `-v` before a command or after it."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from xautolm.cli.options import set_parameters
from xautolm.printable import printable

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""Level of the log by the number of `-v`."""

Verbosity = Annotated[
    int,
    typer.Option(
        "-v", "--verbose", count=True, help="Say more; twice for everything.", show_default=False
    ),
]


class PrintableFormatter(logging.Formatter):
    """Formats messages so that nothing in them commands the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, and a traceback if it has one."""
        # Texts of data and names of files stand in messages, and may hold anything.
        message = super().format(record)
        return printable(message)


def raise_verbosity(count: int) -> None:
    """Log at least as much as so many `-v` ask for; never less than was asked for before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    # Our own log only: with -vv, every library would say everything.
    logger = logging.getLogger("xautolm")
    position = min(count, len(LEVELS) - 1)
    level = LEVELS[position]
    # `-v` may stand before a command and after it: what the one asks for must not be taken back by the other. A logger
    # whose level was never set has 0, which is none.
    level_before = logger.level or logging.WARNING
    logger.setLevel(min(level, level_before))


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes `-v` besides its own options."""

    @functools.wraps(command)
    def verbose_command(*, verbose: int, **options: object) -> None:
        raise_verbosity(verbose)
        command(**options)

    signature = inspect.signature(command, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    verbose = inspect.Parameter("verbose", kind, default=0, annotation=Verbosity)
    # The last of a command's options, in `--help` too.
    parameters = [*signature.parameters.values(), verbose]
    set_parameters(verbose_command, parameters)
    return verbose_command


def give_verbosity(app: typer.Typer) -> None:
    """Let every command of a program, and of its groups, take `-v`."""
    for info in app.registered_commands:
        if info.callback is not None:
            info.callback = with_verbosity(info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            give_verbosity(group.typer_instance)
