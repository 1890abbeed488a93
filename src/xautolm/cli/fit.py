"""`xautolm fit`: data in, models and a report out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from xautolm.automl import AutoLM

Text = str | None


def option(text: str, default: str | None = None) -> Any:
    """Return an option that is None unless it is given.

    Args:
        text: What it does.
        default: What holds where it is not given, as `--help` shows it.
    """
    # Not in square brackets, which rich takes for markup and leaves out.
    shown = f"{text} (default: {default})" if default else text
    return typer.Option(help=shown, show_default=False)


def switch(names: str, text: str) -> Any:
    """Return a switch that is None unless it is given, so that it can overrule a file both ways.

    Args:
        names: Both of them, for example `--explain/--no-explain`.
        text: What it does.
    """
    return typer.Option(names, help=text, show_default=False)


Data = Annotated[
    Text,
    typer.Argument(
        help="CSV, TSV, JSON Lines or Parquet file, folder with train.*, or hub data set.", show_default=False
    ),
]
Config = Annotated[Path | None, option("YAML file with these options; those given here win.")]
Task = Annotated[
    Text,
    option(
        "Task type: text-, text-pair- or multilabel-classification, text- or text-pair-regression, question-answering, "
        "text-generation."
    ),
]
TextColumn = Annotated[Text, option("Name of the text column.")]
LabelColumn = Annotated[Text, option("Name of the label column.")]
Columns = Annotated[Text, option("Names of other columns: question=q,context=passage,answers=a.")]
Encoding = Annotated[Text, option("Encoding of the files: cp1252 (Windows), utf-16.", "utf-8")]
Validation = Annotated[Text, option("Data to validate on; else the data's own split, else one is made.")]
Test = Annotated[Text, option("Data that the search never sees; the winner is scored on it.")]
MaxTrain = Annotated[int | None, option("Train on at most N examples, sampled in proportion to the classes.")]
UnlabelledRows = Annotated[
    Text, option("Rows and splits without labels: drop them with a note, error, or none (no answer is right).", "drop")
]
Budget = Annotated[Text, option("Wall time for the search: 90s, 30m, 1h30m.", "30m without --trials")]
Trials = Annotated[int | None, option("Largest number of trials.")]
Objectives = Annotated[Text, option("Metrics and evaluation_time, separated by commas.", "f1_macro,evaluation_time")]
Models = Annotated[Text, option("Names, hub ids or folders, separated by commas; or auto.", "auto")]
Families = Annotated[Text, option("Of auto: encoder, decoder, encoder-decoder.", "what the task suggests")]
Methods = Annotated[Text, option("Fine-tuning methods, separated by commas: full, partial, lora, head.", "all")]
SpaceOption = Annotated[Text, option("Preset default or paper, or a YAML file of ranges.", "default")]
ExportOption = Annotated[Text, option("The winner's folder: any, or pipeline (what a plain pipeline loads).", "any")]
Sampler = Annotated[Text, option("Search strategy: xautolm, pge, tpe, nsga2, gp, random.", "xautolm")]
START = "moderate-linear for xautolm"
WarmStart = Annotated[
    Text, option("none, knn, a preset of the paper, or low|moderate|high-sum|linear|logarithmic.", START)
]
WarmStartOptions = Annotated[Text, option("Knobs of the warm start: k_positive=10,distance=cosine.")]
Hide = Annotated[Text, option("Past experiences not to be seen: data names, fingerprints, aliases, or self.")]
TrialTime = Annotated[Text, option("Wall time for one trial.", "a third of the budget")]
TrialMemory = Annotated[Text, option("Memory for one trial: 8GB.", "what the machine has")]
Parallel = Annotated[int | None, option("How many trials run at once.", "1")]
Device = Annotated[Text, option("auto, cpu, cuda, cuda:<index> or mps.", "auto")]
Seed = Annotated[int | None, option("Seed of splitting, searching and training.", "0")]
Store = Annotated[Text, option("Experience store: a file or a database URL.")]
Out = Annotated[Text, option("Folder of the run; an earlier run with the same settings is resumed.", "runs/<data>")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="Show nothing but errors and the result's folder.")]
ExplainFlag = Annotated[bool | None, switch("--explain/--no-explain", "Say of each proposal where it came from.")]
PruningFlag = Annotated[
    bool | None, switch("--pruning/--no-pruning", "Stop trials that can no longer reach the front. (default: pruning)")
]
RungsFlag = Annotated[
    bool | None,
    switch("--rungs/--no-rungs", "Try configurations on a part of large data first. (default: no-rungs)"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]


def fit(
    data: Data = None, config: Config = None, task: Task = None, text: TextColumn = None, label: LabelColumn = None,
    columns: Columns = None, encoding: Encoding = None, families: Families = None,
    validation: Validation = None, test: Test = None, max_train: MaxTrain = None,
    unlabelled: UnlabelledRows = None, budget: Budget = None,
    trials: Trials = None, objectives: Objectives = None, models: Models = None, methods: Methods = None,
    space: SpaceOption = None, export: ExportOption = None, sampler: Sampler = None, warm_start: WarmStart = None,
    warm_start_options: WarmStartOptions = None, hide: Hide = None, trial_time_limit: TrialTime = None,
    trial_memory_limit: TrialMemory = None, parallel: Parallel = None, device: Device = None, seed: Seed = None,
    store: Store = None, out: Out = None, pruning: PruningFlag = None, rungs: RungsFlag = None,
    explain: ExplainFlag = None,
    quiet: QuietFlag = False, as_json: JsonFlag = False,
) -> None:  # fmt: skip
    """Search for the best model and method, fine-tune, and keep the winner as a plain Hugging Face folder."""
    given = dict(locals())
    from xautolm.automl import AutoLM
    from xautolm.budget import process_started
    from xautolm.cli.signals import ending_in_order
    from xautolm.errors import UsageError
    from xautolm.report import choose_screen

    options = merged(given)
    source = options.pop("data", None)
    if source is None:
        raise UsageError("No training data.", fix="Give a file, folder or hub name, or `data:` in --config.")
    auto = AutoLM(**options)
    with ending_in_order():
        auto.fit(source, screen=choose_screen(quiet=quiet, as_json=as_json), started=process_started())
    auto.report()
    say_result(auto, as_json=as_json, quiet=quiet)


def merged(given: dict[str, Any]) -> dict[str, Any]:
    """Options from the configuration file, overruled by those given on the command line."""
    from xautolm.options import read_config

    config = given.pop("config")
    for name in ("quiet", "as_json"):
        given.pop(name)
    options = read_config(config) if config else {}
    for name, value in given.items():
        # What was not given is None; 0 and False were.
        if value is not None:
            options[name] = value
    return options


def say_result(auto: AutoLM, *, as_json: bool, quiet: bool) -> None:
    """The winner, its scores, and what lies where."""
    from xautolm.artifacts import summary
    from xautolm.best_folder import read_results
    from xautolm.report.result import print_result
    from xautolm.report.tables import pruning_account
    from xautolm.tasks import TASKS

    folder, results = auto.run_, read_results(auto.run_)
    experiences = auto.experiences_
    if as_json:
        value = summary(auto.info_, experiences, results) | {"event": "done", "folder": str(folder.root)}
        typer.echo(json.dumps(value))
    elif quiet:
        typer.echo(str(folder.root))
    else:
        inputs = tuple(TASKS.get(auto.info_.task).inputs)
        test = results.test if results else None
        print_result(folder, auto.best_, auto.pareto_front_, test, inputs, pruning_account(experiences))
