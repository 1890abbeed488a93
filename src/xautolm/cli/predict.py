"""`xautolm predict` and `xautolm evaluate`: the winner at work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Texts = Annotated[
    list[str] | None, typer.Argument(help="Texts; lines of standard input without any.", show_default=False)
]
JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")]


def predict(run: Run, texts: Texts = None, as_json: JsonFlag = False) -> None:
    """Predict with the best model of a run."""
    from xautolm.automl import AutoLM

    auto = AutoLM.load(run)
    given = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    probabilities = auto.predict_proba(given)
    for text, answer, row in zip(given, auto.predict(given), probabilities, strict=True):
        if as_json:
            chances = dict(zip(auto.classes_, map(float, row), strict=True))
            typer.echo(json.dumps({"text": text, "prediction": answer, "probabilities": chances}, ensure_ascii=False))
        else:
            typer.echo(
                f"{answer if isinstance(answer, str) else ', '.join(answer) or '(none)'}\t{row.max():.3f}\t{text}"
            )


def evaluate(
    run: Run, data: Annotated[str, typer.Argument(help="Labelled data, as for fit.", show_default=False)]
) -> None:
    """Score the best model of a run on data that the search never saw."""
    from xautolm.automl import AutoLM

    for name, value in AutoLM.load(run).evaluate(data).items():
        typer.echo(f"{name}\t{value:.4f}")
