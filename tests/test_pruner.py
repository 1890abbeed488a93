"""Hopeless trials in a search that is played evaluation by evaluation: what stops them, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from xautolm import AutoLM, ExperienceStore
from xautolm.artifacts import read_results, summary
from xautolm.metrics import constant_scores
from xautolm.records import LearningCurve, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.report.tables import pruning_account, pruning_savings
from xautolm.search import file_url
from xautolm.testing import SteppingExecutor
from xautolm.trial_folder import PARTIAL_ROWS, TrialFolder
from xautolm.vocabulary import TrialStatus

STEPS = 100
"""Of an epoch."""
Lines = Sequence[Mapping[str, float]]


class Listener(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def lines(qualities: Mapping[float, float], seconds: float = 50.0, epochs: float = 3.0) -> Lines:
    """Return what a trial writes that takes so many seconds for an epoch, from its qualities by epoch."""
    written = []
    for epoch, quality in qualities.items():
        counters = {
            "epoch": epoch,
            "step": epoch * STEPS,
            "steps": epochs * STEPS,
            "seconds": epoch * seconds,
        }
        metrics = dict.fromkeys(("f1_macro", "accuracy", "f1_weighted", "mcc"), quality)
        rows = {PARTIAL_ROWS: 120.0} if epoch < 1 else {}
        written.append({**counters, **rows, **metrics})
    return written


PROBE = lines({0.1: 0.70, 1.0: 0.75}, seconds=10.0, epochs=1.0)
GOOD = lines({0.1: 0.40, 0.33: 0.62, 1.0: 0.78, 2.0: 0.83, 3.0: 0.84})
HOPELESS = lines({0.1: 0.20, 0.33: 0.24, 1.0: 0.30, 2.0: 0.34, 3.0: 0.36})
STUCK = lines({0.1: 0.05, 0.33: 0.05, 1.0: 0.05, 2.0: 0.05, 3.0: 0.05})
FASTER = lines({0.1: 0.20, 0.33: 0.24, 1.0: 0.30, 2.0: 0.34, 3.0: 0.36}, seconds=2.0)
CURVES = (PROBE, GOOD, HOPELESS, FASTER, STUCK)


def play(spec: TrialSpec) -> Lines:
    """Play the trials in the order of `CURVES`."""
    return CURVES[spec.number % len(CURVES)]


@pytest.fixture
def fit(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[AutoLM, SteppingExecutor, list[str]]]:
    monkeypatch.setattr("xautolm.pruner.LOOK_SECONDS", 0.0)

    def run(
        curve: Callable[[TrialSpec], Lines] = play,
        executor: SteppingExecutor | None = None,
        **options: Any,
    ) -> tuple[AutoLM, SteppingExecutor, list[str]]:
        executor = executor or SteppingExecutor(curve)
        settings = {
            "out": str(tmp_path / "run"),
            "sampler": "random",
            "device": "cpu",
            "models": "scratch-tiny",
        }
        auto = AutoLM(**{**settings, "trials": 5, **options})
        screen = Listener()
        auto.fit(tickets, screen=screen, executor=executor)
        return auto, executor, screen.said

    return run


def test_hopeless_trials_are_stopped_and_remembered_as_censored(
    fit: Callable, tmp_path: Path
) -> None:
    auto, executor, said = fit()
    assert executor.cancelled == {2, 4}
    outcomes = {experience.trial: experience.outcome for experience in auto.experiences_}
    statuses = [outcomes[number].status.value for number in range(5)]
    assert statuses == ["complete", "complete", "pruned", "complete", "pruned"]
    # After its second epoch: with so few validation rows the first leaves room for 0.8.
    pruned = outcomes[2]
    assert (
        pruned.is_censored and not pruned.succeeded and not pruned.failed and pruned.failure is None
    )
    assert pruned.metrics["f1_macro"] == 0.34
    assert [point["epoch"] for point in pruned.history] == [1.0, 2.0]  # whole evaluations only
    assert (pruned.evaluation_time, pruned.planned_time) == (100.0, pytest.approx(150.0))
    # It learned nothing in a third of its first epoch: there is a quick look only.
    assert outcomes[4].metrics["f1_macro"] == 0.05 and outcomes[4].evaluation_time == 16.5
    assert sum("is stopped: its f1_macro" in line for line in said) == 2
    assert {experience.trial for experience in auto.pareto_front_} == {
        0,
        1,
        3,
    } and auto.best_.trial == 1
    assert not (tmp_path / "run" / "trials" / "0002" / "model").exists()
    with ExperienceStore() as store:
        assert {one.trial for one in store.experiences(status="pruned")} == {2, 4}


def test_the_study_has_them_behind_what_dominates_them(fit: Callable, tmp_path: Path) -> None:
    fit()
    study = optuna.load_study(study_name=None, storage=file_url(tmp_path / "run" / "study.db"))
    trials = study.get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5
    assert trials[2].values == [0.34, pytest.approx(150.0)]
    assert trials[2].user_attrs["status"] == "pruned" and trials[2].user_attrs["censored"] is True
    assert {trial.number for trial in study.best_trials} == {0, 1, 3}


def test_without_pruning_every_trial_runs_to_its_end(fit: Callable) -> None:
    auto, executor, said = fit(pruning=False)
    assert executor.cancelled == set() and not any("is stopped" in line for line in said)
    assert {one.outcome.status for one in auto.experiences_} == {TrialStatus.COMPLETE}
    assert pruning_account(auto.experiences_) == ""


def test_what_it_saved_is_said(fit: Callable) -> None:
    auto, _, _ = fit()
    # 150 - 100 s of the one, 150 - 16.5 s of the other.
    count, seconds = pruning_savings(auto.experiences_)
    assert (count, seconds) == (2, pytest.approx(183.5))
    assert pruning_account(auto.experiences_).startswith(
        "2 hopeless trials were stopped, which saved about 3 min"
    )
    assert "2 hopeless trials were stopped" in auto.report().read_text()
    told = summary(auto.info_, auto.experiences_, read_results(auto.run_))
    assert told["pruned"] == {"trials": 2, "seconds_saved": pytest.approx(183.5)}


def test_a_split_that_is_damaged_meanwhile_ends_no_search(fit: Callable, tmp_path: Path) -> None:
    class Damaging(SteppingExecutor):
        def start(self, spec: TrialSpec, folder: Path) -> None:
            super().start(spec, folder)
            (tmp_path / "run" / "data" / "train.parquet").write_text("half of it")

    auto, executor, _ = fit(executor=Damaging(play))
    # Nothing is known of a constant answer, and the course of the curve of trial 4 says it a little later.
    assert executor.cancelled == {2, 4} and auto.best_.trial == 1


def test_the_only_trial_goes_on(fit: Callable) -> None:
    auto, executor, _ = fit(lambda spec: STUCK, trials=1)
    assert executor.cancelled == set() and auto.best_.outcome.status is TrialStatus.COMPLETE


def test_a_run_goes_on_with_its_pruned_trials(fit: Callable) -> None:
    first, _, _ = fit()
    again, executor, _ = fit()
    assert executor.specs == [] and len(again.experiences_) == 5
    # The curves of trials 0 and 1 are read from their folders: trial 7 is judged by what an earlier session trained.
    more, executor, _ = fit(trials=8)
    assert executor.cancelled == {7} and again.info_.id == first.info_.id == more.info_.id


def test_a_run_that_is_killed_right_after_it_cancelled_a_trial_runs_it_again(
    fit: Callable, tmp_path: Path
) -> None:
    class Killed(SteppingExecutor):
        def cancel(self, number: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(executor=Killed(play))
    result = tmp_path / "run" / "trials" / "0002" / "result.json"
    assert json.loads(result.read_text())["failure"]["kind"] == "interrupted"
    auto, executor, _ = fit(lambda spec: HOPELESS)
    again = executor.specs[0]
    assert again.proposal == "again after trial 2" and again.number in executor.cancelled
    by_number = {experience.trial: experience for experience in auto.experiences_}
    assert by_number[again.number].outcome.status is TrialStatus.PRUNED
    assert by_number[again.number].configuration == by_number[2].configuration


def test_files_are_looked_at_once_a_second(fit: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xautolm.pruner.LOOK_SECONDS", 1e6)
    looks: list[Path] = []

    read = TrialFolder.curve

    def noted(folder: TrialFolder, metrics: Sequence[str]) -> LearningCurve | None:
        looks.append(folder.root)
        return read(folder, metrics)

    monkeypatch.setattr(TrialFolder, "curve", noted)
    fit(trials=3)
    assert (
        looks == []
    )  # the first look came before any trial had ended, the second would come in a million seconds


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        ([0, 0, 1], [0, 1, 1, 1], {"accuracy": 0.25, "f1_macro": 0.2, "mcc": 0.0}),
        ([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]], {"f1_micro": 0.8}),
        ([1.0, 2.0, 6.0], [1.0, 2.0, 3.0], {"pearson": 0.0, "spearman": 0.0}),
    ],
    ids=["classes", "several labels", "numbers"],
)
def test_what_a_constant_answer_scores(
    train: list, validation: list, expected: Mapping[str, float]
) -> None:
    scores = constant_scores(tuple(expected), np.asarray(train), np.asarray(validation))
    assert scores == pytest.approx(dict(expected))


def test_progress_of_a_training_that_began_again_with_smaller_batches(tmp_path: Path) -> None:
    text = [json.dumps(line) for line in (*GOOD[:3], *HOPELESS[:2])]
    (tmp_path / "progress.jsonl").write_text("\n".join(text) + '\n{"epoch": 0.5, "st')
    curve = TrialFolder(tmp_path).curve(("f1_macro",))
    assert curve is not None
    assert [evaluation.values["f1_macro"] for evaluation in curve.evaluations] == [0.20, 0.24]
    assert [evaluation.rows for evaluation in curve.evaluations] == [120, 120]
    assert curve.epoch == 0.33 and curve.planned_epochs == pytest.approx(3.0)
    assert curve.planned_seconds == pytest.approx(150.0)
    assert TrialFolder(tmp_path / "none").curve(("f1_macro",)) is None
