"""`xautolm experience`: what was learned so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xautolm.experience import ExperienceStore, Row

app = typer.Typer(no_args_is_help=True)

Store = Annotated[
    str | None, typer.Option(help="Experience store: a file or a database URL.", show_default=False)
]
Task = Annotated[str | None, typer.Option(help="Only this task type.", show_default=False)]
Status = Annotated[
    str | None,
    typer.Option(help="Only complete, truncated, pruned or failed ones.", show_default=False),
]
Limit = Annotated[int, typer.Option(min=0, help="At most so many, the newest first.")]
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


def check_filters(store: ExperienceStore, task: str | None, status: str | None) -> None:
    """Refuse a task or a status that there is not: nothing would be found, and no one would know why.

    Args:
        store: What is looked into. It may hold tasks that are not registered here, such as those of Optuna studies.
        task: Name of a task type.
        status: How trials ended.

    Raises:
        UnknownNameError: It is misspelt.
    """
    from xautolm.errors import UnknownNameError
    from xautolm.tasks import TASKS
    from xautolm.vocabulary import TrialStatus

    if task is not None and not store.count(task):
        TASKS.get(task)
    statuses = [known.value for known in TrialStatus]
    if status is not None and status not in statuses:
        raise UnknownNameError("status", status, statuses)


@app.command("list")
def list_(
    store: Store = None,
    task: Task = None,
    status: Status = None,
    limit: Limit = 20,
    damaged: DamagedFlag = False,
) -> None:
    """List the newest experiences."""
    from xautolm.report.console import table_console
    from xautolm.report.experiences import damaged_table, experience_table

    with existing(store) as opened:
        check_filters(opened, task, status)
        if damaged:
            # All rows are read: what is wrong with a record is only found by reading it.
            rows = [row for row in opened.rows(task=task, status=status) if row.experience is None]
            table = damaged_table(
                [(row.id, row.run, row.data, row.problem) for row in rows[:limit]]
            )
        else:
            experiences = opened.experiences(task=task, status=status, limit=limit)
            table = experience_table(experiences)
        table_console().print(table)
        say_notes(opened)


@app.command()
def show(id: Id, store: Store = None) -> None:
    """Print one experience with everything that is known of it, as JSON."""
    from xautolm.printable import printable_json
    from xautolm.report.console import say
    from xautolm.serialization import to_plain

    with existing(store) as opened:
        experience = opened.get(id)
        say(printable_json(to_plain(experience)))


@app.command()
def stats(store: Store = None) -> None:
    """Count the experiences, by what they are of."""
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
        check_filters(opened, task, status)
        experiences = opened.experiences(task=task, status=status)
        count = export_experiences(experiences, path)
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
    # The file is read before the store is opened: where it cannot be read, no store is made.
    if origin == "autogoal":
        # The paper's files say 0 for the memory of the GPU, so a person has to.
        memory = parse_size(gpu_memory)
        read = import_autogoal(source, memory)
    else:
        read = import_experiences(source)
    with ExperienceStore(store) as opened:
        added = opened.add(read.experiences)
        known_count = len(read.experiences) - added
        skipped_count = len(read.skipped)
        say(f"{added} added, {known_count} known already, {skipped_count} skipped; {opened.name}")
    for line in read.skipped:
        say(f"skipped {line}", is_error=True)
    if known_count and gpu_memory is not None:
        say("What is known already stays as it is, whatever GPU memory it was imported with.")


@app.command()
def merge(other: Other, store: Store = None) -> None:
    """Add the experiences of another store."""
    from xautolm.experience import ExperienceStore
    from xautolm.report.console import say

    with ExperienceStore(other, must_exist=True) as source:
        experiences = source.experiences()
        with ExperienceStore(store) as opened:
            added = opened.add(experiences)
            known_count = len(experiences) - added
            say(f"{added} added, {known_count} known already; {opened.name}")
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

    # Without any, all experiences would be meant.
    if not (ids or run or alias or data or damaged):
        raise UsageError(
            "Nothing says which experiences to delete.",
            fix="Give ids, or --run, --alias, --data or --damaged.",
        )
    with existing(store) as opened:
        candidates = [opened.row(start) for start in ids] if ids else opened.rows(run=run)
        meant_ids: list[str] = []
        for row in candidates:
            if is_meant(row, run, alias, data, damaged=damaged):
                meant_ids.append(row.id)
        if not meant_ids:
            raise UsageError(
                "No such experience.", got=opened.name, fix="See `xautolm experience list`."
            )
        if not yes:
            question = f"Delete {len(meant_ids)} experiences for good from {opened.name}?"
            typer.confirm(question, abort=True)
        count = opened.delete(meant_ids)
        say(f"{count} experiences deleted; {opened.name}")


def is_meant(
    row: Row, run: str | None, alias: str | None, data: str | None, *, damaged: bool
) -> bool:
    """Return whether all that was asked holds for a row; nothing is known of the alias in a damaged record."""
    is_damaged = row.experience is None
    has_alias = row.experience is not None and row.experience.alias == alias
    is_of_run = run is None or row.run == run
    is_of_alias = alias is None or has_alias
    is_of_data = data is None or row.data == data
    is_in_state = is_damaged or not damaged
    return is_of_run and is_of_alias and is_of_data and is_in_state


def existing(location: str | None) -> ExperienceStore:
    """Return a store to look into: one that was named is not made where there is none."""
    from xautolm.experience import ExperienceStore

    # The usual store is made where there is none: a person who has run nothing yet is told that it is empty.
    is_named = location is not None
    return ExperienceStore(location, must_exist=is_named)


def say_notes(store: ExperienceStore) -> None:
    """Say on standard error what was left out of what was read."""
    from xautolm.report.console import say

    if store.damaged_ids:
        say(store.damage_note, is_error=True)
