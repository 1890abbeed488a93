"""`xautolm fit`: data in, models and a report out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xautolm.cli.options import Given, option, takes_options
from xautolm.options import FitOptions, Group

if TYPE_CHECKING:
    from xautolm.run_folder import RunFolder

OUTPUT = Group.OUTPUT.value
EXAMPLE = (
    "Example: xautolm fit train.csv --test test.csv --budget 30m --objectives accuracy,evaluation_time "
    "--methods lora,probe --out runs/first"
)
"""Stands at the end of the help."""

Data = Annotated[
    str | None,
    typer.Argument(
        help="CSV, TSV, JSON Lines or Parquet file, folder with train.* or a folder for each class, or hub data set.",
        show_default=False,
    ),
]
Config = Annotated[Path | None, option("YAML file with these options; those given here win.")]
SaveConfig = Annotated[
    Path | None, option("Write the options of this run to a YAML file for --config.", None, OUTPUT)
]
QuietFlag = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Show nothing but errors and the result's folder.", rich_help_panel=OUTPUT
    ),
]
JsonFlag = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON object a line on standard output.", rich_help_panel=OUTPUT
    ),
]


@takes_options(*FitOptions.model_fields)
def fit(
    *,
    data: Data = None,
    config: Config = None,
    options: Given,
    save_config: SaveConfig = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Search for the best model and method, fine-tune, and keep the winner as a plain Hugging Face folder."""
    from xautolm.budget import process_started
    from xautolm.cli.signals import ending_in_order
    from xautolm.operations import fit_run, report_run
    from xautolm.report import choose_screen

    source, fit_options = merged(config, data, options)
    # Before the search: a search that is stopped leaves the file, too.
    if save_config is not None:
        write_config(save_config, source, fit_options)
    screen = choose_screen(quiet=quiet, as_json=as_json)
    # The time that the program took to start counts as part of the budget.
    with ending_in_order():
        folder = fit_run(source, None, fit_options, screen=screen, started=process_started())
    report_run(folder)
    say_result(folder, as_json=as_json, quiet=quiet)


def merged(config: Path | None, data: str | None, options: Given) -> tuple[str, FitOptions]:
    """Return the training data's name and the options: those of the command line, then those of a file.

    Raises:
        UsageError: Options that are not valid, or no data.
    """
    from xautolm.errors import UsageError
    from xautolm.options import read_config

    options_of_file: dict[str, Any] = read_config(config) if config else {}
    # `data` is an argument and no option; that of the command line goes before the file's.
    source = options_of_file.pop("data", None)
    if data is not None:
        source = data
    if source is None:
        raise UsageError(
            "No training data.", fix="Give a file, folder or hub name, or `data:` in --config."
        )
    merged_options = {**options_of_file, **options}
    return source, FitOptions.parse(merged_options)


def write_config(path: Path, data: str, options: FitOptions) -> None:
    """Write the YAML file from which `--config` reads the same data and options.

    Raises:
        UsageError: It cannot be written there.
    """
    from xautolm.errors import UsageError
    from xautolm.options import config_text
    from xautolm.serialization import write_named_text

    try:
        write_named_text(path, config_text(data, options))
    except OSError as error:
        raise UsageError(
            "The configuration cannot be written.", got=f"{path}: {error.strerror or error}"
        ) from None


def say_result(folder: RunFolder, *, as_json: bool, quiet: bool) -> None:
    """Print a run's winner, its scores, and what lies where."""
    from xautolm.artifacts import summary
    from xautolm.best_folder import best_of, front_of, read_results
    from xautolm.report import pruning_account
    from xautolm.report.result import print_result
    from xautolm.tasks import TASKS

    info = folder.info()
    results = read_results(folder)
    experiences = folder.experiences()
    if as_json:
        value = {**summary(info, experiences, results), "event": "done", "folder": str(folder.root)}
        typer.echo(json.dumps(value))
    elif quiet:
        typer.echo(str(folder.root))
    else:
        inputs = tuple(TASKS.get(info.task).inputs)
        test = results.test if results else None
        best = best_of(info, experiences)
        front = front_of(info, experiences)
        is_refit = results is not None and results.is_refit
        pruning = pruning_account(experiences)
        print_result(folder, best, front, test, inputs, pruning, is_refit=is_refit)
