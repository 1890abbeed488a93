"""`xautolm describe`: the meta-features of some data on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xautolm.cli.fit import Columns, Encoding, LabelColumn, MaxTrain, Task, TextColumn, UnlabelledRows

Data = Annotated[str, typer.Argument(help="Data, as for fit.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON, vectors included.")]


def describe(
    data: Data, task: Task = None, text: TextColumn = None, label: LabelColumn = None, columns: Columns = None,
    encoding: Encoding = None, max_train: MaxTrain = None, unlabelled: UnlabelledRows = None, as_json: JsonFlag = False,
) -> None:  # fmt: skip
    """Print what meta-learning sees of a data set and this machine."""
    from xautolm.automl import AutoLM
    from xautolm.report.console import say
    from xautolm.report.features import feature_lines

    columns_said = {"text": text, "label": label, "columns": columns}
    options = {"task": task, **columns_said, "encoding": encoding, "max_train": max_train}
    options["unlabelled"] = unlabelled
    features = AutoLM(**{name: value for name, value in options.items() if value is not None}).describe(data)
    say(json.dumps(features, indent=1) if as_json else "\n".join(feature_lines(features)))
