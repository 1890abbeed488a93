"""`xautolm experience`: what was learned so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Store = Annotated[str | None, typer.Option(help="Experience store: a file or a database URL.", show_default=False)]
Task = Annotated[str | None, typer.Option(help="Only this task type.", show_default=False)]
Status = Annotated[str | None, typer.Option(help="Only complete, truncated or failed trials.", show_default=False)]
Limit = Annotated[int, typer.Option(help="At most so many, the newest first.")]
Id = Annotated[str, typer.Argument(help="Beginning of an experience's id.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A .jsonl or .parquet file.", show_default=False)]
Source = Annotated[
    Path, typer.Argument(help="A .jsonl or .parquet file; with --from autogoal, a folder.", show_default=False)
]
Origin = Annotated[str, typer.Option("--from", help="Who wrote it: xautolm, or autogoal for the paper's store.")]
GpuMemory = Annotated[
    str | None, typer.Option(help="GPU memory of the paper's machine: 24GB; its files say 0.", show_default=False)
]
Other = Annotated[str, typer.Argument(help="Another store: a file or a database URL.", show_default=False)]


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


@app.command()
def export(path: File, store: Store = None, task: Task = None, status: Status = None) -> None:
    """Write experiences to a file that others can import."""
    from xautolm.experience import ExperienceStore, export_experiences

    with ExperienceStore(store) as opened:
        typer.echo(f"{export_experiences(opened.experiences(task=task, status=status), path)} experiences in {path}")


@app.command("import")
def import_(source: Source, store: Store = None, origin: Origin = "xautolm", gpu_memory: GpuMemory = None) -> None:
    """Add experiences from a file; those that do not fit are listed and skipped."""
    from xautolm.errors import UnknownNameError
    from xautolm.experience import ExperienceStore, import_autogoal, import_experiences
    from xautolm.options import parse_size

    if origin not in {"xautolm", "autogoal"}:
        raise UnknownNameError("origin", origin, ("xautolm", "autogoal"))
    read = import_autogoal(source, parse_size(gpu_memory)) if origin == "autogoal" else import_experiences(source)
    with ExperienceStore(store) as opened:
        added = opened.add(read.experiences)
        typer.echo(
            f"{added} added, {len(read.experiences) - added} known already, {len(read.skipped)} skipped; {opened.name}"
        )
    for line in read.skipped:
        typer.echo(f"skipped {line}", err=True)


@app.command()
def merge(other: Other, store: Store = None) -> None:
    """Add the experiences of another store."""
    from xautolm.experience import ExperienceStore

    with ExperienceStore(store) as opened, ExperienceStore(other) as source:
        found = source.experiences()
        added = opened.add(found)
        typer.echo(f"{added} added, {len(found) - added} known already; {opened.name}")
