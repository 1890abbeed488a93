"""The command line. `xautolm --help` must answer at once, so commands import what they need when they run."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Annotated

import typer

from xautolm import __version__
from xautolm.cli.demo import demo
from xautolm.cli.describe import describe
from xautolm.cli.experience import app as experience
from xautolm.cli.export import export
from xautolm.cli.fit import EXAMPLE, fit
from xautolm.cli.models import app as models
from xautolm.cli.options import CommandWithChoices
from xautolm.cli.predict import evaluate, predict
from xautolm.cli.push import push
from xautolm.cli.recommend import recommend
from xautolm.cli.report import report
from xautolm.cli.serve import serve
from xautolm.cli.verbosity import Verbosity, give_verbosity, raise_verbosity
from xautolm.cli.watch import watch
from xautolm.errors import XAutoLMError

__all__ = ["main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, which is 2."""
GARBAGE_THRESHOLD = 10_000
"""New objects after which Python looks for garbage, instead of 700.

What a command makes while it starts are modules and classes, which stay: to look at them again and again took a sixth
of the two processor seconds before the first trial of a search.
"""

app = typer.Typer(
    name="xautolm",
    help="Find the best language model and the best way to fine-tune it, on your data, within your budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=CommandWithChoices, epilog=EXAMPLE)(fit)
app.command(cls=CommandWithChoices)(describe)
app.command(cls=CommandWithChoices)(recommend)
app.command()(predict)
app.command()(evaluate)
app.command()(report)
app.command()(watch)
app.command()(push)
app.command()(serve)
app.command()(export)
app.command()(demo)
app.add_typer(experience, name="experience", help="Look into the experience store.")
app.add_typer(
    models,
    name="models",
    help="The models that can be fine-tuned, and the space of their hyperparameters.",
)
give_verbosity(app)


def _version(is_asked: bool) -> None:
    """Print the version and end, where it is asked for."""
    if is_asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def setup(
    verbose: Verbosity = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    raise_verbosity(verbose)


def main() -> None:
    """Run the program `xautolm`.

    Exit codes: 0 for success, 1 for a failed run, 2 for bad usage, 128 and the number of a signal that ended it, which
    for Ctrl-C is 130.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        app()
    # Our own errors say what to do; a trace would only hide it. Any other error is a bug, and shows its trace.
    except XAutoLMError as error:
        logger = logging.getLogger("xautolm")
        logger.debug("where the error arose", exc_info=error)
        notes: list[str] = getattr(error, "__notes__", [])
        lines = [f"error: {error}", *notes]
        print("\n".join(lines), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
