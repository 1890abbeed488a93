"""Callbacks of a person's own: what they are told, in which order, and what becomes of their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from xautolm import AutoLM
from xautolm.callbacks import Callbacks, TrialEvaluated, TrialFinished, TrialStarted
from xautolm.errors import UsageError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.testing import FakeExecutor, SteppingExecutor, made_up_spec, success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind, TrialStatus

METRICS = {"accuracy": 0.5, "f1_weighted": 0.5, "mcc": 0.5}


class Diary:
    """Notes everything that it is told."""

    def __init__(self) -> None:
        self.events: list[TrialStarted | TrialEvaluated | TrialFinished] = []

    def started(self, event: TrialStarted) -> None:
        self.events.append(event)

    def evaluated(self, event: TrialEvaluated) -> None:
        self.events.append(event)

    def finished(self, event: TrialFinished) -> None:
        self.events.append(event)

    def of(self, trial: int) -> list[TrialStarted | TrialEvaluated | TrialFinished]:
        return [event for event in self.events if event.trial == trial]


class Notes(Quiet):
    """A screen that keeps what is said once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def curve(spec: TrialSpec) -> list[dict[str, float]]:
    lines: list[dict[str, float]] = []
    for epoch in (1, 2):
        counters = {"epoch": epoch, "step": 10 * epoch, "steps": 20, "seconds": float(epoch)}
        lines.append({**counters, "loss": 0.1})
        lines.append({**counters, "f1_macro": 0.1 * epoch + 0.01 * spec.number, **METRICS})
    return lines


@pytest.fixture
def fit(tmp_path: Path, tickets: pd.DataFrame) -> Callable[..., AutoLM]:
    def run(callbacks: list[Any], executor: Any, **options: Any) -> AutoLM:
        screen = options.pop("screen", Quiet())
        auto = AutoLM(
            out=str(tmp_path / "run"), sampler="random", device="cpu", pruning=False, **options
        )
        return auto.fit(tickets, callbacks=callbacks, screen=screen, executor=executor)

    return run


def test_a_trial_is_started_evaluated_and_finished(fit: Callable, tmp_path: Path) -> None:
    diary = Diary()
    auto = fit([diary], SteppingExecutor(curve), trials=3)
    for experience in auto.experiences_:
        started, *evaluated, finished = diary.of(experience.trial)
        assert isinstance(started, TrialStarted) and isinstance(finished, TrialFinished)
        assert started.configuration == experience.configuration
        assert started.folder == tmp_path / "run" / "trials" / f"{experience.trial:04d}"
        assert started.forecast is not None and started.forecast.seconds.expected > 0
        assert all(isinstance(event, TrialEvaluated) for event in evaluated)
        # Lines of the training loss are no evaluations.
        assert [event.step for event in evaluated] == [10, 20]
        scores = [event.evaluation.values["f1_macro"] for event in evaluated]
        assert scores == [0.1 + 0.01 * experience.trial, 0.2 + 0.01 * experience.trial]
        assert finished.experience.id == experience.id
        assert finished.experience.outcome == experience.outcome
        assert finished.best is not None
    last = diary.events[-1]
    assert isinstance(last, TrialFinished)
    assert last.best is not None and last.best.id == auto.best_.id
    assert list(last.front) == [experience.trial for experience in auto.pareto_front_]


def test_an_evaluation_is_told_while_its_trial_runs(fit: Callable) -> None:
    diary = Diary()
    fit([diary], SteppingExecutor(curve), trials=3, parallel=2)
    # Two trials side by side, once the probe has ended: neither waits for the end of the other.
    kinds = [(type(event).__name__, event.trial) for event in diary.events]
    assert kinds.index(("TrialEvaluated", 2)) < kinds.index(("TrialFinished", 1))


def test_a_success_without_progress_is_evaluated_by_its_outcome(fit: Callable) -> None:
    def play(spec: TrialSpec) -> TrialOutcome:
        if spec.number == 1:
            raise MemoryError("no room")
        outcome = success(seconds=3.0, f1_macro=0.5, **METRICS)
        history = ({**outcome.history[0], "body_seconds": 2.0},)
        return replace(outcome, history=history)

    diary = Diary()
    fit([diary], FakeExecutor(play), trials=2)
    _, evaluated, finished = diary.of(0)
    assert isinstance(evaluated, TrialEvaluated)
    assert evaluated.evaluation.values == {"f1_macro": 0.5, **METRICS} and evaluated.step == 1
    assert isinstance(finished, TrialFinished) and finished.front == (0,)
    _, failed = diary.of(1)
    assert isinstance(failed, TrialFinished)
    failure = failed.experience.outcome.failure
    assert failure is not None and failure.kind is FailureKind.OUT_OF_MEMORY


