"""The winner is trained once more on all rows: when, what becomes of `best/`, and what is said of it."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.numpy import load_file, save_file

from tests.test_merging import Noting
from xautolm import AutoLM
from xautolm.after_search import outcome_of_child
from xautolm.artifacts import summary
from xautolm.best_folder import Results, read_results
from xautolm.budget import Clock
from xautolm.data.demo import support_tickets
from xautolm.execution import LocalExecutor, SpawnLauncher
from xautolm.records import Budget, Experience, Failure, TrialOutcome, TrialSpec
from xautolm.refit import (
    MARGIN,
    is_wanted,
    lack_of_time,
    metrics_lost,
    obstacle,
    seconds_needed,
    seconds_to_keep,
)
from xautolm.report import Standing
from xautolm.report.result import print_result
from xautolm.report.screen import Quiet
from xautolm.run_folder import ANSWERING, RunFolder
from xautolm.serialization import write_json
from xautolm.session import Session
from xautolm.space.shares import TRAIN_SHARE
from xautolm.testing import FakeExecutor, made_up_experience, made_up_spec, success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, Refit, Stage, TrialStatus

LOCAL = LocalExecutor(SpawnLauncher(1), "no.module:no_function")
"""Starts nothing here."""
SCORES = (0.5, 0.8, 0.7)
"""Of the trials, in order."""


def a_session(
    tmp_path: Path,
    *,
    refit: Refit = Refit.AUTO,
    budget: float | None = 100.0,
    made: bool = True,
    executor: object = LOCAL,
) -> Any:
    """Return what the rules of this module look at."""
    clock = Clock(tmp_path / "clock.json", Budget(seconds=budget, trials=None))
    options = SimpleNamespace(refit=refit)
    scenario = SimpleNamespace(options=options, dataset=SimpleNamespace(has_made_validation=made))
    best = SimpleNamespace(results=lambda: None)
    return SimpleNamespace(clock=clock, scenario=scenario, executor=executor, best=best)


@pytest.mark.parametrize(
    ("refit", "made", "budget", "executor", "wanted"),
    [
        (Refit.AUTO, True, 100.0, LOCAL, True),
        (Refit.AUTO, False, 100.0, LOCAL, False),
        (Refit.AUTO, True, None, LOCAL, False),
        (Refit.AUTO, True, 100.0, FakeExecutor(success), False),
        (Refit.ALWAYS, False, None, FakeExecutor(success), True),
        (Refit.NEVER, True, 100.0, LOCAL, False),
    ],
)
def test_it_is_wanted_where_the_split_was_made_and_time_is_what_is_spent(
    tmp_path: Path, refit: Refit, made: bool, budget: float | None, executor: object, wanted: bool
) -> None:
    session = a_session(tmp_path, refit=refit, made=made, budget=budget, executor=executor)
    assert is_wanted(session) is wanted


def test_time_is_kept_for_it_as_long_as_enough_is_left_to_search(
    tmp_path: Path,
) -> None:
    session = a_session(tmp_path)
    quick = made_up_experience(0, wall_time=20.0)
    # 120 rows in all, 100 of them trained on.
    assert seconds_needed(quick) == pytest.approx(MARGIN * 20 * 1.2)
    assert seconds_to_keep(session, quick) == seconds_needed(quick)
    # Of a rung's ten rows, the twenty of validation make thirty.
    values = {**quick.configuration.values, TRAIN_SHARE: 0.1}
    on_rung = replace(quick, configuration=replace(quick.configuration, values=values))
    assert seconds_needed(on_rung) == pytest.approx(MARGIN * 20 * 3)
    assert seconds_to_keep(session, made_up_experience(0, wall_time=40.0)) == 0
    # It has been trained on all rows: a larger budget is for further trials.
    session.best.results = lambda: Results(best=0, metric="m", validation={}, is_refit=True)
    assert seconds_to_keep(session, quick) == 0
    assert seconds_to_keep(session, replace(quick, trial=1)) == seconds_needed(quick)
    session.best.results = lambda: None
    # It would not end in time any more: what is left is for further trials.
    session.clock.before = 80.0
    assert seconds_to_keep(session, quick) == 0
    session.clock.before = 0.0
    assert seconds_to_keep(session, None) == 0
    assert seconds_to_keep(a_session(tmp_path, refit=Refit.NEVER), quick) == 0
    assert seconds_to_keep(a_session(tmp_path, refit=Refit.ALWAYS, budget=None), quick) == 0


def test_a_last_question_that_took_a_part_of_what_was_kept_does_not_cost_it(tmp_path: Path) -> None:
    session = a_session(tmp_path)
    best = made_up_experience(0, wall_time=20.0)
    assert seconds_to_keep(session, best) == pytest.approx(27.6)
    session.clock.before = 75.0
    assert lack_of_time(session, best) == ""
    session.clock.before = 77.5
    reason = lack_of_time(session, best)
    assert reason.startswith("to train it on all rows would take 24.0 s, and 22.")


def test_what_is_kept_is_not_left_for_trials(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock.json", Budget(seconds=100.0, trials=None))
    clock.kept = 30.0
    assert clock.left == pytest.approx(clock.left_in_all - 30, abs=1)
    unlimited = Clock(tmp_path / "clock.json", Budget(seconds=None, trials=3))
    assert unlimited.left == unlimited.left_in_all == math.inf


def with_outcome(**changes: Any) -> Experience:
    experience = made_up_experience(0)
    return replace(experience, outcome=replace(experience.outcome, **changes))


def test_trials_that_cannot_be_done_again_are_told(tmp_path: Path) -> None:
    session = a_session(tmp_path)
    assert obstacle(session, made_up_experience(0)) == ""
    asked = made_up_experience(
        0,
        replace(
            made_up_experience(0).configuration, values={"model": "m", "method": "zero_shot.v1"}
        ),
    )
    assert obstacle(session, asked) == "it learns nothing from rows"
    assert obstacle(session, with_outcome(status=TrialStatus.TRUNCATED)) == "its training was cut"
    assert "divided" in obstacle(session, with_outcome(devices=2))


def score_of(spec: TrialSpec) -> TrialOutcome:
    return success(seconds=1.0, **dict.fromkeys(spec.metrics, SCORES[spec.number]))


def leave_model(folder: Path, spec: TrialSpec, content: int) -> None:
    """Write a model whose weights are a number."""
    model = TrialFolder(folder).model
    model.mkdir(exist_ok=True)
    write_json(model / ANSWERING, {"task": spec.task, "form": "classify", "max_length": 8})
    save_file({"content": np.asarray([content])}, model / "model.safetensors")


class Leaving(FakeExecutor):
    """Plays trials that leave weights: the number of the trial."""

    def _leave(self, spec: TrialSpec, folder: Path, outcome: TrialOutcome) -> None:
        super()._leave(spec, folder, outcome)
        leave_model(folder, spec, spec.number)


def retrain(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Stand for the child that trains the winner once more; its weights are 100 and its trial's number."""
    assert spec.trains_on_validation
    leave_model(folder, spec, 100 + spec.number)
    return success(seconds=1.0, **dict.fromkeys(spec.metrics, 0.95))


