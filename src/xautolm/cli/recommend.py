"""`xautolm recommend`: what experience says, before any training."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xautolm.cli.fit import (
    Budget,
    Columns,
    Device,
    Encoding,
    ExportOption,
    Families,
    Hide,
    LabelColumn,
    MaxTrain,
    Methods,
    Models,
    SpaceOption,
    Store,
    Task,
    TextColumn,
    TrialMemory,
    TrialTime,
    UnlabelledRows,
    WarmStart,
    WarmStartOptions,
)  # fmt: skip

Data = Annotated[str, typer.Argument(help="Data, as for fit.", show_default=False)]
Count = Annotated[int, typer.Option(help="How many configurations.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON.")]


def recommend(
    data: Data, task: Task = None, text: TextColumn = None, label: LabelColumn = None, max_train: MaxTrain = None,
    unlabelled: UnlabelledRows = None,
    columns: Columns = None, encoding: Encoding = None, families: Families = None, budget: Budget = None,
    models: Models = None, methods: Methods = None, space: SpaceOption = None,
    export: ExportOption = None, device: Device = None, hide: Hide = None,
    store: Store = None, trial_time_limit: TrialTime = None, trial_memory_limit: TrialMemory = None,
    warm_start: WarmStart = None, warm_start_options: WarmStartOptions = None, count: Count = 8,
    as_json: JsonFlag = False,
) -> None:  # fmt: skip
    """Rank configurations by experience: predicted quality, time, memory and risk, and because of what."""
    given = {name: value for name, value in locals().items() if name not in {"data", "count", "as_json"}}
    from xautolm.automl import AutoLM
    from xautolm.report.advice import advice_table
    from xautolm.report.console import say, table_console

    advice = AutoLM(**{name: value for name, value in given.items() if value is not None}).recommend(data, count=count)
    if as_json:
        typer.echo(json.dumps(advice))
        return
    table_console().print(advice_table(advice["recommendations"]))
    nearest = ", ".join(f"{name} at {distance:.2f}" for name, distance in list(advice["tasks"].items())[:5])
    say(f"\n{advice['note']}" + (f"\nnearest tasks: {nearest}" if nearest else ""))
