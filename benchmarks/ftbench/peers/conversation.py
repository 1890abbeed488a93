"""Answer the contest from a peer's own interpreter: a line of JSON in, a line of JSON out.

This file and those of the peers import nothing of xautolm, which such an interpreter need not have. What is asked:

    {"open": 3, "peer": NAME, "seed": 0, "sites": [...], "past": [...]}
    {"ask": 3}
    {"tell": 3, "values": {...}, "quality": 0.8, "seconds": 4.0, "failure": ""}
    {"close": 3}

Searches have numbers, so that one interpreter, which takes seconds to start, serves many. Values are by site: numbers
as they are, options by their position.
"""

from __future__ import annotations

import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Number = int | float
SiteValues = Mapping[str, Number]
"""Numbers and positions of options by site; sites that nothing opens may be missing."""
WORST_QUALITY = 0.0
"""Told of a failure before the first success: the table's quality is F1, which is 0 at its worst."""
LEAST_SECONDS = 1e-3
"""Evaluation time as which a smaller one counts: there is no logarithm of 0."""


@dataclass(frozen=True)
class Site:
    """Hold a place of the space where a value is chosen."""

    key: str
    kind: str
    """`float`, `int` or `options`."""
    default: Number
    low: Number = 0
    high: Number = 0
    log: bool = False
    count: int = 0
    """Number of options."""
    openings: Sequence[Mapping[str, Sequence[int]]] = ()
    """The site is there if at least one of them holds: positions of options by site, one of each."""


@dataclass(frozen=True)
class Trial:
    """Hold what came of a configuration."""

    values: SiteValues
    quality: float | None
    seconds: float
    failure: str

    @property
    def log_seconds(self) -> float:
        """Return the natural logarithm of the evaluation time."""
        return float(np.log(max(self.seconds, LEAST_SECONDS)))


@dataclass(frozen=True)
class PastTask:
    """Hold the trials of a past task that have a place in the space."""

    name: str
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Request:
    """Hold what a search begins with."""

    peer: str
    seed: int
    sites: Sequence[Site]
    past: Sequence[PastTask]


class Search(Protocol):
    """Propose configurations, and learn of trials."""

    def ask(self) -> SiteValues:
        """Return the next configuration; sites that it does not open may be among its values."""

    def tell(self, trial: Trial) -> None:
        """Take a trial in."""

    def close(self) -> None:
        """Free what the search holds."""


Open = Callable[[Request], Search]


class Losses:
    """Turn trials into objectives that are minimised; a failure gets the worst quality of the successes before it."""

    def __init__(self) -> None:
        self.worst_quality: float | None = None

    def of(self, trial: Trial) -> tuple[float, float]:
        """Return minus the quality, and the logarithm of seconds."""
        quality = trial.quality
        if quality is None:
            quality = WORST_QUALITY if self.worst_quality is None else self.worst_quality
        elif self.worst_quality is None or quality < self.worst_quality:
            self.worst_quality = quality
        return -quality, trial.log_seconds


def all_sites(sites: Sequence[Site], values: SiteValues) -> dict[str, Number]:
    """Return a value for every site, defaults where a configuration opens nothing: for peers without conditions."""
    return {site.key: values.get(site.key, site.default) for site in sites}


def serve(open_search: Open) -> None:
    """Answer until there is nothing more to read."""
    # Peers print what they like to where the answers go; only this copy of it reaches the contest.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    searches: dict[int, Search] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), searches, open_search)
        except Exception:
            # Whatever a peer raises is of the contest's side to raise: this process only has its library.
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer, default=_plain) + "\n")
        answers.flush()


def _answer(message: dict[str, Any], searches: dict[int, Search], open_search: Open) -> object:
    if "open" in message:
        request = _request(message)
        # Some peers draw from the global generators, whatever seed they are given.
        random.seed(request.seed)
        np.random.seed(request.seed)
        searches[message["open"]] = open_search(request)
    elif "ask" in message:
        return {"values": searches[message["ask"]].ask()}
    elif "tell" in message:
        searches[message["tell"]].tell(_trial(message))
    else:
        searches.pop(message["close"]).close()
    return {}


def _request(message: Mapping[str, Any]) -> Request:
    """Read the beginning of a search."""
    sites = [Site(**site) for site in message["sites"]]
    past = []
    for task in message["past"]:
        trials = [_trial(trial) for trial in task["trials"]]
        past.append(PastTask(name=task["name"], trials=trials))
    return Request(peer=message["peer"], seed=message["seed"], sites=sites, past=past)


def _trial(message: Mapping[str, Any]) -> Trial:
    """Read a trial."""
    return Trial(
        values=message["values"],
        quality=message["quality"],
        seconds=message["seconds"],
        failure=message["failure"],
    )


def _plain(number: object) -> object:
    """Return a number of NumPy's as one of Python's."""
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{type(number).__name__} is no JSON")
