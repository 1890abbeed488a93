"""What a trial on another machine left, brought to this one: its texts, and the weights that are wanted."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError

from xautolm.execution.failures import failed, tail
from xautolm.execution.fleet import Machine
from xautolm.execution.node import Report
from xautolm.records import Failure, TrialOutcome, TrialSpec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind

if TYPE_CHECKING:
    from ray import ObjectRef

logger = logging.getLogger(__name__)

SMALL_JSON = 2**20
"""Bytes up to which JSON files of a model are searched for paths of the machine that wrote them; configurations are
far smaller, tokenizers larger."""


@dataclass(slots=True, kw_only=True)
class Away:
    """A trial that was sent to the cluster."""

    spec: TrialSpec
    folder: Path
    task: ObjectRef[Report]
    machines: frozenset[str]
    """Those that it may come to, by their numbers in Ray."""
    node: str = ""
    """Where it runs, as soon as that is known."""
    written: int = 0
    """Bytes of its progress that are here."""
    fetching: Future[TrialOutcome] | None = None
    """The fetching of what it left, once it has ended."""


def fetch(
    trial: Away,
    report: Report,
    machine: Machine | None,
    wants_weights: Callable[[int, TrialOutcome], bool],
) -> TrialOutcome:
    """Bring here what a trial left; its outcome comes last, so that who finds it finds the rest.

    Args:
        trial: It has ended.
        report: What its machine said of its end.
        machine: Where it ran; None for one that was lost meanwhile.
        wants_weights: Whether the model is fetched, or deleted where it lies.
    """
    number, outcome = trial.spec.number, report.outcome
    folder = TrialFolder(trial.folder)
    for name, content in report.texts.items():
        (trial.folder / name).write_bytes(content)
    is_wanted = bool(report.weights) and wants_weights(number, outcome)
    if is_wanted and not _has_fetched(machine, trial, report):
        message = "its machine was lost before its model was here"
        lost = failed(Failure(kind=FailureKind.INTERRUPTED, message=message))
        return left_alone(trial, lost)
    if machine is not None:
        if machine.facts is not None:
            folder.write_system(machine.facts.system)
        machine.actor.forget.remote(number)
    folder.write_outcome(outcome)
    return outcome


def _has_fetched(machine: Machine | None, trial: Away, report: Report) -> bool:
    """Bring a model here, under its name when it is whole; return whether that could be done."""
    if machine is None:
        return False
    model = TrialFolder(trial.folder).model
    fresh = model.with_name(f"{model.name}.partial")
    for name, size in report.weights.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _has_copied(machine, trial.spec.number, name, size, path):
            shutil.rmtree(fresh, ignore_errors=True)
            return False
    _rename_paths(fresh, report.model, trial.spec.card.path)
    fresh.replace(model)
    return True


def _has_copied(machine: Machine, number: int, name: str, size: int, path: Path) -> bool:
    """Bring a file of a trial's model here; return whether its machine has given all of it."""
    with path.open("wb") as file:
        while file.tell() < size:
            answer = machine.actor.read.remote(number, name, file.tell())
            try:
                chunk = ray.get(answer)
            except RayError as error:
                logger.warning("%s of trial %d is not here: %s", name, number, error)
                return False
            if not chunk:
                # Shorter than it was: asking again would go on for ever.
                logger.warning("%s of trial %d ends too early", name, number)
                return False
            file.write(chunk)
    return True


def left_alone(trial: Away, outcome: TrialOutcome) -> TrialOutcome:
    """Leave the outcome of a trial that came to no report in its folder, and return it."""
    folder = TrialFolder(trial.folder)
    if outcome.failure is not None:
        failure = replace(outcome.failure, stderr_tail=tail(folder.stderr))
        outcome = replace(outcome, failure=failure)
    folder.write_outcome(outcome)
    return outcome


def _rename_paths(model: Path, remote_path: str, local_path: str) -> None:
    """Replace the path of the pretrained model on another machine by the one here: adapters name their base by it."""
    if not remote_path or remote_path == local_path:
        return
    for path in model.rglob("*.json"):
        if path.stat().st_size > SMALL_JSON:
            continue
        content = path.read_bytes()
        renamed = content
        # Whoever writes JSON chooses whether letters beyond ASCII are escaped.
        for is_ascii in (True, False):
            remote = _inside_quotes(remote_path, is_ascii=is_ascii)
            local = _inside_quotes(local_path, is_ascii=is_ascii)
            renamed = renamed.replace(remote, local)
        if renamed != content:
            path.write_bytes(renamed)


def _inside_quotes(text: str, *, is_ascii: bool) -> bytes:
    """Return a text as it stands between the quotes of a JSON string."""
    quoted = json.dumps(text, ensure_ascii=is_ascii)
    return quoted[1:-1].encode()
