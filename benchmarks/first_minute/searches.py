"""Run `xautolm fit`, keep each answer that it gives, and read from its folder how the budget was spent."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.first_minute.measurements import Checkpoint, RunFacts
from benchmarks.first_minute.processes import Place, end, start, tail
from xautolm.experience import ExperienceStore

METRIC = "f1_macro"
PROGRAM = "from xautolm.cli import main; main()"
"""The command `xautolm`, of whichever version is first on the path."""
FIT_LOG = "fit.log"
POLL_SECONDS = 0.1
WEAK_SHARE = 0.6
"""A trial below this share of its run's best score was not worth its time."""
CUT = "truncated"
"""What `result.json` calls a trial that was stopped in the middle of its schedule."""
FAILED = "failed"
"""What it calls a trial without a result."""
GRACE_SECONDS = 180.0
"""A search that is not over so long after its budget is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What would have been the answer of a search from a moment on."""

    seconds: float
    """Since the start of the search's process."""
    folder: Path
    """A run's folder, as far as predicting needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search and the place where it runs."""

    place: Place
    rows: Path
    """Folder of the splits."""
    work: Path
    """Where the run, its cache and its store lie; empty at the beginning."""
    seed: int
    hidden: tuple[str, ...] | None = None
    """Data sets of the starter store that are not to be seen; None leaves it out altogether."""
    is_refit: bool = False
    """Whether the winner is trained once more on all rows."""
    past: Sequence[Path] = ()
    """Stores whose experiences its own has in the beginning."""
    left: Path | None = None
    """Store to which its own experiences are added; None if nobody needs them."""

    @property
    def run(self) -> Path:
        """Return the run's folder."""
        return self.work / "run"

    def command(self, out: Path, *budget: str) -> list[str]:
        """Return the command line of a search."""
        fit = [self.place.python, "-c", PROGRAM, "fit", str(self.rows / "train.parquet"), "--quiet"]
        validation = ["--validation", str(self.rows / "validation.parquet")]
        hide = ["--hide", ",".join(self.hidden)] if self.hidden else []
        refit = ["--refit", "always"] if self.is_refit else []
        return [
            *fit,
            *validation,
            *hide,
            *refit,
            "--seed",
            str(self.seed),
            "--device",
            "cpu",
            "--out",
            str(out),
            *budget,
        ]

    @property
    def store(self) -> Path:
        """Return the file of the experience store."""
        return self.work / "experience.db"

    @property
    def variables(self) -> dict[str, str]:
        """Return environment variables that keep a search from what others left behind."""
        starter = {} if self.hidden else {"XAUTOLM_STARTER": "off"}
        return {
            **starter,
            "XAUTOLM_CACHE": str(self.work / "cache"),
            "XAUTOLM_STORE": str(self.store),
        }


def measure(search: Search, minutes: float) -> tuple[tuple[Checkpoint, ...], RunFacts]:
    """Search with an empty cache, and a store of the past if there is one; then begin once more, for a warm start-up.

    Raises:
        RuntimeError: The search left no model, or the models cannot be read.
    """
    started_at = time.time()
    snapshots, seconds = watched(search, minutes)
    if not snapshots:
        raise RuntimeError(f"A search left no model:\n{tail(search.work / FIT_LOG)}")
    if search.left is not None:
        leave_experiences(search, search.left)
    facts = facts_of(search.run, started_at, seconds, warm_first_step(search))
    return scored(search, snapshots), facts


def watched(search: Search, minutes: float) -> tuple[list[Snapshot], float]:
    """Run a search; return a snapshot of each of its answers, and the seconds that its process took."""
    search.work.mkdir(parents=True)
    if search.past:
        fill_store(search)
    command = search.command(search.run, "--budget", f"{round(60 * minutes)}s")
    started = time.monotonic()
    process = start(command, search.place, search.variables, search.work / FIT_LOG)
    snapshots: list[Snapshot] = []
    latest: Any = None
    try:
        while True:
            is_over = process.poll() is not None
            seconds = time.monotonic() - started
            model = current_answer(search.run)
            identity = None if model is None else weights_of(model)
            if model is not None and identity and identity != latest:
                folder = search.work / "snapshots" / f"{len(snapshots):03d}"
                if keep(search.run, model, folder) and weights_of(folder / "best") == identity:
                    snapshots.append(Snapshot(seconds=round(seconds, 2), folder=folder))
                    latest = identity
                else:
                    # It was replaced while it was copied: the next look sees the new one.
                    shutil.rmtree(folder, ignore_errors=True)
            if is_over or seconds > 60 * minutes + GRACE_SECONDS:
                return snapshots, seconds
            time.sleep(POLL_SECONDS)
    finally:
        end(process)


def fill_store(search: Search) -> None:
    """Put the experiences of the past into the store of a search."""
    with ExperienceStore(search.store) as store:
        for location in search.past:
            with ExperienceStore(location, must_exist=True) as past:
                store.add(past.experiences())


