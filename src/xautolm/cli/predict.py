"""`xautolm predict` and `xautolm evaluate`: the winner at work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from xautolm.cli.fit import Columns, Encoding, LabelColumn, TextColumn, UnlabelledRows

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Texts = Annotated[
    list[str] | None,
    typer.Argument(
        help="Texts or questions, or pairs with a tab between; lines of standard input without any.", show_default=False
    ),
]
Context = Annotated[Path | None, typer.Option(help="Text file that the questions are about.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")]


def predict(run: Run, texts: Texts = None, context: Context = None, as_json: JsonFlag = False) -> None:
    """Predict with the best model of a run."""
    from xautolm.automl import AutoLM
    from xautolm.cli.inputs import table_of_texts
    from xautolm.report.console import for_output
    from xautolm.tasks import TASKS

    auto = AutoLM.load(run)
    given = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    inputs = table_of_texts(given, TASKS.get(auto.info_.task), context)
    rows = auto.predict_proba(inputs) if auto.classes_ else [None] * len(given)
    for text, answer, row in zip(given, auto.predict(inputs), rows, strict=True):
        if as_json:
            chances = {} if row is None else {"probabilities": dict(zip(auto.classes_, map(float, row), strict=True))}
            typer.echo(for_output(json.dumps({"text": text, "prediction": answer, **chances}, ensure_ascii=False)))
        else:
            said = [] if row is None else [f"{row.max():.3f}"]
            typer.echo(for_output("\t".join([shown(answer), *said, text])))


def shown(answer: str | float | list[str]) -> str:
    """A prediction for a person."""
    if isinstance(answer, float):
        return f"{answer:.4g}"
    return (answer if isinstance(answer, str) else ", ".join(answer)) or "(none)"


def evaluate(
    run: Run,
    data: Annotated[str, typer.Argument(help="Labelled data, as for fit.", show_default=False)],
    text: TextColumn = None,
    label: LabelColumn = None,
    columns: Columns = None,
    encoding: Encoding = None,
    unlabelled: UnlabelledRows = None,
) -> None:
    """Score the best model of a run on data that the search never saw."""
    from xautolm.automl import AutoLM

    named = {"text": text, "label": label, "columns": columns, "encoding": encoding}
    named["unlabelled"] = unlabelled
    auto = AutoLM.load(run, **{name: value for name, value in named.items() if value is not None})
    for name, value in auto.evaluate(data).items():
        typer.echo(f"{name}\t{value:.4f}")
