"""A training that does not fit its time is shortened with its schedule, not cut in the middle of it."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState, get_scheduler

from xautolm.finetuning.callbacks import Deadline, Progress, Writing
from xautolm.finetuning.schedule import Course, StepPlan


def scheduler(name: str, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return get_scheduler(name, optimizer, num_warmup_steps=10, num_training_steps=steps)


@pytest.mark.parametrize("name", ["linear", "cosine", "polynomial"])
def test_a_shortened_schedule_ends_where_the_whole_one_would(name: str) -> None:
    whole, short = scheduler(name, 100), scheduler(name, 100)
    rates = []
    for step in range(60):
        if step == 20:
            Course(short, 100).end_at(20, steps=60)
        rates.append(short.get_last_lr()[0])
        short.optimizer.step()
        short.step()
    expected = []
    for _ in range(100):
        expected.append(whole.get_last_lr()[0])
        whole.optimizer.step()
        whole.step()
    assert rates[:21] == expected[:21]
    # From step 20 on twice as fast: 80 steps of the schedule in 40.
    assert rates[21:] == pytest.approx(expected[22:100:2])
    assert short.get_last_lr()[0] == pytest.approx(whole.get_last_lr()[0], abs=1e-6)


def test_time_is_kept_for_what_must_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("xautolm.finetuning.callbacks.time.monotonic", lambda: now[0])
    args, state, control = SimpleNamespace(), TrainerState(max_steps=300), TrainerControl()
    weights = torch.nn.Linear(1000, 250_000, bias=False)
    writing = Writing.of(weights, is_exported_whole=True)
    assert writing == Writing(checkpoint=10**9, export=10**9)
    clock = Deadline(1000.0, 100, 10, writing=writing)
    clock.on_train_begin(args, state, control)
    clock.evaluation_seconds = 0.0
    # A checkpoint, the best one read again, and the export: 3 GB at 500 MB/s until the disk was seen.
    assert clock.reserve(now[0], 1.0) == pytest.approx(6.0)
    clock.on_evaluate(args, state, control)
    now[0] += 5.0
    clock.on_save(args, state, control)
    clock.evaluation_seconds = 0.0
    assert clock.reserve(now[0], 1.0) == pytest.approx(15.0)
    # Small models take what they took before.
    small = Deadline(1000.0, 100, 10, writing=Writing(checkpoint=9 * 10**7, export=9 * 10**7))
    small.on_evaluate(args, state, control)
    now[0] += 3.0
    small.on_save(args, state, control)
    small.evaluation_seconds = 0.0
    assert small.reserve(now[0], 1.0) == 2.0


class Training:
    """Plays a training of 3 epochs of 100 steps that take a second each, evaluations 5 seconds."""

    def __init__(
        self,
        deadline: float | None,
        slower_from: int = 1000,
        slow_steps: int = 0,
        warm_up: float = 0.0,
    ) -> None:
        self.time = 1000.0
        self.slower_from = slower_from
        self.slow_steps = slow_steps
        self.warm_up = warm_up
        self.clock = Deadline(None if deadline is None else 1000.0 + deadline, 100, 10)
        self.plan = StepPlan(self.clock, now=lambda: self.time)
        self.state = TrainerState(max_steps=300)
        self.scheduler = scheduler("linear", 300)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("xautolm.finetuning.callbacks.time.monotonic", lambda: self.time)
        args, control = SimpleNamespace(num_train_epochs=3.0), TrainerControl()
        for callback in (self.clock, self.plan):
            callback.on_train_begin(args, self.state, control)
        while self.state.global_step < self.state.max_steps and not control.should_training_stop:
            self.time += 1.0 if self.state.global_step < self.slower_from else 1.5
            self.time += 9.0 if self.state.global_step < self.slow_steps else 0.0
            self.time += self.warm_up if self.state.global_step == 0 else 0.0
            self.state.global_step += 1
            self.state.epoch = self.state.global_step / 100
            self.scheduler.optimizer.step()
            self.scheduler.step()
            for callback in (self.clock, self.plan):
                callback.on_step_end(args, self.state, control, lr_scheduler=self.scheduler)
            if self.state.global_step % 100 == 0 or self.state.global_step == self.state.max_steps:
                self.evaluate(args, control)

    def evaluate(self, args: object, control: TrainerControl) -> None:
        for callback in (self.clock, self.plan):
            callback.on_epoch_end(args, self.state, control)
        self.time += 5.0
        for callback in (self.clock, self.plan):
            callback.on_evaluate(args, self.state, control, lr_scheduler=self.scheduler)


def test_what_fits_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for deadline in (None, 1000.0, 360.0):
        training = Training(deadline)
        training.run(monkeypatch)
        assert training.state.global_step == 300 and not training.plan.is_shortened


@pytest.mark.parametrize("deadline", [50.0, 120.0, 180.0, 250.0, 305.0])
def test_what_does_not_fit_ends_in_time_with_a_rate_of_zero(
    monkeypatch: pytest.MonkeyPatch, deadline: float
) -> None:
    training = Training(deadline)
    training.run(monkeypatch)
    assert training.plan.is_shortened and not training.clock.truncated
    assert training.scheduler.get_last_lr()[0] == pytest.approx(0.0, abs=1e-6)
    # It ends before the deadline, and little of the time is left.
    assert 0 < 1000.0 + deadline - training.time < 0.2 * deadline + 10


@pytest.mark.parametrize("warm_up", [4.0, 15.0])
def test_a_slow_first_step_is_not_taken_for_the_pace(
    monkeypatch: pytest.MonkeyPatch, warm_up: float
) -> None:
    training = Training(60.0, warm_up=warm_up)
    training.run(monkeypatch)
    # All that is left after the first step but the evaluation and the saving, at a second for each step.
    left = 60.0 - warm_up - 5.0
    assert 0.6 * left < training.state.global_step < left
    assert not training.clock.truncated and training.time < 1060.0


def test_a_training_stops_after_its_first_step_where_no_second_would_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = Training(60.0, slow_steps=300, warm_up=25.0)
    training.run(monkeypatch)
    assert training.clock.truncated and training.state.global_step == 1


def test_a_machine_that_becomes_busier_shortens_the_plan_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = Training(200.0, slower_from=40)
    training.run(monkeypatch)
    assert training.plan.is_shortened and not training.clock.truncated
    assert training.scheduler.get_last_lr()[0] == pytest.approx(0.0, abs=1e-6)
    assert training.time < 1200.0


@pytest.mark.parametrize("slower_from", [104, 105, 106, 107, 108])
def test_a_machine_that_becomes_busier_at_the_very_end_cuts_nothing(
    monkeypatch: pytest.MonkeyPatch, slower_from: int
) -> None:
    # At step 100, the last regular look, all seems to fit, just so; from there on steps take half as long again.
    training = Training(133.0, slower_from=slower_from)
    training.run(monkeypatch)
    assert training.plan.is_shortened and not training.clock.truncated
    assert training.scheduler.get_last_lr()[0] == pytest.approx(0.0, abs=1e-6)
    assert training.time < 1000.0 + 133.0


def test_a_machine_that_becomes_free_again_gives_the_steps_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = Training(600.0, slow_steps=20)
    whole.run(monkeypatch)
    # After 20 steps of 10 s, there was time for 40 more of them; after 40 steps, for all.
    assert whole.state.global_step == 300 and not whole.plan.is_shortened
    part = Training(400.0, slow_steps=20)
    part.run(monkeypatch)
    assert (
        100 < part.state.global_step < 300 and part.plan.is_shortened and not part.clock.truncated
    )
    for training in (whole, part):
        assert training.scheduler.get_last_lr()[0] == pytest.approx(0.0, abs=1e-6)
    assert part.time < 1400.0


def test_a_schedule_that_changes_often_stays_as_quick_and_ends_at_zero() -> None:
    whole = scheduler("linear", 3000)
    course = Course(whole, 3000)
    for step in range(1, 2900):
        course.end_at(step, steps=2950 + step % 2)
        whole.optimizer.step()
        whole.step()
    course.end_at(2899, steps=2950)
    for _ in range(2899, 2950):
        whole.optimizer.step()
        whole.step()
    assert whole.get_last_lr()[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("first_says", "stops"), [(1.0, True), (-1.0, False)])
def test_processes_that_train_one_model_stop_when_the_first_does(
    first_says: float, stops: bool
) -> None:
    own_views: list[float] = []

    def agree(seconds_over: float) -> float:
        own_views.append(seconds_over)
        return first_says

    # By its own clock, this process would stop where the first goes on, and go on where that stops.
    deadline = time.monotonic() + (1000.0 if stops else 0.0)
    clock = Deadline(deadline, 100, 10, agree=agree)
    state = TrainerState(global_step=1, max_steps=300)
    control = TrainerControl()
    arguments = SimpleNamespace(num_train_epochs=3.0)
    clock.on_train_begin(arguments, state, control)
    clock.on_step_end(arguments, state, control)
    assert (own_views[0] > 0) != stops
    assert control.should_training_stop == clock.truncated == stops


def test_one_of_several_processes_writes_the_progress(tmp_path: Path) -> None:
    control = TrainerControl()
    arguments = SimpleNamespace(num_train_epochs=3.0)
    for is_first in (False, True):
        progress = Progress(tmp_path)
        state = TrainerState(global_step=1, max_steps=2, is_world_process_zero=is_first)
        progress.on_evaluate(arguments, state, control, {"eval_mcc": 0.5})
        # All know the history, by which they agree on the best epoch.
        assert progress.history[0]["mcc"] == 0.5
        assert (tmp_path / "progress.jsonl").exists() == is_first
