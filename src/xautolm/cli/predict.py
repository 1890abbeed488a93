"""`xautolm predict` and `xautolm evaluate`: the winner at work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xautolm.cli.fit import Columns, LabelColumn, TextColumn

if TYPE_CHECKING:
    from xautolm.automl import AutoLM

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

    auto = AutoLM.load(run)
    given = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    inputs = as_inputs(given, auto, context)
    rows = auto.predict_proba(inputs) if auto.classes_ else [None] * len(given)
    for text, answer, row in zip(given, auto.predict(inputs), rows, strict=True):
        if as_json:
            chances = {} if row is None else {"probabilities": dict(zip(auto.classes_, map(float, row), strict=True))}
            typer.echo(json.dumps({"text": text, "prediction": answer, **chances}, ensure_ascii=False))
        else:
            said = [] if row is None else [f"{row.max():.3f}"]
            typer.echo("\t".join([shown(answer), *said, text]))


def shown(answer: str | float | list[str]) -> str:
    """A prediction for a person."""
    if isinstance(answer, float):
        return f"{answer:.4g}"
    return (answer if isinstance(answer, str) else ", ".join(answer)) or "(none)"


def as_inputs(texts: list[str], auto: AutoLM, context: Path | None) -> Any:
    """What the run's task wants: texts, pairs of texts, or questions about a context.

    Raises:
        UsageError: A context is missing, or is not wanted, or cannot be read; or a text is no pair.
    """
    from xautolm.errors import UsageError
    from xautolm.tasks import TASKS

    names = list(TASKS.get(auto.info_.task).inputs)
    if ("context" in names) != (context is not None):
        wants = "needs --context FILE" if context is None else "has no context"
        raise UsageError(f"The run's task, {auto.info_.task}, {wants}.")
    if context is None and len(names) > 1:
        rows = [text.split("\t") for text in texts]
        wrong = [text for text, row in zip(texts, rows, strict=True) if len(row) != len(names)]
        if wrong:
            raise UsageError(f"{auto.info_.task} needs {' and '.join(names)} with a tab between.", got=repr(wrong[0]))
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}
    if context is None:
        return texts
    try:
        passage = context.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The context cannot be read.", got=f"{context}: {error}") from None
    return {"context": [passage] * len(texts), "question": texts}


def evaluate(
    run: Run,
    data: Annotated[str, typer.Argument(help="Labelled data, as for fit.", show_default=False)],
    text: TextColumn = None,
    label: LabelColumn = None,
    columns: Columns = None,
) -> None:
    """Score the best model of a run on data that the search never saw."""
    from xautolm.automl import AutoLM

    named = {"text": text, "label": label, "columns": columns}
    auto = AutoLM.load(run, **{name: value for name, value in named.items() if value is not None})
    for name, value in auto.evaluate(data).items():
        typer.echo(f"{name}\t{value:.4f}")
