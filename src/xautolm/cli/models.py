"""`xautolm models`: the zoo and the search space."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xautolm.records import ModelCard

app = typer.Typer(no_args_is_help=True)

OnThisMachine = Annotated[
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
def list_(on_this_machine: OnThisMachine = False) -> None:
    """List the models of the zoo."""
    from xautolm.report.console import table_console
    from xautolm.report.zoo import zoo_table
    from xautolm.zoo import ZOO, local_models

    cards = list(ZOO.things.values())
    if on_this_machine:
        cards = local_models(ZOO.things)
    table = zoo_table(cards)
    table_console().print(table)


@app.command()
def show(name: Name) -> None:
    """Print everything that is known of a model, as JSON."""
    from xautolm.serialization import to_plain
    from xautolm.zoo import ZOO, find_models, known_card

    # What the zoo knows is shown wherever the model lies; a folder of that name goes before all but its exact names.
    is_folder = Path(name).expanduser().is_dir()
    card = known_card(name, ZOO.things, exactly=is_folder)
    if card is None:
        (card,) = find_models([name], ZOO.things)
    typer.echo(json.dumps(to_plain(card), indent=1))


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
    from xautolm.options import parse_models, parse_names
    from xautolm.report.console import say
    from xautolm.report.zoo import space_lines
    from xautolm.search_space import build_space, generic_data, read_space_option
    from xautolm.tasks import TASKS
    from xautolm.zoo import ZOO, find_models

    preset, changes = read_space_option(space)
    task_type = TASKS.get(task)
    system = system_profile()
    cards = find_models(parse_models(models), ZOO.things, task_type.families, system=system)
    method_names = parse_names(methods)
    data = generic_data()
    built = build_space(preset, task_type, cards, method_names, data, system, changes)
    # Ranges of the user's own and names of folders stand in it: `say` makes them harmless for a terminal.
    if as_json:
        say(json.dumps(built.to_plain(), indent=1))
        return
    lines = space_lines(built)
    say("\n".join(lines))


@app.command()
def matrix() -> None:
    """Print which family does which task by which methods, and why not, as Markdown."""
    from xautolm.methods import METHODS
    from xautolm.report.families import families_page
    from xautolm.search_space import form_problems
    from xautolm.tasks import TASKS
    from xautolm.zoo import ZOO

    def problems(task: str, method: str, card: ModelCard) -> Mapping[str, str]:
        return form_problems(TASKS.get(task), METHODS.get(method), card)

    page = families_page(ZOO.things, problems)
    # The page ends in a line end, and is compared with the one in the documentation letter by letter.
    typer.echo(page, nl=False)
