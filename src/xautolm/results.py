"""What a run leaves behind: the winner's folder, the front, the leaderboard, the report."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xautolm.documents import read_json, read_record, to_plain, write_json, write_text
from xautolm.errors import DamagedFileError, NoModelError, RunFolderError, UsageError
from xautolm.execution import LocalExecutor, SpawnLauncher
from xautolm.metrics import EVALUATION_TIME, objective
from xautolm.plan import Plan
from xautolm.records import Experience, Limits
from xautolm.report import as_csv, failures_by_kind, html_report, leaderboard, model_card
from xautolm.report.html import Winner
from xautolm.report.usage import example_prompt, usage_of
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo, Say, folder_errors, warn_once
from xautolm.search import objective_values, pareto_front
from xautolm.tasks import TASKS

logger = logging.getLogger(__name__)

TEST_ENTRY = "xautolm.finetuning.evaluate:run"
CARD = "README.md"
"""The model card beside the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What `results.json` says of the winner."""

    best: int
    """The trial."""
    metric: str
    """What chose it."""
    validation: Mapping[str, float]
    test: Mapping[str, float] | None = None
    """Scores on the test split; None if there is none, or it was not scored yet."""


def lead_metric(info: RunInfo) -> str:
    """The first quality metric among a run's objectives."""
    return next(name for name in info.objectives if name != EVALUATION_TIME)


def front_of(info: RunInfo, experiences: Sequence[Experience]) -> list[Experience]:
    """The Pareto-optimal trials of a run, best in the first objective first."""
    objectives = [objective(name, TASKS.get(info.task).metrics) for name in info.objectives]
    numbers = pareto_front({one.trial: one.outcome for one in experiences}, objectives)
    by_number = {one.trial: one for one in experiences}
    return [by_number[number] for number in numbers]


def best_of(info: RunInfo, experiences: Sequence[Experience]) -> Experience:
    """The trial of the front that leads in the first quality metric; of several, the fastest.

    Raises:
        NoModelError: No trial gave a model; the message counts the failures and points to the last log.
    """
    front = front_of(info, experiences)
    if not front:
        raise NoModelError(_why_none(experiences))
    metric = lead_metric(info)
    return max(front, key=lambda one: (one.outcome.metrics[metric], -(one.outcome.evaluation_time or 0)))


def finish(plan: Plan, experiences: Sequence[Experience], *, is_early: bool = False) -> Experience:
    """Write `best/`, `results.json`, `pareto.json` and `leaderboard.csv`; returns the winner.

    Args:
        plan: The search.
        experiences: Its trials.
        is_early: Whether the search was ended from outside: the test split is then left for when it has gone on, for
            who ends a search does not want to wait.

    Raises:
        NoModelError: No trial gave a model.
        SearchEndedError: There is no room for these files.
    """
    with folder_errors(plan.folder.root):
        try:
            best = best_of(plan.info, experiences)
            keep_best(plan, experiences, is_early=is_early)
        finally:
            write_tables(plan.folder, plan.info, experiences)
    return best


def keep_best(plan: Plan, experiences: Sequence[Experience], *, is_early: bool) -> None:
    """Place the winner in `best/`, with its card and its scores, unless it lies there already.

    Raises:
        NoModelError: No trial has its weights.
    """
    folder = plan.folder
    results = read_results(folder, plan.screen.note) if folder.best.is_dir() else None
    best = best_with_weights(plan, experiences, results)
    if best is None:
        return
    if results is None or results.best != best.trial:
        _place(folder.model(best.trial), folder.best)
        results = Results(best=best.trial, metric=plan.metric, validation=dict(best.outcome.metrics))
        _describe(plan, best, results)
    else:
        _mend_best(plan, best, results)
    # Everything else is in its place by now: a search that is killed while its winner is scored has lost nothing.
    if results.test is None and not is_early and folder.split("test").exists():
        results = replace(results, test=_test_scores(plan, best))
        _describe(plan, best, results)


def best_with_weights(plan: Plan, experiences: Sequence[Experience], results: Results | None) -> Experience | None:
    """Return the best trial whose weights are there: who leads only because a file was lost has none any more.

    Args:
        plan: The search.
        experiences: Its trials.
        results: What is known of the model in `best/`, if there is one.

    Returns:
        Nothing if `best/` holds a better model, of a trial whose own files are lost.

    Raises:
        NoModelError: No trial has its weights.
    """
    folder, metric = plan.folder, plan.metric
    placed = None if results is None else results.best
    successes = [experience for experience in experiences if experience.outcome.succeeded]
    there = [trial for trial in successes if trial.trial == placed or folder.model(trial.trial).is_dir()]
    best = best_of(plan.info, there) if there else None
    if results is not None and results.best not in [experience.trial for experience in successes]:
        score = -math.inf if best is None else best.outcome.metrics[metric]
        if results.validation.get(metric, -math.inf) >= score:
            plan.screen.note(f"best/ stays the model of trial {results.best}, whose own files are lost")
            return None
    if best is None:
        raise NoModelError(f"The weights of all trials in {folder.root} are gone.")
    return best


