"""The starter store: experiences that come with the package, so that the very first search is not the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from xautolm.errors import StoreError
from xautolm.experience.exchange import import_experiences
from xautolm.records import Experience
from xautolm.settings import starter_file

STARTER = "starter store of xautolm"
"""Provenance of what comes with the package."""


def with_starter(
    stored: Sequence[Experience], task: str, say: Callable[[str], None]
) -> list[Experience]:
    """Return experiences of a store, and those of the starter store that it lacks.

    Args:
        stored: Of the user's own store.
        task: The task type.
        say: Told of a file that cannot be read, or of records that were left out.
    """
    own = {experience.id for experience in stored}
    started = [
        experience
        for experience in starter_experiences(starter_file(), say)
        if experience.task == task and experience.id not in own
    ]
    return [*stored, *started]


def starter_experiences(file: Path | None, say: Callable[[str], None]) -> Sequence[Experience]:
    """Return the experiences of a file, none where there is no file: trouble with it is no trouble of a search."""
    if file is None:
        return ()
    try:
        imported = import_experiences(file)
    except StoreError as error:
        reason = "; ".join(str(error).splitlines()[:2])
        say(f"the search goes on without the starter store: {reason}")
        return ()
    for note in imported.skipped[:1]:
        count = len(imported.skipped)
        say(f"{count} records of the starter store were left out; the first: {note}")
    return imported.experiences
