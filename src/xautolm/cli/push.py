"""`xautolm push`: the winner on a model hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xautolm.publishing import Upload

Run = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
Repository = Annotated[str, typer.Argument(help="Owner and name on the hub.", show_default=False)]
Public = Annotated[bool, typer.Option("--public", help="Let everybody see it; private without.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show files and card as they would lie there; send nothing."),
]


def push(run: Run, repository: Repository, public: Public = False, dry_run: DryRun = False) -> None:
    """Put the best model of a run on the Hugging Face hub, with its card; private unless told otherwise."""
    from xautolm.publishing import planned_upload
    from xautolm.publishing import push as send
    from xautolm.report.console import say
    from xautolm.run_folder import RunFolder

    upload = planned_upload(RunFolder(run.absolute()), repository, is_private=not public)
    # To standard error, so that what a script reads is the address alone.
    if not upload.is_final:
        say("the search has not ended: this is its best model so far", is_error=True)
    if dry_run:
        _show(upload)
        return
    address = send(upload)
    say(address)


def _show(upload: Upload) -> None:
    """Print what a push would send."""
    from xautolm.report.console import say
    from xautolm.zoo import sized

    total = sum(upload.sizes.values())
    say(f"{upload.repository}, {upload.visibility}: {len(upload.sizes)} files, {sized(total)}")
    for place, size in upload.sizes.items():
        say(f"  {place}  {sized(size)}")
    say(f"\n{upload.card}")
