"""`xautolm experience`: what was learned so far."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Store = Annotated[str | None, typer.Option(help="Experience store: a file or a database URL.", show_default=False)]
Task = Annotated[str | None, typer.Option(help="Only this task type.", show_default=False)]
Status = Annotated[str | None, typer.Option(help="Only complete, truncated or failed trials.", show_default=False)]
Limit = Annotated[int, typer.Option(help="At most so many, the newest first.")]
Id = Annotated[str, typer.Argument(help="Beginning of an experience's id.", show_default=False)]


@app.command("list")
def list_(store: Store = None, task: Task = None, status: Status = None, limit: Limit = 20) -> None:
    """The newest experiences."""
    from xautolm.experience import ExperienceStore
    from xautolm.report.console import table_console
    from xautolm.report.experiences import experience_table

    with ExperienceStore(store) as opened:
        table_console().print(experience_table(opened.experiences(task=task, status=status, limit=limit)))


@app.command()
def show(id: Id, store: Store = None) -> None:
    """One experience with everything that is known of it, as JSON."""
    from xautolm.documents import to_plain
    from xautolm.experience import ExperienceStore

    with ExperienceStore(store) as opened:
        typer.echo(json.dumps(to_plain(opened.get(id)), indent=1, ensure_ascii=False))


@app.command()
def stats(store: Store = None) -> None:
    """How many experiences there are, by what."""
    from xautolm.experience import ExperienceStore

    with ExperienceStore(store) as opened:
        typer.echo(f"{len(opened)} experiences in {opened.name}")
        for name, counter in opened.counts().items():
            for value, count in counter.most_common():
                typer.echo(f"{name:<8} {count:>6}  {value}")