def retrain_badly(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Stand for a child whose training went astray."""
    leave_model(folder, spec, 100 + spec.number)
    return success(seconds=1.0, **dict.fromkeys(spec.metrics, 0.3))


def fail(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Stand for a child that fails."""
    failure = Failure(kind=FailureKind.CRASH, message="no room")
    return TrialOutcome(status=TrialStatus.FAILED, failure=failure)


def interrupt(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Stand for a child during which somebody ends the search."""
    raise KeyboardInterrupt


Child = Callable[[TrialSpec, Path], TrialOutcome]
Fit = Callable[..., tuple[AutoLM, list[str]]]


@pytest.fixture
def fit(tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Search with played trials, the second of which is the best, and a stand-in for the child."""

    def run(
        child: Child = retrain,
        trials: int = 2,
        refit: str = "always",
        budget: str | None = None,
    ) -> tuple[AutoLM, list[str]]:
        def play(
            session: Session,
            spec: TrialSpec,
            folder: Path,
            entry: str,
            meanwhile: Callable[[], None],
        ) -> TrialOutcome:
            meanwhile()
            folder.mkdir(exist_ok=True)
            TrialFolder(folder).write_spec(spec)
            return child(spec, folder)

        monkeypatch.setattr("xautolm.refit.outcome_of_child", play)
        # Its weights are a number: there is nothing to be scored.
        monkeypatch.setattr("xautolm.artifacts.complete", lambda session, best: None)
        screen = Noting()
        auto = AutoLM(
            trials=trials,
            budget=budget,
            sampler="random",
            models="minilm-l2",
            methods="head",
            device="cpu",
            objectives="f1_macro",
            refit=refit,
            out=str(tmp_path / "run"),
        )
        auto.fit(tickets, screen=screen, executor=Leaving(score_of))
        return auto, screen.notes

    return run


def weights(folder: Path) -> int:
    return int(load_file(folder / "model.safetensors")["content"][0])


def test_best_is_what_was_trained_on_all_rows_and_its_scores_are_the_trials_own(
    fit: Fit, tmp_path: Path
) -> None:
    auto, notes = fit()
    run = RunFolder(tmp_path / "run")
    assert auto.best_.trial == 1 and weights(run.best) == 101 and weights(run.model(1)) == 1
    results = read_results(run)
    assert results is not None and results.is_refit and results.validation["f1_macro"] == 0.8
    card = (run.best / "README.md").read_text()
    assert "trained once more" in card and "| validation f1_macro | 0.8000 |" in card
    assert "trial 1 is trained once more, with the 31 validation rows, too" in notes
    # It is no trial: neither the run nor the store has one more.
    assert [experience.trial for experience in auto.experiences_] == [0, 1]
    stages = [mark.stage for mark in run.marks()]
    assert stages == [Stage.START_UP, Stage.SEARCH, Stage.REFIT, Stage.SCORING, Stage.END]


def test_who_reads_the_result_is_told(fit: Fit) -> None:
    auto, _ = fit()
    console = Console(file=io.StringIO(), width=200)
    print_result(
        auto.run_, auto.best_, [auto.best_], None, ["text"], console=console, is_refit=True
    )
    assert "that training once more, on the rows of validation, too" in console.file.getvalue()
    results = read_results(auto.run_)
    assert summary(auto.info_, auto.experiences_, results)["refit"] is True


def test_the_screen_goes_on_and_shows_all_that_is_left(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []

    def update(screen: Noting, standing: Standing) -> None:
        left.append(standing.left)

    monkeypatch.setattr(Noting, "update", update)
    monkeypatch.setattr("xautolm.loop.seconds_to_keep", lambda session, best: 500.0)
    fit(budget="1000s")
    *_, in_search, in_refit = left
    assert 900 < in_refit <= in_search <= 1000, "what is kept for it is left, too"


def test_the_child_gets_the_winners_order(fit: Fit, tmp_path: Path) -> None:
    auto, _ = fit()
    spec = TrialFolder(RunFolder(tmp_path / "run").refit).read_spec()
    assert spec.configuration == auto.best_.configuration
    assert spec.number == 1 and spec.limits.seconds is None


def test_going_on_without_a_better_trial_keeps_it_and_with_one_does_it_again(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = tmp_path / "run" / "best"
    fit(trials=2)
    _, notes = fit(trials=3)
    assert weights(best) == 101 and not any("once more" in note for note in notes)
    monkeypatch.setattr("tests.test_refit.SCORES", (*SCORES, 0.9))
    fit(trials=4)
    assert weights(best) == 103


def test_a_better_trial_without_it_is_itself_and_leaves_nothing_of_the_old_one(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    fit(trials=1)
    assert weights(run.best) == 100
    fit(trials=2, refit="never")
    assert weights(run.best) == 1 and not run.refit.exists()
    results = read_results(run)
    assert results is not None and not results.is_refit
    assert "trained once more" not in (run.best / "README.md").read_text()


def test_who_then_says_never_gets_the_trials_own_model_again(fit: Fit, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    fit()
    _, notes = fit(refit="never")
    assert weights(run.best) == 1 and not run.refit.exists()
    results = read_results(run)
    assert results is not None and not results.is_refit
    assert "trained once more" not in (run.best / "README.md").read_text()
    assert "best/ is trial 1 as it was validated" in notes


def test_what_was_trained_once_more_stays_where_the_trials_own_weights_are_gone(
    fit: Fit, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    fit()
    shutil.rmtree(run.model(1))
    _, notes = fit(refit="never")
    assert weights(run.best) == 101
    assert any("best/ stays trained on all rows" in note for note in notes)


def test_damage_to_best_is_mended_from_what_it_was_made_of(fit: Fit, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    fit(trials=2)
    (run.best / "model.safetensors").unlink()
    fit(trials=3)
    assert weights(run.best) == 101


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (retrain_badly, "it has a worse f1_macro, accuracy, f1_weighted, mcc, even on rows"),
        (fail, "its training on all rows failed: no room"),
    ],
)
def test_where_it_fails_best_stays_the_trials_own(
    fit: Fit, tmp_path: Path, child: Child, said: str
) -> None:
    _, notes = fit(child)
    run = RunFolder(tmp_path / "run")
    assert weights(run.best) == 1
    (note,) = [note for note in notes if said in note]
    assert note.startswith("best/ is trial 1 as it was validated: ")
    results = read_results(run)
    assert results is not None and not results.is_refit


def test_a_metric_that_is_an_error_is_lost_where_it_grows() -> None:
    before = {"spearman": 0.9, "mae": 3.0, "rmse": 4.0}
    assert metrics_lost(before, {"spearman": 0.9, "mae": 15.0, "rmse": 3.0}) == ["mae"]
    assert metrics_lost(before, {"spearman": 0.95, "mae": 2.0, "rmse": 3.0}) == []


def test_an_interrupted_one_is_done_by_the_next_start(fit: Fit, tmp_path: Path) -> None:
    best = tmp_path / "run" / "best"
    with pytest.raises(KeyboardInterrupt):
        fit(interrupt)
    assert weights(best) == 1
    fit()
    assert weights(best) == 101


def test_who_interrupts_the_search_ends_its_child_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = []

    def finished(executor: LocalExecutor, timeout: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalExecutor, "start", lambda executor, spec, folder: None)
    monkeypatch.setattr(LocalExecutor, "finished", finished)
    monkeypatch.setattr(LocalExecutor, "cancel", lambda _, number: cancelled.append(number))
    session = SimpleNamespace(executor=FakeExecutor(success))
    with pytest.raises(KeyboardInterrupt):
        outcome_of_child(session, made_up_spec(7), tmp_path / "refit", "no.module:none")
    assert cancelled == [7]


@pytest.mark.timeout(300)
def test_a_real_probe_is_fitted_to_all_rows_and_answers_from_best(
    tickets: pd.DataFrame, tmp_path: Path
) -> None:
    auto = AutoLM(
        trials=1,
        models="minilm-l2",
        methods="probe",
        sampler="random",
        device="cpu",
        test=support_tickets(40, seed=5),
        refit="always",
        out=str(tmp_path / "run"),
    )
    auto.fit(tickets, screen=Quiet())
    run = RunFolder(tmp_path / "run")
    results = read_results(run)
    assert results is not None and results.is_refit and results.test is not None
    # A probe that pools the mean has a layer of its own: the body is as it was.
    layers = [folder / "2_Dense" / "model.safetensors" for folder in (run.model(0), run.best)]
    own, whole = (load_file(layer)["linear.weight"] for layer in layers)
    assert own.shape == whole.shape and not np.allclose(own, whole)
    assert auto.evaluate(support_tickets(40, seed=5)) == pytest.approx(dict(results.test), abs=1e-6)