def leave_experiences(search: Search, location: Path) -> None:
    """Add what a search itself has experienced, and not what was there before it, to a store."""
    location.parent.mkdir(parents=True, exist_ok=True)
    run = json.loads((search.run / "run.json").read_text(encoding="utf-8"))["id"]
    with ExperienceStore(search.store) as store, ExperienceStore(location) as left:
        left.add(store.experiences(run=run))


def current_answer(run: Path) -> Path | None:
    """Return the folder of the model that a person would take now: `best/`, else the best trial's by validation."""
    if (run / "best").is_dir():
        return run / "best"
    best_score, best = -1.0, None
    for folder, result in results_of(run):
        score = score_of(result)
        if score is not None and score > best_score and (folder / "model").is_dir():
            best_score, best = score, folder / "model"
    return best


def weights_of(model: Path) -> tuple[tuple[str, int], ...]:
    """Return what tells two models apart: their files of weights, which a run links and never writes to."""
    try:
        return tuple(
            sorted((path.name, path.stat().st_ino) for path in model.rglob("*.safetensors"))
        )
    except OSError:
        return ()


def keep(run: Path, model: Path, folder: Path) -> bool:
    """Link a model and what predicting needs of its run to a folder; False if it went away meanwhile."""
    try:
        folder.mkdir(parents=True)
        shutil.copytree(model, folder / "best", copy_function=os.link)
        for name in ("run.json", "results.json"):
            if (run / name).exists():
                shutil.copy(run / name, folder / name)
    except (OSError, shutil.Error):
        return False
    return True


def scored(search: Search, snapshots: Sequence[Snapshot]) -> tuple[Checkpoint, ...]:
    """Return what the answers score on the test split, as the version that gave them reads them."""
    if not snapshots:
        return ()
    out = search.work / "scores.jsonl"
    folders = [str(snapshot.folder) for snapshot in snapshots]
    command = [
        search.place.python,
        "-m",
        "benchmarks.first_minute.scoring",
        str(search.rows),
        str(out),
        *folders,
    ]
    log = search.work / "scoring.log"
    process = start(command, search.place, search.variables, log)
    try:
        if process.wait() != 0:
            raise RuntimeError(f"The answers could not be scored:\n{tail(log)}")
    finally:
        end(process)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Checkpoint(seconds=snapshot.seconds, **line)
        for snapshot, line in zip(snapshots, lines, strict=True)
    )


def warm_first_step(search: Search) -> float | None:
    """Return the seconds until the first trial of the same command begins, with cache and store as the first left them.

    It runs one trial, into another folder.
    """
    run = search.work / "warm"
    started_at = time.time()
    process = start(
        search.command(run, "--trials", "1"),
        search.place,
        search.variables,
        search.work / "warm.log",
    )
    try:
        process.wait()
    finally:
        end(process)
    return first_step(run, started_at)


def facts_of(run: Path, started_at: float, seconds: float, warm: float | None) -> RunFacts:
    """Return how a run spent its budget.

    Args:
        run: Its folder.
        started_at: When its process was started, in seconds since 1970.
        seconds: That the process took.
        warm: Seconds until the first trial of a warm start.
    """
    results = [result for _, result in results_of(run)]
    scores = [score_of(result) for result in results]
    best = max((score for score in scores if score is not None), default=0.0)
    weak_seconds = 0.0
    for result, score in zip(results, scores, strict=True):
        if score is None or score < WEAK_SHARE * best:
            weak_seconds += result["wall_time"]
    return RunFacts(
        seconds=round(seconds, 2),
        first_step_seconds=first_step(run, started_at),
        warm_first_step_seconds=warm,
        trials=len(results),
        cut_trials=sum(result["status"] == CUT for result in results),
        trial_seconds=round(sum(result["wall_time"] for result in results), 2),
        weak_seconds=round(weak_seconds, 2),
        failed_trials=sum(result["status"] == FAILED for result in results),
    )


def first_step(run: Path, started_at: float) -> float | None:
    """Return the seconds from the start of the process until the first trial had loaded and began to compute.

    That is the time of its result less `evaluation_time`, so it errs towards too late by the saving of its model.
    """
    for folder, result in results_of(run):
        if result.get("evaluation_time"):
            ended_at = (folder / "result.json").stat().st_mtime
            return round(ended_at - result["evaluation_time"] - started_at, 2)
    return None


def results_of(run: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the trials that have ended, in order: their folders, and what `result.json` says."""
    for folder in sorted((run / "trials").glob("[0-9]*")):
        path = folder / "result.json"
        if path.exists():
            yield folder, json.loads(path.read_text(encoding="utf-8"))


def score_of(result: dict[str, Any]) -> float | None:
    """Return a trial's validation score; None if it has none."""
    return result["metrics"].get(METRIC)
