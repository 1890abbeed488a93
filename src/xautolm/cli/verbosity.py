"""How much the program says: `-v` before a command or after it."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

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
        return printable(super().format(record))


def raise_verbosity(count: int) -> None:
    """Log at least as much as so many `-v` ask for; never less than was asked for before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logger = logging.getLogger("xautolm")
    wanted = LEVELS[min(count, len(LEVELS) - 1)]
    logger.setLevel(min(wanted, logger.level or logging.WARNING))


def with_verbosity(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that takes `-v` besides its own options."""

    @functools.wraps(command)
    def verbose_command(*, verbose: int, **options: Any) -> Any:
        raise_verbosity(verbose)
        return command(**options)

    # Typer reads parameters from the signature, and types from the annotations.
    signature = inspect.signature(command, eval_str=True)
    parameter = inspect.Parameter(
        "verbose", inspect.Parameter.KEYWORD_ONLY, default=0, annotation=Verbosity
    )
    parameters = [*signature.parameters.values(), parameter]
    verbose_command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    verbose_command.__annotations__ = {each.name: each.annotation for each in parameters}
    return verbose_command


def give_verbosity(app: typer.Typer) -> None:
    """Let every command of a program, and of its groups, take `-v`."""
    for info in app.registered_commands:
        if info.callback is not None:
            info.callback = with_verbosity(info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            give_verbosity(group.typer_instance)
