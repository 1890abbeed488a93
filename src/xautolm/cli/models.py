"""`xautolm models`: the zoo and the search space."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Here = Annotated[
    bool,
    typer.Option("--here", help="Only models on this machine: packaged, from scratch, or cached."),
]
Name = Annotated[str, typer.Argument(help="Name of a model.", show_default=False)]
Models = Annotated[
    str, typer.Option(help="Names, hub ids or folders, separated by commas; or auto.")
]
TaskOption = Annotated[str, typer.Option("--task", help="Task type.")]
Methods = Annotated[
    str, typer.Option(help="Methods, separated by commas; all by default.", show_default=False)
]
SpaceOption = Annotated[
    str, typer.Option(help="Preset default or paper, or a YAML file of ranges.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_(here: Here = False) -> None:
    """The models of the zoo."""
    from xautolm.report.console import table_console
    from xautolm.report.zoo import zoo_table
    from xautolm.zoo import ZOO, local_models

    cards = ZOO.things
    table_console().print(zoo_table(local_models(cards) if here else list(cards.values())))


@app.command()
def show(name: Name) -> None:
    """Everything that is known of a model, as JSON."""
    from xautolm.serialization import to_plain
    from xautolm.zoo import ZOO

    typer.echo(json.dumps(to_plain(ZOO.get(name)), indent=1))


@app.command()
def space(
    models: Models = "auto",
    task: TaskOption = "text-classification",
    methods: Methods = "",
    space: SpaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Print the search space: every parameter with its range and default, under the branch that opens it.

    Shown for texts of any length and 1,000 training examples; `fit` narrows it to the data.
    """
    from xautolm.hardware import system_profile
    from xautolm.options import parse_names
    from xautolm.report.console import say
    from xautolm.report.zoo import space_lines
    from xautolm.search_space import build_space, generic_data, read_space_option
    from xautolm.tasks import TASKS
    from xautolm.zoo import ZOO, find_models

    preset, changes = read_space_option(space)
    kind = TASKS.get(task)
    cards = find_models(parse_names(models), ZOO.things, kind.families)
    built = build_space(
        preset, kind, cards, parse_names(methods), generic_data(), system_profile(), changes
    )
    say(json.dumps(built.to_plain(), indent=1) if as_json else "\n".join(space_lines(built)))


@app.command()
def matrix() -> None:
    """Which family does which task by which methods, and why not, as Markdown."""
    from xautolm.methods import METHODS
    from xautolm.report.families import families_page
    from xautolm.search_space import form_problems
    from xautolm.tasks import TASKS
    from xautolm.zoo import ZOO

    page = families_page(
        ZOO.things,
        lambda task, method, card: form_problems(TASKS.get(task), METHODS.get(method), card),
    )
    typer.echo(page, nl=False)
