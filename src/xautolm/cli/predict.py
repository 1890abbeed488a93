"""`xautolm predict` and `xautolm evaluate`: the winner at work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xautolm.cli.options import Given, takes_options

if TYPE_CHECKING:
    from xautolm.best_model import BestModel
    from xautolm.cli.inputs import InputOptions, Question

STANDARD_INPUT = Path("-")
"""Stands for standard input in place of a text or a file."""
Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Texts = Annotated[
    list[str] | None,
    typer.Argument(
        help="Texts or questions, or pairs with a tab (or \\t) between; lines of standard input without any.",
        show_default=False,
    ),
]
Input = Annotated[
    Path | None,
    typer.Option(
        "--input",
        "-i",
        help="File whose rows are predicted for: CSV, TSV, JSON, JSON Lines, Parquet, or TXT with a text in each line.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File for the rows and their predictions: CSV, TSV, JSON Lines, Parquet, or TXT with predictions only.",
        show_default=False,
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        "--text",
        help="Column of the input file that holds the texts.",
        show_default=False,
    ),
]
Context = Annotated[
    Path | None, typer.Option(help="Text file that the questions are about.", show_default=False)
]
JsonFlag = Annotated[
    bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")
]


@takes_options("columns", "encoding")
def predict(
    *,
    run: Run,
    texts: Texts = None,
    source: Input = None,
    output: Output = None,
    column: Column = None,
    context: Context = None,
    as_json: JsonFlag = False,
    options: Given,
) -> None:
    """Predict with the best model of a run: for texts, lines, or the rows of a file, as many rows out as in."""
    from xautolm.best_model import BestModel
    from xautolm.cli.answers import (
        check_output,
        check_rows,
        json_lines,
        shown_lines,
        write_answers,
    )
    from xautolm.cli.inputs import InputOptions
    from xautolm.report.console import for_output, say
    from xautolm.run_folder import RunFolder

    # Whatever can be refused is refused before the weights are loaded, which happens at the first question.
    model = BestModel(RunFolder(run.absolute()))
    reading = InputOptions(
        task=model.task,
        context=context,
        column=column,
        columns=options.get("columns"),
        encoding=options.get("encoding"),
    )
    if output is not None:
        check_output(output, source)
    question = _question(model, texts, source, reading)
    # Notes go to standard error, so that standard output has nothing but answers.
    for note in question.notes:
        say(note, is_error=True)
    if output is not None or as_json:
        check_rows(question.rows, output, model.task.problem_type)
    if output is not None:
        write_answers(output, question, model)
        say(f"{len(question.rows)} rows: {output}", is_error=True)
        return
    predictions = model.predictions(question.inputs)
    if as_json:
        for line in json_lines(question, predictions, model.info.labels):
            typer.echo(for_output(line))
    else:
        for line in shown_lines(question, predictions):
            typer.echo(for_output(line))


def _question(
    model: BestModel, texts: list[str] | None, source: Path | None, options: InputOptions
) -> Question:
    """Return what is asked: the rows of a file, texts, or the lines of standard input.

    Raises:
        UsageError: Several of them, or options of one with another.
    """
    from xautolm.cli.inputs import file_asked, lines_asked, refuse_files, texts_asked
    from xautolm.errors import UsageError

    if texts and source is not None:
        value = f"{len(texts)} texts, the first {texts[0]!r}, and --input {source}"
        raise UsageError("Texts or --input, not both.", got=value)
    if source not in (None, STANDARD_INPUT):
        return file_asked(source, options, model.info.columns)
    # Texts and lines have no columns.
    if options.column is not None or options.columns is not None:
        name = options.column or options.columns
        raise UsageError("--column and --columns are of the file that --input names.", got=name)
    is_standard_input = texts == [str(STANDARD_INPUT)]
    if texts and not is_standard_input:
        refuse_files(texts, model.run.root)
        return texts_asked(texts, options)
    if sys.stdin is None:
        raise UsageError("There are no texts, and the standard input is closed.")
    # As bytes: the encoding of the terminal need not be that of what is piped in.
    content = sys.stdin.buffer.read()
    return lines_asked(content, "standard input", options)


@takes_options("objectives", "text", "label", "columns", "encoding", "unlabelled")
def evaluate(
    *,
    run: Run,
    data: Annotated[str, typer.Argument(help="Labelled data, as for fit.", show_default=False)],
    options: Given,
) -> None:
    """Score the best model of a run on data that the search never saw."""
    from xautolm.best_model import BestModel
    from xautolm.operations import evaluate_run
    from xautolm.options import FitOptions
    from xautolm.report import score_text
    from xautolm.run_folder import RunFolder

    fit_options = FitOptions.parse(options)
    model = BestModel(RunFolder(run.absolute()))
    scores = evaluate_run(model, data, None, fit_options)
    for name, score in scores.items():
        typer.echo(f"{name}\t{score_text(score)}")