def read_results(folder: RunFolder, say: Say = logger.info) -> Results | None:
    """Return what `results.json` says; nothing if there is none, or it is damaged.

    Args:
        folder: The run.
        say: Told if it is damaged.
    """
    if not folder.results.exists():
        return None
    try:
        return read_record(Results, folder.results)
    except DamagedFileError as error:
        say(f"{folder.results.name} cannot be read ({error.reason})")
        return None


def _describe(plan: Plan, best: Experience, results: Results) -> None:
    """Write the card beside the weights, and `results.json`."""
    info, folder = plan.info, plan.folder
    card = plan.cards[best.configuration.model]
    settings = read_json(folder.best / ANSWERING)
    prompt = example_prompt(TASKS.get(info.task))
    text = model_card(best, card, info.labels, plan.metric, info.notes, results.test, settings, prompt)
    write_text(folder.best / CARD, text)
    write_json(folder.results, to_plain(results))


def _mend_best(plan: Plan, best: Experience, results: Results) -> None:
    """Put files of `best/` that are gone or damaged back in their place, from the trial's own."""
    model, target = plan.folder.model(best.trial), plan.folder.best
    for source in sorted(model.rglob("*")):
        path = target / source.relative_to(model)
        if not source.is_file() or is_sound(path):
            continue
        if is_sound(source):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            _link_or_copy(str(source), str(path))
            plan.screen.note(f"best/{path.relative_to(target)} was gone or damaged: it was put back")
        else:
            plan.screen.note(f"best/{path.relative_to(target)} is damaged, and so is the trial's own")
    if not is_sound(target / CARD) and is_sound(target / ANSWERING):
        _describe(plan, best, results)
        plan.screen.note(f"best/{CARD} was gone or empty: it was written anew")


def is_sound(path: Path) -> bool:
    """Whether a file of a model is there, whole as far as its format tells."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    if path.suffix == ".json":
        try:
            read_json(path)
        except DamagedFileError:
            return False
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError):
            return False
    return True


def write_tables(folder: RunFolder, info: RunInfo, experiences: Sequence[Experience]) -> None:
    """Write `pareto.json` and `leaderboard.csv`."""
    front = front_of(info, experiences)
    objectives = [objective(name, TASKS.get(info.task).metrics) for name in info.objectives]
    points = [
        {
            "trial": one.trial,
            "objectives": dict(zip(info.objectives, objective_values(one.outcome, objectives) or (), strict=True)),
            "configuration": dict(one.configuration.values),
            "model": str(folder.model(one.trial).relative_to(folder.root)),
        }
        for one in front
    ]
    write_json(folder.root / "pareto.json", points)
    rows = leaderboard(experiences, lead_metric(info), [one.trial for one in front])
    write_text(folder.root / "leaderboard.csv", as_csv(rows))


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
    page = html_report(title, experiences, front, lead_metric(info), winner_of(folder), info.notes)
    target = path or folder.root / "report.html"
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
    except DamagedFileError as error:
        warn_once(f"{error.path} cannot be read ({error.reason})")
        return None
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        warn_once(f"{folder.best / ANSWERING} does not say how the model is asked ({type(error).__name__})")
        return None
    return Winner(usage=lines, validation=results.validation, test=results.test or {})


def _place(source: Path, target: Path) -> None:
    """Copy a model's folder, by hard links where the file system has them: two names, one use of the disk."""
    fresh = target.with_name(".best")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, copy_function=_link_or_copy)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _test_scores(plan: Plan, best: Experience) -> dict[str, float] | None:
    """Scores of the winner on the test split, computed in a child; nothing if that fails."""
    spec = plan.spec(best.trial, best.configuration, Limits(), plan.devices[0], best.proposal)
    spec = replace(spec, card=replace(spec.card, path=str(plan.folder.best)))
    folder = plan.folder.root / "test"
    # What an earlier attempt left there must not be taken for the result of this one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    executor = LocalExecutor(SpawnLauncher(plan.threads), TEST_ENTRY)
    try:
        executor.start(spec, folder)
        while not (ended := executor.finished(timeout=60.0)):
            pass
    finally:
        executor.close()
    outcome = ended[0][1]
    if outcome.failure is not None:
        plan.screen.note(f"the test split could not be scored: {outcome.failure.message} (see {folder})")
        return None
    return dict(outcome.metrics)


def _why_none(experiences: Sequence[Experience]) -> str:
    if not experiences:
        return "No trial ended within the budget, so there is no model."
    kinds = ", ".join(f"{count} {kind}" for kind, count in failures_by_kind(experiences).items())
    last = experiences[-1]
    message = last.outcome.failure.message if last.outcome.failure else ""
    return f"None of {len(experiences)} trials gave a model ({kinds}).\nTrial {last.trial}: {message}"


def summary(info: RunInfo, experiences: Sequence[Experience], results: Results | None) -> dict[str, Any]:
    """A run in one JSON value."""
    best = best_of(info, experiences)
    return {
        "best": {"trial": best.trial, **to_plain(best.configuration)["values"]},
        "validation": dict(best.outcome.metrics),
        "test": dict(results.test) if results is not None and results.test else None,
        "evaluation_time": best.outcome.evaluation_time,
        "trials": len(experiences),
        "failures": dict(failures_by_kind(experiences)),
        "front": [one.trial for one in front_of(info, experiences)],
    }
