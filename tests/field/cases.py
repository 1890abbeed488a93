"""What a field case says: an input as somebody brings it, and what must become of it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from xautolm.data import Dataset
from xautolm.errors import UsageError
from xautolm.options import FitOptions
from xautolm.scenario import read_data
from xautolm.tasks import TASKS

LONGEST_MESSAGE = 4
"""Lines that an error may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The input is read, and this is in it."""

    rows: int
    """Rows of all splits together."""
    test_rows: int | None = None
    """Rows of the test split; None: there is no test split."""
    classes: tuple[str, ...] | None = None
    """Class names in their order; None: not looked at."""
    probes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Cells that must be in a column, exactly: by the role's name (`text`, `label`, `target` ...)."""
    notes: tuple[str, ...] = ()
    """Parts of what a person must be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The input is refused by a `UsageError` whose message has all of these parts."""

    value: str = ""
    """What was wrong: the value that was met."""
    place: str = ""
    """Where: file, line or row, column."""
    cure: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input and what must become of it."""

    name: str
    make: Callable[[Path], Any]
    """Write the input into an empty folder; return what a person would give to `fit`."""
    expect: Read | Refused
    task: str = "text-classification"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of `FitOptions`."""
    act: Callable[[Any, Case], Dataset] | None = None
    """What is done with the input; None: it is read, checked and split, as for every command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an input."""

    case: Case
    outcome: str
    """In one line, for the table."""
    faults: tuple[str, ...]
    """What differs from the expectation; empty: as it must be."""


def read(data: Any, case: Case) -> Dataset:
    """Read, check and split the input, as `fit`, `describe` and `recommend` do before anything else."""
    options = FitOptions.parse({"task": case.task, **case.options})
    return read_data(data, options, TASKS.get(case.task))


def judge(case: Case, folder: Path) -> Verdict:
    """Return what becomes of a case's input.

    Any exception besides `UsageError` is a traceback to the person who meets it, and passes on.
    """
    folder.mkdir(parents=True)
    data = case.make(folder)
    act = case.act or read
    try:
        dataset = act(data, case)
    except UsageError as error:
        message = str(error)
        return Verdict(
            case=case,
            outcome=message.replace("\n", " | "),
            faults=_faults_of_message(message, case.expect),
        )
    notes = f"; {'; '.join(dataset.notes)}" if dataset.notes else ""
    outcome = f"{len(_all_rows(dataset))} rows, {len(dataset.labels)} classes{notes}"
    return Verdict(case=case, outcome=outcome, faults=_faults_of_dataset(dataset, case.expect))


def all_cases() -> list[Case]:
    """Return the cases of every module of this folder that has a list `CASES`.

    Raises:
        ValueError: Two cases of one name.
    """
    package = importlib.import_module(__package__)
    cases: list[Case] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith(("test_", "__")):
            continue
        contents = importlib.import_module(f"{__package__}.{module.name}")
        cases.extend(getattr(contents, "CASES", []))
    names = [case.name for case in cases]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"Two field cases of one name: {', '.join(repeated)}")
    return cases


def _all_rows(dataset: Dataset) -> pd.DataFrame:
    tables = [dataset.train, dataset.validation]
    if dataset.test is not None:
        tables.append(dataset.test)
    return pd.concat(tables, ignore_index=True)


def _faults_of_dataset(dataset: Dataset, expect: Read | Refused) -> tuple[str, ...]:
    if isinstance(expect, Refused):
        return ("read, but must be refused",)
    faults = []
    rows = _all_rows(dataset)
    if len(rows) != expect.rows:
        faults.append(f"{len(rows)} rows instead of {expect.rows}")
    test_rows = None if dataset.test is None else len(dataset.test)
    if test_rows != expect.test_rows:
        faults.append(f"{test_rows} test rows instead of {expect.test_rows}")
    if expect.classes is not None and dataset.labels != expect.classes:
        faults.append(f"classes {dataset.labels} instead of {expect.classes}")
    for column, cells in expect.probes.items():
        present = list(rows[column])
        faults.extend(f"no {column} {cell!r}" for cell in cells if cell not in present)
    said = "\n".join(dataset.notes)
    faults.extend(f"no note says {part!r}" for part in expect.notes if part not in said)
    return tuple(faults)


def _faults_of_message(message: str, expect: Read | Refused) -> tuple[str, ...]:
    if isinstance(expect, Read):
        return ("refused, but must be read",)
    parts = (expect.value, expect.place, expect.cure)
    faults = [f"the message lacks {part!r}" for part in parts if part not in message]
    if message.count("\n") >= LONGEST_MESSAGE:
        faults.append(f"the message has more than {LONGEST_MESSAGE} lines")
    return tuple(faults)
