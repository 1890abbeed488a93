"""Experiences as files that people share: Parquet and JSON Lines, checked line by line when they come back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xautolm.errors import StoreError
from xautolm.experience.adoption import IMPORTED
from xautolm.experience.validation import read_record
from xautolm.records import Experience, digest_of, experience_id
from xautolm.serialization import to_plain, write_text
from xautolm.vocabulary import TABLE

NEWLINE = "\n"
SUFFIXES = (".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of reading experiences from outside."""

    experiences: Sequence[Experience]
    skipped: Sequence[str]
    """One line for each record that was not taken: where it is, and why."""


def export_experiences(experiences: Iterable[Experience], path: Path) -> int:
    """Write experiences as JSON Lines or Parquet, by the suffix; return how many.

    Raises:
        StoreError: Another suffix, or a place where nothing can be written.
    """
    if path.suffix not in SUFFIXES:
        raise _unknown_type(path)
    lines = [json.dumps(to_plain(experience)) for experience in experiences]
    try:
        if path.suffix == ".parquet":
            import pandas as pd

            frame = pd.DataFrame({"record": lines}, dtype="str")
            # Trials of one run share most of their text, which zstd finds however far apart it is.
            frame.to_parquet(path, compression="zstd")
        else:
            write_text(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise StoreError(
            "The file cannot be written.", got=error, fix="Choose another place."
        ) from None
    return len(lines)


def _unknown_type(path: Path) -> StoreError:
    return StoreError(
        "Unknown file type for experiences.", got=path, fix=f"Known: {', '.join(SUFFIXES)}."
    )


def import_experiences(path: Path) -> Imported:
    """Read experiences that another store exported. They are data: checked, never run.

    A record that does not fit is skipped and said; ids are computed anew from the content.

    Raises:
        StoreError: No such file, another suffix, or not a file of experiences at all.
    """
    if not path.is_file():
        raise StoreError("No such file.", got=path)
    experiences: list[Experience] = []
    skipped: list[str] = []
    for place, text in _records(path):
        try:
            experience = _read_foreign(text, path.name)
            experiences.append(experience)
        except ValueError as error:
            first_line = str(error).partition(NEWLINE)[0]
            skipped.append(f"{path.name}, {place}: {first_line[:200]}")
    return Imported(experiences=experiences, skipped=skipped)


def _records(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where each record of a file stands, and its text.

    Raises:
        StoreError: Another suffix, or a file that cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise _unknown_type(path)
    if path.suffix == ".parquet":
        for row, cell in enumerate(_parquet_cells(path)):
            yield f"row {row}", str(cell)
        return
    try:
        # Not `splitlines`: JSON may hold other characters that Unicode calls line ends.
        lines = path.read_text(encoding="utf-8-sig", errors="replace").split(NEWLINE)
    except OSError as error:
        raise StoreError("The file cannot be read.", got=error) from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"line {number}", line


def _parquet_cells(path: Path) -> list[object]:
    """Return the cells of the column of records.

    Raises:
        StoreError: There is no such column, or the file is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, columns=["record"])
        return list(table.column("record").to_pylist())
    except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
        reason = str(error).partition(NEWLINE)[0]
        raise StoreError("Not a Parquet file of experiences.", got=f"{path}: {reason}") from None


def identity_of(experience: Experience) -> str:
    """Return the id of an experience, by what it says and where it came from.

    What was read twice is then in a store once. Of our own searches, run, trial and configuration tell trials apart.
    """
    about = experience_id(experience.run, experience.trial, experience.configuration)
    parts: list[object] = []
    if experience.provenance.startswith(IMPORTED):
        # Each file of the paper's store is named by an identifier of its own; its trials have no numbers but those
        # that an import gives them, which depend on what else it reads.
        _, _, file_name = experience.provenance.rpartition("/")
        parts = [experience.alias, file_name, experience.created]
    elif experience.task == TABLE:
        # A row of a table is numbered by its place, in which another result may stand tomorrow.
        outcome = to_plain(experience.outcome)
        parts = [about, outcome, experience.objectives, experience.minimized]
    if not parts:
        return about
    digest = digest_of(parts)
    return digest[: len(about)]


def _read_foreign(text: str, source: str) -> Experience:
    """Return the experience of a record, with an id of its content: ids from outside are not believed."""
    experience = read_record(text)
    # What was imported before keeps the place where it came from first.
    provenance = experience.provenance or source
    return replace(experience, id=identity_of(experience), provenance=provenance)
