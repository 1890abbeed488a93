"""The program, with trials that are played: the first ends at once, the second never. Usage: ended.py ARGUMENTS."""

from __future__ import annotations

import os
import sys
import time

import xautolm.operations
import xautolm.session
from xautolm.cli import main
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.testing import FakeExecutor, success


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())  # a live table in the terminal takes what is printed


FIRST_NEVER_ENDS = "--first-never-ends"


def play(spec: TrialSpec) -> TrialOutcome:
    if spec.number > 0 or is_slow_from_the_first:
        say("waiting")
        time.sleep(600)
    return success(**dict.fromkeys(spec.metrics, 0.5))


def place_for_ever(*arguments: object, **options: object) -> None:
    say("placing")
    time.sleep(600)


if __name__ == "__main__":
    is_slow_from_the_first = sys.argv[1] == FIRST_NEVER_ENDS
    if is_slow_from_the_first:
        del sys.argv[1]
    if sys.argv[1] == "--slow-end":
        del sys.argv[1]
        xautolm.operations.finish = place_for_ever  # type: ignore[assignment]
    xautolm.session._own_executor = lambda options: FakeExecutor(play)  # type: ignore[assignment, return-value]
    main()
