"""The program, with trials that are played: the first ends at once, the second never. Usage: ended.py ARGUMENTS."""

from __future__ import annotations

import os
import sys
import time

import xautolm.plan
import xautolm.results
from xautolm.cli import main
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.testing import FakeExecutor, success


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())  # a live table in the terminal takes what is printed


def play(spec: TrialSpec) -> TrialOutcome:
    if spec.number > 0:
        say("waiting")
        time.sleep(600)
    return success(**dict.fromkeys(spec.metrics, 0.5))


def place_for_ever(*folders: object) -> None:
    say("placing")
    time.sleep(600)


if __name__ == "__main__":
    if sys.argv[1] == "--slow-end":
        del sys.argv[1]
        xautolm.results._place = place_for_ever
    xautolm.plan.LocalExecutor = lambda *_: FakeExecutor(play)  # type: ignore[misc, assignment]
    main()
