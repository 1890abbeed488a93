"""What children find out of this machine with torch, which this process never loads; measurements are kept."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Generic, TypeVar

from xautolm.errors import DamagedFileError
from xautolm.processes import usable_cores
from xautolm.records import digest_of
from xautolm.serialization import Json, read_json, write_json
from xautolm.settings import cache_folder, child_environment

T = TypeVar("T")

logger = logging.getLogger(__name__)

SECONDS = 60.0
"""A child that says nothing for so long is given up: it loads torch, starts CUDA, and measures for a second at most."""
NO_MEASUREMENT = (KeyError, TypeError, ValueError)
"""Raised where an answer, or what was kept of one, is no measurement."""
NO_ANSWER = (OSError, subprocess.SubprocessError, *NO_MEASUREMENT)
"""Raised where a child cannot be started, fails, takes too long, or gives no answer."""


class ProgramFailedError(subprocess.SubprocessError):
    """A child that ended by an error of its own, not by a signal.

    Args:
        code: Its exit code.
        reason: The last line that it said.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"exit code {code}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Generic[T]):
    """Describe what a child measures once for each thing and version of torch."""

    subject: str
    """What is measured, for people."""
    otherwise: str
    """What is done without it, for people."""
    folder: str
    """Of its answers, in the cache."""
    identity: list[object]
    """What the answer depends on, beside the version of torch."""
    labels: Mapping[str, Json]
    """Kept beside the answer, so that a person sees what it is about."""
    ask: Callable[[], Json]
    """Lets a child measure; raises one of `NO_ANSWER`."""
    read: Callable[[Json], T]
    """Reads an answer; raises one of `NO_MEASUREMENT`."""

    def path(self) -> Path:
        """Return the file that the answer is kept in."""
        key = digest_of([*self.identity, metadata.version("torch")])
        return cache_folder() / self.folder / f"{key[:16]}.json"


def measured_once(measurement: Measurement[T]) -> T | None:
    """Return what was measured in whatever process, now if it never was; None, with a warning, if that fails."""
    path = measurement.path()
    before = _kept(measurement, path)
    if before is not None:
        return before
    try:
        answer = measurement.ask()
        result = measurement.read(answer)
    except NO_ANSWER as error:
        logger.warning(
            "%s could not be measured, so %s: %s",
            measurement.subject,
            measurement.otherwise,
            error,
        )
        return None
    assert isinstance(answer, dict)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**answer, **measurement.labels})
    except OSError as error:
        logger.warning("%s cannot be kept in the cache: %s", measurement.subject, error)
    return result


def _kept(measurement: Measurement[T], path: Path) -> T | None:
    """Return what was measured before; None if nothing was, or it cannot be read."""
    # Not `Path.is_file`, which raises where a folder on the way may not be entered.
    if not os.path.isfile(path):
        return None
    try:
        return measurement.read(read_json(path))
    except (DamagedFileError, *NO_MEASUREMENT) as error:
        logger.warning("%s cannot be read and is measured again: %s", path, error)
        return None


def answer_of(program: str, environment: Mapping[str, str] | None = None) -> Json:
    """Return what a module of ours prints as JSON, run by a child that ends with this process.

    Args:
        program: The module.
        environment: The child's; by default that of trials on all cores.

    Raises:
        OSError: It cannot be started.
        ProgramFailedError: It fails, with the last line that it said of it.
        subprocess.SubprocessError: It is killed, or takes too long.
        ValueError: It prints no JSON.
    """
    child = subprocess.run(
        [sys.executable, "-m", program, str(os.getpid())],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment or child_environment(usable_cores()),
    )
    if child.returncode:
        lines = child.stderr.strip().splitlines() or ["it said nothing"]
        if child.returncode > 0:
            raise ProgramFailedError(child.returncode, lines[-1])
        raise subprocess.SubprocessError(f"exit code {child.returncode}: {lines[-1]}")
    answer: Json = json.loads(child.stdout)
    return answer
