"""The files that a run leaves behind: the scores of its winner, the front, the leaderboard, the report."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xautolm.best_folder import Results, best_of, front_of, read_results
from xautolm.errors import DamagedFileError, NoModelError, RunFolderError, UsageError
from xautolm.execution import LocalExecutor, SpawnLauncher
from xautolm.forecasts import check_forecasts
from xautolm.objectives import lead_of, objective_values, recorded_objectives
from xautolm.records import Answering, Experience, Limits, TrialOutcome
from xautolm.report import (
    Winner,
    as_csv,
    failures_by_kind,
    html_report,
    pruning_savings,
    score_text,
    wide_leaderboard,
)
from xautolm.report.result import shown_folder
from xautolm.report.usage import folder_kind, predict_command, usage_of
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo, folder_errors, warn_once
from xautolm.serialization import read_record, write_json, write_text
from xautolm.session import Session
from xautolm.tasks import TASKS
from xautolm.vocabulary import Split

logger = logging.getLogger(__name__)

TEST_ENTRY = "xautolm.finetuning.evaluate:run"
"""The function of the child that scores the winner; named, because the parent never imports torch."""
WAIT_SECONDS = 60.0
"""For which the end of that child is waited for at a time."""


def finish(
    session: Session, experiences: Sequence[Experience], *, is_early: bool = False
) -> Experience:
    """Write `best/`, `results.json`, `pareto.json` and `leaderboard.csv`, and return the winner.

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
    lacks_test = results.test is None and session.folder.split(Split.TEST).exists()
    if results.is_final and not lacks_test:
        return
    test = results.test
    if lacks_test:
        test = _test_scores(session, best)
    final_results = replace(results, test=test, is_final=True)
    session.best.describe(best, final_results)


def parting_words(folder: RunFolder, info: RunInfo) -> str:
    """Return what somebody should know who ends a search early: where its best model is, if there is one."""
    if not folder.best.is_dir():
        return "no trial has given a model yet"
    model = "the best model so far"
    results = read_results(folder)
    if results is not None:
        score = results.validation.get(results.metric, math.nan)
        model += f" (trial {results.best}, validation {results.metric} {score_text(score)})"
    # As a path that can be typed from where the person is.
    run = shown_folder(folder.root)
    place = run / folder.best.name
    task = TASKS.get(info.task)
    command = predict_command(run, tuple(task.inputs))
    return f"{model} is in {place}; ask it with: {command}"


def write_tables(folder: RunFolder, info: RunInfo, experiences: Sequence[Experience]) -> None:
    """Write `pareto.json` and `leaderboard.csv`."""
    front = front_of(info, experiences)
    objectives = recorded_objectives(info)
    points = []
    for experience in front:
        values = objective_values(experience.outcome, objectives) or ()
        model = folder.model(experience.trial).relative_to(folder.root)
        point = {
            "trial": experience.trial,
            "objectives": dict(zip(info.objectives, values, strict=True)),
            "configuration": dict(experience.configuration.values),
            "model": str(model),
        }
        points.append(point)
    write_json(folder.front, points)
    numbers = [experience.trial for experience in front]
    rows = wide_leaderboard(experiences, lead_of(objectives), numbers)
    write_text(folder.leaderboard, as_csv(rows))


def write_report(folder: RunFolder, path: Path | None = None) -> Path:
    """Write the run's HTML page, `report.html` in its folder by default, and return its path.

    Raises:
        NoModelError: No trial has ended yet.
        RunFolderError: The page cannot be written there.
    """
    info = folder.info()
    experiences = folder.experiences()
    if not experiences:
        raise NoModelError(
            f"No trial of {folder.root} has ended yet, so there is nothing to report."
        )
    front = [experience.trial for experience in front_of(info, experiences)]
    title = f"{info.data.name}: {info.task}"
    lead = lead_of(recorded_objectives(info))
    check = check_forecasts(folder.forecasts(), experiences)
    page = html_report(title, experiences, front, lead, winner_of(folder), info.notes, check)
    target = path or folder.report
    try:
        write_text(target, page)
    except OSError as error:
        raise RunFolderError(
            "The page cannot be written there.",
            got=f"{target}: {error.strerror}",
            fix="Choose a file with --out.",
        ) from None
    return target


def winner_of(folder: RunFolder) -> Winner | None:
    """Return the part of the page about the model in `best/`; None where there is none, or its files are damaged."""
    results = read_results(folder, warn_once)
    if results is None or not folder.best.is_dir():
        return None
    path = folder.best / ANSWERING
    try:
        lines = usage_of(folder.best)
        answering = read_record(Answering, path)
        kind = folder_kind(answering)
    except DamagedFileError as error:
        warn_once(f"{error.path} cannot be read ({error.reason})")
        return None
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        # Such as the name of a task or form of a plug-in that is not installed.
        warn_once(f"{path} does not say how the model is asked ({type(error).__name__})")
        return None
    test = results.test or {}
    return Winner(usage=lines, validation=results.validation, test=test, kind=kind)


def _test_scores(session: Session, best: Experience) -> dict[str, float] | None:
    """Score the winner on the test split, in a child process.

    Returns:
        None where that failed; the screen is told why.
    """
    place = session.scenario.places[0]
    spec = session.spec(best.trial, best.configuration, Limits(), place, best.proposal)
    # What is scored is what people get: the model in `best/`.
    placed_card = replace(spec.card, path=str(session.folder.best))
    spec = replace(spec, card=placed_card)
    folder = session.folder.test
    # What an earlier attempt left there must not be taken for the result of this one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    # The server of the trials has torch loaded already, which takes a new interpreter 2 % of five minutes.
    # A server of our own is closed at the end; that of the trials is the session's.
    trials_launcher = (
        session.executor.launcher if isinstance(session.executor, LocalExecutor) else None
    )
    launcher = trials_launcher or SpawnLauncher(spec.threads)
    executor = LocalExecutor(launcher, TEST_ENTRY)
    ended: Sequence[tuple[int, TrialOutcome]] = ()
    try:
        executor.start(spec, folder)
        while not ended:
            ended = executor.finished(timeout=WAIT_SECONDS)
    finally:
        if trials_launcher is None:
            executor.close()
    _, outcome = ended[0]
    if outcome.failure is not None:
        session.screen.note(
            f"the test split could not be scored: {outcome.failure.message} (see {folder})"
        )
        return None
    return dict(outcome.metrics)


def summary(
    info: RunInfo, experiences: Sequence[Experience], results: Results | None
) -> dict[str, object]:
    """Return a run as one JSON value."""
    best = best_of(info, experiences)
    front = front_of(info, experiences)
    pruned, seconds_saved = pruning_savings(experiences)
    test = None
    if results is not None and results.test:
        test = dict(results.test)
    return {
        "best": {"trial": best.trial, **best.configuration.values},
        "validation": dict(best.outcome.metrics),
        "test": test,
        "evaluation_time": best.outcome.evaluation_time,
        "trials": len(experiences),
        "failures": dict(failures_by_kind(experiences)),
        "pruned": {"trials": pruned, "seconds_saved": seconds_saved},
        "front": [experience.trial for experience in front],
    }
