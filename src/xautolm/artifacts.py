"""What a run leaves behind: the scores of its winner, the front, the leaderboard, the report."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xautolm.best_folder import Results, best_of, front_of, read_results
from xautolm.errors import DamagedFileError, NoModelError, RunFolderError, UsageError
from xautolm.execution import LocalExecutor, SpawnLauncher
from xautolm.objectives import lead_of, objective_values, recorded_objectives
from xautolm.records import Answering, Experience, Limits
from xautolm.report import as_csv, failures_by_kind, html_report, wide_leaderboard
from xautolm.report.html import Winner
from xautolm.report.result import shown_folder
from xautolm.report.tables import pruning_savings
from xautolm.report.usage import folder_kind, predict_command, usage_of
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo, folder_errors, warn_once
from xautolm.serialization import read_record, to_plain, write_json, write_text
from xautolm.session import Session
from xautolm.tasks import TASKS

logger = logging.getLogger(__name__)

TEST_ENTRY = "xautolm.finetuning.evaluate:run"


def finish(session: Session, experiences: Sequence[Experience], *, is_early: bool = False) -> Experience:
    """Write `best/`, `results.json`, `pareto.json` and `leaderboard.csv`; returns the winner.

    Args:
        session: The search.
        experiences: Its trials.
        is_early: Whether the search was ended from outside: the test split is then left for when it has gone on, for
            who ends a search does not want to wait.

    Raises:
        NoModelError: No trial gave a model.
        SearchEndedError: There is no room for these files.
    """
    with folder_errors(session.folder.root):
        try:
            best = best_of(session.info, experiences)
            placed = session.best.keep(experiences)
            # Everything is in its place by now: a search that is killed while its winner is scored has lost nothing.
            if placed is not None and not is_early:
                complete(session, placed)
        finally:
            write_tables(session.folder, session.info, experiences)
    return best


def complete(session: Session, best: Experience) -> None:
    """Score the model in `best/` on the test split, and let its card say that the search has ended."""
    results = session.best.results()
    assert results is not None
    lacks_test = results.test is None and session.folder.split("test").exists()
    if results.is_final and not lacks_test:
        return
    test = _test_scores(session, best) if lacks_test else results.test
    session.best.describe(best, replace(results, test=test, is_final=True))


def parting_words(folder: RunFolder, info: RunInfo) -> str:
    """Return what somebody should know who ends a search early: where its best model is, if there is one."""
    if not folder.best.is_dir():
        return "no trial has given a model yet"
    results = read_results(folder)
    which = "the best model so far"
    if results is not None:
        score = results.validation.get(results.metric, math.nan)
        which += f" (trial {results.best}, validation {results.metric} {score:.4f})"
    run = shown_folder(folder.root)
    command = predict_command(run, tuple(TASKS.get(info.task).inputs))
    return f"{which} is in {run / folder.best.name}; ask it with: {command}"


def write_tables(folder: RunFolder, info: RunInfo, experiences: Sequence[Experience]) -> None:
    """Write `pareto.json` and `leaderboard.csv`."""
    front = front_of(info, experiences)
    objectives = recorded_objectives(info)
    points = [
        {
            "trial": one.trial,
            "objectives": dict(zip(info.objectives, objective_values(one.outcome, objectives) or (), strict=True)),
            "configuration": dict(one.configuration.values),
            "model": str(folder.model(one.trial).relative_to(folder.root)),
        }
        for one in front
    ]
    write_json(folder.front, points)
    rows = wide_leaderboard(experiences, lead_of(objectives), [one.trial for one in front])
    write_text(folder.leaderboard, as_csv(rows))


def write_report(folder: RunFolder, path: Path | None = None) -> Path:
    """Write the run's HTML page, `report.html` in its folder by default; returns its path.

    Raises:
        NoModelError: No trial has ended yet.
        RunFolderError: The page cannot be written there.
    """
    info, experiences = folder.info(), folder.experiences()
    if not experiences:
        raise NoModelError(f"No trial of {folder.root} has ended yet, so there is nothing to report.")
    front = [one.trial for one in front_of(info, experiences)]
    title = f"{info.data.name}: {info.task}"
    lead = lead_of(recorded_objectives(info))
    page = html_report(title, experiences, front, lead, winner_of(folder), info.notes)
    target = path or folder.report
    try:
        write_text(target, page)
    except OSError as error:
        raise RunFolderError(
            "The page cannot be written there.", got=f"{target}: {error.strerror}", fix="Choose a file with --out."
        ) from None
    return target


def winner_of(folder: RunFolder) -> Winner | None:
    """Return what a page says of the model in `best/`; None where there is none, or its files are damaged."""
    results = read_results(folder, warn_once)
    if results is None or not folder.best.is_dir():
        return None
    try:
        lines = usage_of(folder.best)
        kind = folder_kind(read_record(Answering, folder.best / ANSWERING))
    except DamagedFileError as error:
        warn_once(f"{error.path} cannot be read ({error.reason})")
        return None
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        warn_once(f"{folder.best / ANSWERING} does not say how the model is asked ({type(error).__name__})")
        return None
    return Winner(usage=lines, validation=results.validation, test=results.test or {}, kind=kind)


def _test_scores(session: Session, best: Experience) -> dict[str, float] | None:
    """Scores of the winner on the test split, computed in a child; nothing if that fails."""
    spec = session.spec(best.trial, best.configuration, Limits(), session.devices()[0], best.proposal)
    spec = replace(spec, card=replace(spec.card, path=str(session.folder.best)))
    folder = session.folder.test
    # What an earlier attempt left there must not be taken for the result of this one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    # The server of the trials has torch loaded already, which takes a new interpreter 2 % of five minutes.
    trials_launcher = session.executor.launcher if isinstance(session.executor, LocalExecutor) else None
    executor = LocalExecutor(trials_launcher or SpawnLauncher(spec.threads), TEST_ENTRY)
    try:
        executor.start(spec, folder)
        while not (ended := executor.finished(timeout=60.0)):
            pass
    finally:
        if trials_launcher is None:
            executor.close()
    outcome = ended[0][1]
    if outcome.failure is not None:
        session.screen.note(f"the test split could not be scored: {outcome.failure.message} (see {folder})")
        return None
    return dict(outcome.metrics)


def summary(info: RunInfo, experiences: Sequence[Experience], results: Results | None) -> dict[str, Any]:
    """A run in one JSON value."""
    best = best_of(info, experiences)
    pruned, seconds_saved = pruning_savings(experiences)
    return {
        "best": {"trial": best.trial, **to_plain(best.configuration)["values"]},
        "validation": dict(best.outcome.metrics),
        "test": dict(results.test) if results is not None and results.test else None,
        "evaluation_time": best.outcome.evaluation_time,
        "trials": len(experiences),
        "failures": dict(failures_by_kind(experiences)),
        "pruned": {"trials": pruned, "seconds_saved": seconds_saved},
        "front": [one.trial for one in front_of(info, experiences)],
    }
