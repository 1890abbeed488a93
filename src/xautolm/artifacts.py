"""The files that a run leaves behind: the scores of its winner, the front, the leaderboard, the report."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from xautolm.after_search import MERGE_ENTRY, TEST_ENTRY, last_order, outcome_of_child
from xautolm.best_folder import Results, best_of, front_of, read_results
from xautolm.data.stored import read_split
from xautolm.errors import DamagedFileError, NoModelError, RunFolderError, UsageError
from xautolm.forecasts import check_forecasts
from xautolm.notices import warn_once
from xautolm.objectives import lead_of, objective_values, recorded_objectives
from xautolm.records import Answering, Experience, Limits
from xautolm.report import (
    Answers,
    PageContent,
    Winner,
    as_csv,
    failures_by_kind,
    html_report,
    pruning_savings,
    score_text,
    wide_leaderboard,
)
from xautolm.report.result import disk_use, shown_folder
from xautolm.report.usage import folder_kind, predict_command, usage_of
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo, folder_errors, holds_adapters
from xautolm.serialization import (
    read_json,
    read_record,
    write_json,
    write_named_text,
    write_text,
)
from xautolm.session import Session
from xautolm.tasks import TASKS
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Split

logger = logging.getLogger(__name__)


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
                merge(session, placed)
                complete(session, placed)
        finally:
            write_tables(session.folder, session.info, experiences)
    return best


def merge(session: Session, best: Experience) -> None:
    """Let the winner be a whole model, where its trial has left adapters.

    Where that fails, the screen is told why: `predict` and the next start have the adapters and the untrained model.
    """
    folder = session.folder
    if holds_adapters(folder.model(best.trial)):
        spec = last_order(session, best, Limits())
        outcome = outcome_of_child(session, spec, folder.merging, MERGE_ENTRY)
        if outcome.failure is not None:
            session.screen.note(
                f"the winner's adapters could not be merged: {outcome.failure.message} (see {folder.merging})"
            )
            return
    if holds_adapters(folder.best):
        session.best.place(best)


def complete(session: Session, best: Experience) -> None:
    """Score the model in `best/` and keep its answers, and let its card say that the search has ended."""
    results = session.best.results()
    assert results is not None
    has_test = session.folder.split(Split.TEST).exists()
    lacks_test = has_test and results.test is None
    if results.is_final and not lacks_test:
        return
    test = results.test
    test_data = results.test_data
    # Without a test split the answers to validation are kept: a person wants to see where the winner errs.
    scores = _scores(session, best)
    if lacks_test:
        test = scores
        test_data = "" if scores is None else session.best.test_data
    final_results = replace(results, test=test, test_data=test_data, is_final=True)
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
        values: list[float | None] = []
        for value in objective_values(experience.outcome, objectives) or ():
            # A cost that was not measured is infinite among rivals; JSON has no such number.
            values.append(value if math.isfinite(value) else None)
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
    page = html_report(page_content(folder))
    target = path or folder.report
    try:
        write_named_text(target, page)
    except OSError as error:
        raise RunFolderError(
            "The page cannot be written there.",
            got=f"{target}: {error.strerror}",
            fix="Choose a file with --out.",
        ) from None
    return target


def page_content(folder: RunFolder) -> PageContent:
    """Return what a run's folder says, for its page.

    Raises:
        NoModelError: No trial has ended yet.
        RunFolderError: There is no run, or nobody can say what it is about.
    """
    info = folder.info()
    trials = folder.trials(info)
    experiences = trials.experiences
    troubles = [f"{folder.described(error)}." for error in trials.damaged]
    for trouble in troubles:
        warn_once(trouble)
    if not experiences:
        raise NoModelError(
            f"No trial of {folder.root} has ended yet, so there is nothing to report."
        )
    explanations = {}
    for experience in experiences:
        explanation = TrialFolder(folder.trial(experience.trial)).read_explanation()
        if explanation:
            explanations[experience.trial] = explanation
    winner = winner_of(folder)
    run = shown_folder(folder.root)
    task = TASKS.things.get(info.task)
    return PageContent(
        info=info,
        experiences=experiences,
        front=[experience.trial for experience in front_of(info, experiences)],
        lead=lead_of(recorded_objectives(info)),
        winner=winner,
        answers=answers_of(folder, info, winner),
        warm_start=_warm_start_of(folder),
        explanations=explanations,
        marks=folder.marks(),
        forecasts=check_forecasts(folder.forecasts(), experiences),
        options=_options_of(folder),
        root=str(run),
        predict="" if task is None else predict_command(run, tuple(task.inputs)),
        troubles=troubles,
        version=metadata.version("xautolm"),
    )


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
    return Winner(
        trial=results.best,
        usage=lines,
        validation=results.validation,
        test=results.test or {},
        kind=kind,
        disk_bytes=disk_use(folder.best),
        is_refit=results.is_refit,
    )


def answers_of(folder: RunFolder, info: RunInfo, winner: Winner | None) -> Answers | None:
    """Return the recorded answers of the model in `best/`; None where they are another's, or were not recorded."""
    child = TrialFolder(folder.test)
    task = TASKS.things.get(info.task)
    if winner is None or task is None:
        return None
    try:
        recorded = child.read_assessment()
        if recorded is None or child.read_spec().number != winner.trial:
            return None
        assessment, predictions = recorded
        split = read_split(folder.data, assessment.split)
    except (DamagedFileError, OSError, ValueError) as error:
        warn_once(f"the answers of the winner cannot be read ({error})")
        return None
    # The split was written anew, or is another's.
    if len(split) != len(predictions) or task.target not in split:
        warn_once("the answers of the winner are not those to the split that lies here")
        return None
    inputs = [name for name in task.inputs if name in split]
    texts = split[inputs].astype(str).agg("\n".join, axis=1)
    rows = predictions.reset_index(drop=True)
    rows["text"] = list(texts)
    rows["target"] = list(split[task.target])
    return Answers(assessment=assessment, rows=rows)


