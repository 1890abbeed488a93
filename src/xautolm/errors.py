"""Every error that xautolm raises on purpose.

XAutoLMError
├── UsageError              bad input, found before any compute is spent (exit code 2)
│   ├── UnknownNameError    a task, model, method, metric, sampler or option that does not exist
│   ├── DataError           the data cannot be read or cannot be learned from
│   ├── SpaceError          a search space, or a value in it, that makes no sense
│   ├── BudgetError         a budget that is malformed or too small for one trial
│   ├── ModelUnavailableError   no such model here, and no hub to fetch it from
│   ├── RunFolderError      the output folder holds something else
│   └── StoreError          the experience store cannot be opened or is of a newer schema
├── NoModelError            the search ended without a usable model (exit code 1)
└── TrialError              inside a trial: a failure whose kind is known
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class XAutoLMError(Exception):
    """Base of every error that xautolm raises on purpose."""

    exit_code = 1


class UsageError(XAutoLMError):
    """Bad input: what is wrong, what was given, what to do.

    Args:
        what: The problem in one sentence.
        got: What was given, if that helps.
        fix: What to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, got: object = None, fix: str = "") -> None:
        lines = [what] + ([f"Got: {got}"] if got is not None else []) + ([fix] if fix else [])
        super().__init__("\n".join(lines))


class UnknownNameError(UsageError):
    """A name that is not registered; the message says which one may have been meant."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        shown = ", ".join(names[:24]) + (f" and {len(names) - 24} more" if len(names) > 24 else "")
        super().__init__(f"Unknown {kind}: {name!r}.", fix=f"{hint}Known: {shown}.")


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


class StoreError(UsageError):
    """The experience store cannot be opened, or was written by a newer xautolm."""


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
