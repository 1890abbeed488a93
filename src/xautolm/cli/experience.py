"""`xautolm experience`: what was learned so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xautolm.experience import ExperienceStore
    from xautolm.experience.store import Row

app = typer.Typer(no_args_is_help=True)

Store = Annotated[
    str | None, typer.Option(help="Experience store: a file or a database URL.", show_default=False)
]
Task = Annotated[str | None, typer.Option(help="Only this task type.", show_default=False)]
Status = Annotated[
    str | None,
    typer.Option(help="Only complete, truncated, pruned or failed ones.", show_default=False),
]
Limit = Annotated[int, typer.Option(help="At most so many, the newest first.")]
Id = Annotated[str, typer.Argument(help="Beginning of an experience's id.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A .jsonl or .parquet file.", show_default=False)]
Source = Annotated[
    Path,
    typer.Argument(
        help="A .jsonl or .parquet file; with --from autogoal, a folder.", show_default=False
    ),
]
Origin = Annotated[
    str, typer.Option("--from", help="Who wrote it: xautolm, or autogoal for the paper's store.")
]
GpuMemory = Annotated[
    str | None,
    typer.Option(
        help="GPU memory of the paper's machine: 24GB; its files say 0.", show_default=False
    ),
]
DamagedFlag = Annotated[
    bool, typer.Option("--damaged", help="Only records that are damaged or mean nothing.")
]
Ids = Annotated[
    list[str] | None, typer.Argument(help="Beginnings of experiences' ids.", show_default=False)
]
Run = Annotated[str | None, typer.Option(help="Only those of this run.", show_default=False)]
Alias = Annotated[str | None, typer.Option(help="Only those with this alias.", show_default=False)]
DataName = Annotated[
    str | None, typer.Option("--data", help="Only those on data of this name.", show_default=False)
]
YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Other = Annotated[
    str, typer.Argument(help="Another store: a file or a database URL.", show_default=False)
]


@app.command("list")
def list_(
    store: Store = None,
    task: Task = None,
    status: Status = None,
    limit: Limit = 20,
    damaged: DamagedFlag = False,
) -> None:
    """The newest experiences."""
    from xautolm.report.console import table_console
    from xautolm.report.experiences import damaged_table, experience_table

    with existing(store) as opened:
        if damaged:
            rows = [row for row in opened.rows(task=task, status=status) if row.experience is None]
            table = damaged_table(
                [(row.id, row.run, row.data, row.problem) for row in rows[:limit]]
            )
        else:
            table = experience_table(opened.experiences(task=task, status=status, limit=limit))
        table_console().print(table)
        say_notes(opened)


@app.command()
def show(id: Id, store: Store = None) -> None:
    """One experience with everything that is known of it, as JSON."""
    from xautolm.printable import printable_json
    from xautolm.report.console import say
    from xautolm.serialization import to_plain

    with existing(store) as opened:
        say(printable_json(to_plain(opened.get(id))))


@app.command()
def stats(store: Store = None) -> None:
    """How many experiences there are, by what."""
    from xautolm.printable import printable_line
    from xautolm.report.console import say

    with existing(store) as opened:
        counts = opened.counts()
        say(f"{counts['status'].total()} experiences in {opened.name}")
        for name, counter in counts.items():
            for value, count in counter.most_common():
                say(f"{name:<8} {count:>6}  {printable_line(value)}")
        say_notes(opened)


@app.command()
def export(path: File, store: Store = None, task: Task = None, status: Status = None) -> None:
    """Write experiences to a file that others can import."""
    from xautolm.experience import export_experiences
    from xautolm.report.console import say

    with existing(store) as opened:
        count = export_experiences(opened.experiences(task=task, status=status), path)
        say(f"{count} experiences in {path}")
        say_notes(opened)


@app.command("import")
def import_(
    source: Source, store: Store = None, origin: Origin = "xautolm", gpu_memory: GpuMemory = None
) -> None:
    """Add experiences from a file; those that do not fit are listed and skipped."""
    from xautolm.errors import UnknownNameError
    from xautolm.experience import ExperienceStore, import_autogoal, import_experiences
    from xautolm.options import parse_size
    from xautolm.report.console import say

    if origin not in {"xautolm", "autogoal"}:
        raise UnknownNameError("origin", origin, ("xautolm", "autogoal"))
    read = (
        import_autogoal(source, parse_size(gpu_memory))
        if origin == "autogoal"
        else import_experiences(source)
    )
    with ExperienceStore(store) as opened:
        added = opened.add(read.experiences)
        known = len(read.experiences) - added
        say(f"{added} added, {known} known already, {len(read.skipped)} skipped; {opened.name}")
    for line in read.skipped:
        say(f"skipped {line}", is_error=True)


@app.command()
def merge(other: Other, store: Store = None) -> None:
    """Add the experiences of another store."""
    from xautolm.experience import ExperienceStore
    from xautolm.report.console import say

    with ExperienceStore(other, must_exist=True) as source:
        experiences = source.experiences()
        with ExperienceStore(store) as opened:
            added = opened.add(experiences)
            say(f"{added} added, {len(experiences) - added} known already; {opened.name}")
        say_notes(source)


@app.command()
def delete(
    ids: Ids = None,
    run: Run = None,
    alias: Alias = None,
    data: DataName = None,
    damaged: DamagedFlag = False,
    store: Store = None,
    yes: YesFlag = False,
) -> None:
    """Delete experiences: those with these ids, or all for which everything holds that is asked."""
    from xautolm.errors import UsageError
    from xautolm.report.console import say

    if not (ids or run or alias or data or damaged):
        raise UsageError(
            "Nothing says which experiences to delete.",
            fix="Give ids, or --run, --alias, --data or --damaged.",
        )
    with existing(store) as opened:
        candidates = [opened.row(start) for start in ids] if ids else opened.rows(run=run)
        chosen = [row.id for row in candidates if is_meant(row, run, alias, data, damaged=damaged)]
        if not chosen:
            raise UsageError(
                "No such experience.", got=opened.name, fix="See `xautolm experience list`."
            )
        if not yes:
            typer.confirm(
                f"Delete {len(chosen)} experiences for good from {opened.name}?", abort=True
            )
        say(f"{opened.delete(chosen)} experiences deleted; {opened.name}")


def is_meant(
    row: Row, run: str | None, alias: str | None, data: str | None, *, damaged: bool
) -> bool:
    """Return whether all that was asked holds for a row; nothing is known of the alias in a damaged record."""
    has_alias = row.experience is not None and row.experience.alias == alias
    return (
        (run is None or row.run == run)
        and (alias is None or has_alias)
        and (data is None or row.data == data)
        and (not damaged or row.experience is None)
    )


def existing(location: str | None) -> ExperienceStore:
    """Return a store to look into: one that was named is not made where there is none."""
    from xautolm.experience import ExperienceStore

    return ExperienceStore(location, must_exist=location is not None)


def say_notes(store: ExperienceStore) -> None:
    """Say on standard error what was left out of what was read."""
    from xautolm.report.console import say

    if store.damaged_ids:
        say(store.damage_note, is_error=True)
