"""Every error that xautolm raises on purpose.

XAutoLMError
├── UsageError              bad input, found before any compute is spent (exit code 2)
│   ├── UnknownNameError    a task, model, method, metric, sampler or option that does not exist
│   ├── DataError           the data cannot be read or cannot be learned from
│   ├── SpaceError          a search space, or a value in it, that makes no sense
│   ├── BudgetError         a budget that is malformed or too small for one trial
│   ├── ModelUnavailableError   no such model here, and no hub to fetch it from
│   ├── RunFolderError      the output folder holds something else, or cannot be made
│   ├── DamagedFileError    a file that xautolm wrote can no longer be read
│   ├── StoreError          the experience store cannot be opened or is of a newer schema
│   │   └── NoStoreError    there is none at that place
│   └── RegistryError       a module or a plug-in that adds no thing, or one whose name is taken
├── SearchEndedError        the search ended before its budget did: no room, or nothing works (exit code 1)
├── NoModelError            the search ended without a usable model (exit code 1)
└── TrialError              inside a trial: a failure whose kind is known
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from xautolm.printable import printable

SHOWN_NAMES = 24
"""How many known names a message lists at most."""


class XAutoLMError(Exception):
    """Base of every error that xautolm raises on purpose."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        # Messages quote names and values from outside, which must not command the terminal that shows them.
        super().__init__(printable(message))


class UsageError(XAutoLMError):
    """Bad input: what is wrong, what was given, what to do.

    Args:
        what: The problem in one sentence.
        got: What was given, if that helps.
        fix: What to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, got: object = None, fix: str = "") -> None:
        lines = [what]
        if got is not None:
            lines.append(f"Got: {got}")
        if fix:
            lines.append(fix)
        super().__init__("\n".join(lines))


class UnknownNameError(UsageError):
    """A name that is not registered; the message says which one may have been meant.

    Args:
        kind: What it should name.
        name: As it was given.
        known: All that there are; the usual ones first, if any are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        likely = _likely_meant(name, names)
        hint = ""
        if likely:
            hint = f"Did you mean {likely!r}? "
        # The zoo has more names than anybody reads in a message.
        shown_names = sorted(names)[:SHOWN_NAMES]
        listed = ", ".join(shown_names)
        further = len(names) - SHOWN_NAMES
        if further > 0:
            listed += f" and {further} more"
        super().__init__(f"Unknown {kind}: {name!r}.", fix=f"{hint}Known: {listed}.")


def _likely_meant(name: str, names: Sequence[str]) -> str:
    """Return the first name that begins as the given one, else the most similar; empty if none is similar."""
    spelling = name.casefold()
    if not spelling:
        return ""
    # Who leaves out the end of a name (`bert` for `bert-base`) means that, however alike another name is (`albert`).
    for candidate in names:
        if candidate.casefold().startswith(spelling):
            return candidate
    name_by_spelling = {}
    # Of names that differ in case only, the first in the alphabet stays.
    for candidate in sorted(names, reverse=True):
        name_by_spelling[candidate.casefold()] = candidate
    close = difflib.get_close_matches(spelling, name_by_spelling, n=1, cutoff=0.5)
    if not close:
        return ""
    return name_by_spelling[close[0]]


class DataError(UsageError):
    """The data cannot be read, or cannot be learned from."""


class SpaceError(UsageError):
    """A search space, or a value in it, that makes no sense."""


class BudgetError(UsageError):
    """A budget that is malformed or too small for one trial."""


class ModelUnavailableError(UsageError):
    """A model that is neither on this machine nor reachable on a hub."""


class RunFolderError(UsageError):
    """The output folder holds something that this run must not touch."""


class DamagedFileError(UsageError):
    """A file that xautolm wrote and that can no longer be read.

    Args:
        path: The file.
        reason: Why not, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("A file cannot be read.", got=f"{path}: {reason}")
        self.path = path
        self.reason = reason


class StoreError(UsageError):
    """The experience store cannot be opened, or was written by a newer xautolm."""


class NoStoreError(StoreError):
    """There is no experience store at that place, and none was to be made.

    Args:
        place: Where one was looked for.
    """

    def __init__(self, place: str) -> None:
        super().__init__(
            "There is no experience store here.",
            got=place,
            fix="A search makes the usual store and fills it; for another, check its path or URL.",
        )


class RegistryError(UsageError):
    """A module or a plug-in of a registry that adds no thing, or one whose name is taken."""


class SearchEndedError(XAutoLMError):
    """The search ended before its budget did, for a reason that no configuration is to blame for.

    Args:
        what: What happened, in one sentence.
        got: Where and why.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, got: object, fix: str) -> None:
        super().__init__(f"{what}\nGot: {got}\n{fix}")


class NoModelError(XAutoLMError):
    """The search ended without a usable model; the message sums up why."""


class TrialError(XAutoLMError):
    """A failure inside a trial whose kind is known.

    Args:
        kind: A member of `xautolm.vocabulary.FailureKind`, as text.
        message: What happened, in one or two lines.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
