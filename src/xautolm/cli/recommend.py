"""`xautolm recommend`: what experience says, before any training."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xautolm.cli.options import Given, takes_options

NEAREST = 5
"""How many of the nearest data sets are named."""
OF_DATA = ("task", "text", "label", "columns", "encoding", "max_train", "unlabelled")
OF_SEARCH = (
    "models",
    "families",
    "methods",
    "space",
    "export",
    "warm_start",
    "warm_start_options",
    "hide",
    "starter",
)
OF_LIMITS = ("budget", "trial_time_limit", "trial_memory_limit", "device")

Data = Annotated[str, typer.Argument(help="Data, as for fit.", show_default=False)]
Count = Annotated[int, typer.Option(min=1, help="How many configurations.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON.")]


@takes_options(*OF_DATA, *OF_SEARCH, *OF_LIMITS, "store")
def recommend(*, data: Data, count: Count = 8, as_json: JsonFlag = False, options: Given) -> None:
    """Rank configurations by experience: predicted quality, time, memory and risk, and because of what."""
    from xautolm.operations import recommend_for
    from xautolm.options import FitOptions
    from xautolm.report.advice import advice_table
    from xautolm.report.console import say, table_console
    from xautolm.report.forecasts import check_in_words

    advice = recommend_for(data, None, FitOptions.parse(options), count)
    if as_json:
        typer.echo(json.dumps(advice.to_plain()))
        return
    rows = [recommendation.to_plain() for recommendation in advice.recommendations]
    table_console().print(advice_table(rows))
    say(f"\n{advice.note}")
    sentences = check_in_words(advice.check)
    if sentences:
        say("Past data sets, each foretold from the others:")
        for sentence in sentences:
            say(f"  {sentence}")
    if advice.tasks:
        # They come in the order of their distance.
        nearest = list(advice.tasks.items())[:NEAREST]
        descriptions = [f"{name} at {distance:.2f}" for name, distance in nearest]
        say("nearest tasks: " + ", ".join(descriptions))