def test_a_callback_that_raises_is_told_once_and_the_others_go_on(fit: Callable) -> None:
    class Broken:
        calls = 0

        def finished(self, event: TrialFinished) -> None:
            Broken.calls += 1
            raise OSError("the bell is broken")

    diary, notes = Diary(), Notes()
    auto = fit([Broken(), diary], SteppingExecutor(curve), trials=3, screen=notes)
    told = [text for text in notes.texts if "the bell is broken" in text]
    assert len(told) == 1 and "the callback Broken failed: OSError" in told[0]
    assert Broken.calls == 3 and len(auto.experiences_) == 3
    assert sum(isinstance(event, TrialFinished) for event in diary.events) == 3


def test_trials_that_a_ctrl_c_ends_are_finished_as_interrupted(fit: Callable) -> None:
    class Impatient(Diary):
        def evaluated(self, event: TrialEvaluated) -> None:
            super().evaluated(event)
            if event.trial == 1:
                raise KeyboardInterrupt

    diary = Impatient()
    with pytest.raises(KeyboardInterrupt):
        fit([diary], SteppingExecutor(curve), trials=3)
    finished = [event for event in diary.events if isinstance(event, TrialFinished)]
    assert [event.trial for event in finished] == [0, 1]
    outcome = finished[-1].experience.outcome
    assert outcome.status is TrialStatus.FAILED
    assert outcome.failure is not None and outcome.failure.kind is FailureKind.INTERRUPTED


@pytest.mark.parametrize("callback", [object(), Diary, print, "bell"])
def test_what_hears_nothing_is_refused_before_anything_is_written(
    callback: object, fit: Callable, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="hears nothing") as caught:
        fit([callback], SteppingExecutor(curve), trials=1)
    assert "started, evaluated, finished" in str(caught.value)
    assert not (tmp_path / "run").exists()


class Deferred:
    async def finished(self, event: TrialFinished) -> None:
        raise AssertionError


class Yielding:
    def evaluated(self, event: TrialEvaluated) -> Iterator[int]:
        yield event.trial


class Named:
    def started(self, event: TrialStarted) -> None:
        raise AssertionError

    finished = "bell"


@pytest.mark.parametrize("callback", [Deferred(), Yielding(), Named()])
def test_a_method_that_would_not_run_is_refused(
    callback: object, fit: Callable, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="would not run when it is called"):
        fit([callback], SteppingExecutor(curve), trials=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("callbacks", [Diary(), None])
def test_callbacks_that_are_no_list_are_refused(callbacks: Any, fit: Callable) -> None:
    with pytest.raises(UsageError, match="given as a list"):
        fit(callbacks, SteppingExecutor(curve), trials=1)


def test_callbacks_may_come_from_a_generator(fit: Callable) -> None:
    diary = Diary()
    fit((callback for callback in [diary]), SteppingExecutor(curve), trials=1)
    assert diary.events


def test_a_line_that_is_half_written_is_told_when_it_is_whole(tmp_path: Path) -> None:
    spec = made_up_spec(0)
    folder = TrialFolder(tmp_path)
    diary = Diary()
    callbacks = Callbacks([diary], print)
    callbacks.started(spec, tmp_path, None)
    whole = '{"epoch": 1, "step": 5, ' + ", ".join(f'"{name}": 0.5' for name in spec.metrics)
    folder.progress.write_text(whole)
    callbacks.look()
    assert len(diary.events) == 1
    folder.progress.write_text(whole + "}\n")
    callbacks.look()
    callbacks.look()
    assert [type(event) for event in diary.events] == [TrialStarted, TrialEvaluated]


def test_nothing_is_read_where_nobody_listens(tmp_path: Path) -> None:
    callbacks = Callbacks([], print)
    callbacks.started(made_up_spec(0), tmp_path, None)
    assert callbacks.running == {}
