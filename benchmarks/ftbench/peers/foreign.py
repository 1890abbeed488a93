"""Let peers play that need an interpreter of their own: they are asked and told over pipes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.ftbench.contestants import Contestant, PastTask, TaskFeatures, Told
from benchmarks.ftbench.peers.past import adopted
from benchmarks.ftbench.peers.sites import Site, configuration_at, sites_of
from xautolm.records import Scalar, Values
from xautolm.space import Branch, Choice, Int, Space

Json = dict[str, object]

ROOT = Path(__file__).parents[3]
"""Where `benchmarks` lies, which the peers' interpreters must find."""
LAST_CHARACTERS = 2_000
"""Of what a peer printed, shown when it ended."""


@dataclass(slots=True)
class Interpreter:
    """Run a peer's program, started at the first question and again in a fork of this process.

    It ends when its input does: with this process.
    """

    python: Path
    module: str
    process: subprocess.Popen[str] | None = None
    owner: int = 0
    """Identifier of the process that started it."""
    printed: IO[bytes] | None = None
    """What the peer prints."""

    def answer(self, question: Json) -> Json:
        """Ask the peer.

        Raises:
            RuntimeError: It raised an error or ended.
        """
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            process.wait()
            raise RuntimeError(f"{self.module} ended ({process.returncode}): {self._last_words()}")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.module}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the peer, if it runs; another question starts it again."""
        if self.process is not None and self.owner == os.getpid():
            self.process.communicate()
        if self.printed is not None:
            self.printed.close()
        self.process = None
        self.printed = None

    def _running(self) -> subprocess.Popen[str]:
        # Two processes at the ends of the same pipes would read each other's answers.
        if self.process is None or self.owner != os.getpid():
            self.owner = os.getpid()
            # Open for as long as the peer runs.
            self.printed = tempfile.TemporaryFile()  # noqa: SIM115
            # One thread, so that all peers compute with the same, and sums do not depend on who comes first.
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(
                [str(self.python), "-m", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.printed,
                env=environment,
                text=True,
            )
        return self.process

    def _last_words(self) -> str:
        if self.printed is None:
            return ""
        self.printed.seek(0)
        return self.printed.read().decode(errors="replace")[-LAST_CHARACTERS:]


@dataclass(slots=True, kw_only=True)
class ForeignContestant:
    """Search in another interpreter."""

    space: Space
    sites: Mapping[str, Site]
    """Those with more than one value."""
    interpreter: Interpreter
    number: int
    """Of the search, in its interpreter."""

    def ask(self) -> Values:
        """Return what the peer proposes."""
        answer = self.interpreter.answer({"ask": self.number})
        proposed = answer["values"]
        assert isinstance(proposed, dict)
        by_site: dict[str, Scalar] = {}
        for key, parameter in self.space.sites().items():
            by_site[key] = parameter.default
        for key, number in proposed.items():
            by_site[key] = _value(self.sites[key], number)
        return configuration_at(self.space, by_site).values

    def tell(self, trial: Told) -> None:
        """Tell the peer what was run."""
        self.interpreter.answer({"tell": self.number, **plain_trial(trial, self.space, self.sites)})

    def close(self) -> None:
        """End the search; its interpreter goes on for others."""
        self.interpreter.answer({"close": self.number})


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPeer:
    """Make contestants of a peer in another interpreter."""

    interpreter: Interpreter
    name: str
    """By which the peer's program knows it."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Of searches; shared by all peers of an interpreter."""
    uses_past: bool = False

    def __call__(
        self, space: Space, seed: int, past: Sequence[PastTask], features: TaskFeatures
    ) -> Contestant:
        """Begin a search."""
        sites = {site.key: site for site in sites_of(space) if has_choice(site)}
        past_tasks: list[Json] = []
        for task in past if self.uses_past else ():
            trials: list[Json] = []
            for trial in adopted(task.trials, space):
                trials.append(plain_trial(trial, space, sites))
            past_tasks.append({"name": task.name, "trials": trials})
        number = next(self.numbers)
        question: Json = {
            "open": number,
            "peer": self.name,
            "seed": seed,
            "sites": [plain_site(site) for site in sites.values()],
            "past": past_tasks,
        }
        self.interpreter.answer(question)
        return ForeignContestant(
            space=space, sites=sites, interpreter=self.interpreter, number=number
        )


def has_choice(site: Site) -> bool:
    """Return whether a site has more than one value: several peers refuse ranges of a single one."""
    if isinstance(site.parameter, Choice | Branch):
        return len(site.options) > 1
    return site.parameter.low < site.parameter.high


def plain_site(site: Site) -> Json:
    """Return a site as JSON values."""
    parameter = site.parameter
    openings = []
    for opening in site.openings:
        openings.append({key: sorted(positions) for key, positions in opening.items()})
    plain: Json = {"key": site.key, "openings": openings}
    if isinstance(parameter, Choice | Branch):
        default = site.position(parameter.default)
        return {**plain, "kind": "options", "count": len(site.options), "default": default}
    kind = "int" if isinstance(parameter, Int) else "float"
    ends = {"low": parameter.low, "high": parameter.high, "log": parameter.log}
    return {**plain, **ends, "kind": kind, "default": parameter.default}


def plain_trial(trial: Told, space: Space, sites: Mapping[str, Site]) -> Json:
    """Return a trial of the space as JSON values."""
    values = {}
    for key, value in space.site_values(trial.values).items():
        site = sites.get(key)
        if site is None:
            continue
        values[key] = site.position(value) if site.options else value
    return {
        "values": values,
        "quality": trial.quality,
        "seconds": trial.seconds,
        "failure": trial.failure,
    }


def _value(site: Site, number: int | float) -> Scalar:
    """Return the value that a peer means; a rounded logarithm may lie a little outside its range."""
    if site.options:
        return site.options[int(number)]
    assert not isinstance(site.parameter, Choice | Branch)
    return site.parameter.clip(number)
