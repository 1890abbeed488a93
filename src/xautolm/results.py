"""What a run leaves behind: the winner's folder, the front, the leaderboard, the report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xautolm.documents import read_json, to_plain, write_json, write_text
from xautolm.errors import NoModelError
from xautolm.execution import LocalExecutor, SpawnLauncher
from xautolm.metrics import EVALUATION_TIME, objective
from xautolm.plan import Plan
from xautolm.records import Experience, Limits
from xautolm.report import as_csv, failures_by_kind, html_report, leaderboard, model_card
from xautolm.report.html import Winner
from xautolm.report.usage import example_prompt, usage_of
from xautolm.run_folder import ANSWERING, RunFolder, RunInfo
from xautolm.search import objective_values, pareto_front
from xautolm.tasks import TASKS

TEST_ENTRY = "xautolm.finetuning.evaluate:run"
RESULTS = "results.json"


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


def finish(plan: Plan, experiences: Sequence[Experience]) -> Experience:
    """Write `best/`, `pareto.json`, `leaderboard.csv` and `results.json`; returns the winner.

    Raises:
        NoModelError: No trial gave a model.
    """
    folder, info = plan.folder, plan.info
    write_tables(folder, info, experiences)
    best = best_of(info, experiences)
    known: dict[str, Any] = read_json(folder.root / RESULTS) if (folder.root / RESULTS).exists() else {}
    if known.get("best") != best.trial or not folder.best.exists():
        _place(folder.model(best.trial), folder.best)
        test = _test_scores(plan, best) if (folder.data / "test.parquet").exists() else None
        known = {"best": best.trial, "metric": plan.metric, "validation": dict(best.outcome.metrics), "test": test}
        card = plan.cards[best.configuration.model]
        task, settings = TASKS.get(info.task), read_json(folder.best / ANSWERING)
        prompt = example_prompt(task)
        text = model_card(best, card, info.labels, plan.metric, info.notes, test, settings, prompt)
        write_text(folder.best / "README.md", text)
        write_json(folder.root / RESULTS, known)
    return best


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
    """
    info, experiences = folder.info(), folder.experiences()
    if not experiences:
        raise NoModelError(f"No trial of {folder.root} has ended yet, so there is nothing to report.")
    front = [one.trial for one in front_of(info, experiences)]
    title = f"{info.data.name}: {info.task}"
    page = html_report(title, experiences, front, lead_metric(info), winner_of(folder), info.notes)
    target = path or folder.root / "report.html"
    write_text(target, page)
    return target


def winner_of(folder: RunFolder) -> Winner | None:
    """Return what a page says of the model in `best/`; None where no trial gave one yet."""
    path = folder.root / RESULTS
    if not (path.exists() and folder.best.exists()):
        return None
    results = read_json(path)
    return Winner(usage=usage_of(folder.best), validation=results["validation"], test=results["test"] or {})


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


def summary(info: RunInfo, experiences: Sequence[Experience], results: dict[str, Any]) -> dict[str, Any]:
    """A run in one JSON value."""
    best = best_of(info, experiences)
    return {
        "best": {"trial": best.trial, **to_plain(best.configuration)["values"]},
        "validation": dict(best.outcome.metrics),
        "test": results.get("test"),
        "evaluation_time": best.outcome.evaluation_time,
        "trials": len(experiences),
        "failures": dict(failures_by_kind(experiences)),
        "front": [one.trial for one in front_of(info, experiences)],
    }
