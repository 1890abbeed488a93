"""`xautolm describe`: the meta-features of some data on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xautolm.cli.options import Given, takes_options

Data = Annotated[str, typer.Argument(help="Data, as for fit.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON, vectors included.")]


@takes_options("task", "text", "label", "columns", "encoding", "max_train", "unlabelled")
def describe(*, data: Data, as_json: JsonFlag = False, options: Given) -> None:
    """Print what meta-learning sees of a data set and this machine."""
    from xautolm.operations import describe_data
    from xautolm.options import FitOptions
    from xautolm.report.console import say
    from xautolm.report.features import feature_lines

    features = describe_data(data, None, FitOptions.parse(options))
    if as_json:
        say(json.dumps(features, indent=1))
    else:
        say("\n".join(feature_lines(features)))