def _warm_start_of(folder: RunFolder) -> dict[str, Any]:
    """Return what the search began with; nothing where it began from zero, or that is damaged."""
    if not folder.warm_start.exists():
        return {}
    try:
        content = read_json(folder.warm_start)
    except DamagedFileError as error:
        warn_once(f"{error.path} cannot be read ({error.reason})")
        return {}
    return content if isinstance(content, dict) else {}


def _options_of(folder: RunFolder) -> str:
    """Return the options of the last invocation; nothing where they were not written, as for tables in memory."""
    try:
        return folder.options.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _scores(session: Session, best: Experience) -> dict[str, float] | None:
    """Score the winner on the test split, or on validation where there is none, in a child process.

    Returns:
        None where that failed; the screen is told why.
    """
    has_weights = any(session.folder.best.rglob("*.safetensors"))
    # An executor of somebody else's may leave its models elsewhere: there is nothing here that could be asked.
    if not has_weights and not session.folder.split(Split.TEST).exists():
        return None
    spec = last_order(session, best, Limits())
    # What is scored is what people get: the model in `best/`.
    model = session.folder.best
    results = session.best.results()
    has_test = session.folder.split(Split.TEST).exists()
    if results is not None and results.is_refit and not has_test:
        # That one has been trained on the rows of validation: what it says of them, it has been told.
        model = session.folder.model(best.trial)
    asked_card = replace(spec.card, path=str(model))
    spec = replace(spec, card=asked_card)
    folder = session.folder.test
    outcome = outcome_of_child(session, spec, folder, TEST_ENTRY)
    if outcome.failure is not None:
        session.screen.note(
            f"the winner could not be scored: {outcome.failure.message} (see {folder})"
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
        "refit": results is not None and results.is_refit,
        "evaluation_time": best.outcome.evaluation_time,
        "latency": best.outcome.latency,
        "model_size": best.outcome.model_size,
        "trials": len(experiences),
        "failures": dict(failures_by_kind(experiences)),
        "pruned": {"trials": pruned, "seconds_saved": seconds_saved},
        "front": [experience.trial for experience in front],
    }
